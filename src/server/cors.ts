import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { listOrigins } from './origin.ts';

/** Headers of an answer that a page may read, beside those that every page may. */
const EXPOSED = 'ETag, Retry-After, X-Request-Id';
/** A day; browsers keep a preflight for two hours at most. */
const MAX_AGE = '86400';
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:, *[\w!#$%&'*+.^`|~-]+)*$/;

/** Gives the headers by which the page of an origin may read an answer; without an origin there are none. */
export type ReadableBy = (origin: string | undefined) => Readonly<Record<string, string>>;

/** @param origins see {@link listOrigins} */
export function readableBy(origins: readonly string[]): ReadableBy {
  const isListed = listOrigins(origins);
  const isAny = origins.includes('*');
  return (origin) => {
    if (origin === undefined || origins.length === 0) return {};
    if (!isListed(origin)) return { Vary: 'Origin' };
    return {
      Vary: 'Origin',
      'Access-Control-Allow-Origin': isAny ? '*' : origin,
      'Access-Control-Expose-Headers': EXPOSED,
    };
  };
}

/**
 * Lets pages of listed origins read every answer, refusals included, and send any header. Cookies are never allowed.
 * A page of another origin gets no header, so its browser keeps the answer from it.
 * @param origins see {@link listOrigins}
 */
export function allowOrigins(origins: readonly string[], handle: RequestListener): RequestListener {
  if (origins.length === 0) return handle;
  const headersFor = readableBy(origins);
  return (request, response) => {
    const { origin } = request.headers;
    if (origin !== undefined) {
      const headers = headersFor(origin);
      for (const name in headers) response.setHeader(name, headers[name] ?? '');
      if (request.method === 'OPTIONS' && response.hasHeader('Access-Control-Allow-Origin')) {
        answerPreflight(request, response);
      }
    }
    handle(request, response);
  };
}

function answerPreflight({ headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader('Vary', 'Origin, Access-Control-Request-Headers');
  response.setHeader('Access-Control-Allow-Methods', 'GET, POST');
  response.setHeader('Access-Control-Max-Age', MAX_AGE);
  const asked = headers['access-control-request-headers'];
  if (asked !== undefined && HEADER_NAMES.test(asked)) {
    response.setHeader('Access-Control-Allow-Headers', asked);
  }
}
