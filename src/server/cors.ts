import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** Headers of an answer that a page may read, beside those that every page may. */
const EXPOSED = 'ETag, Retry-After, X-Request-Id';
/** A day; browsers keep a preflight for two hours at most. */
const MAX_AGE = '86400';
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:, *[\w!#$%&'*+.^`|~-]+)*$/;

/**
 * Lets pages of listed origins read every answer, refusals included, and send any header. Cookies are never allowed.
 * A page of another origin gets no header, so its browser keeps the answer from it.
 * @param origins as browsers send them; `*` is any, and `http://localhost:*` is any port of that host
 */
export function allowOrigins(origins: readonly string[], handle: RequestListener): RequestListener {
  if (origins.length === 0) return handle;
  const listed = new Set(origins);
  const allowed = (origin: string): string | undefined => {
    if (listed.has('*')) return '*';
    return listed.has(origin) || listed.has(`${withoutPort(origin)}:*`) ? origin : undefined;
  };

  return (request, response) => {
    const { origin } = request.headers;
    if (origin !== undefined) {
      response.setHeader('Vary', 'Origin');
      const allow = allowed(origin);
      if (allow !== undefined) setHeaders(request, response, allow);
    }
    handle(request, response);
  };
}

function setHeaders({ method, headers }: IncomingMessage, response: ServerResponse, allow: string): void {
  response.setHeader('Access-Control-Allow-Origin', allow);
  response.setHeader('Access-Control-Expose-Headers', EXPOSED);
  if (method !== 'OPTIONS') return;
  response.setHeader('Vary', 'Origin, Access-Control-Request-Headers');
  response.setHeader('Access-Control-Allow-Methods', 'GET, POST');
  response.setHeader('Access-Control-Max-Age', MAX_AGE);
  const asked = headers['access-control-request-headers'];
  if (asked !== undefined && HEADER_NAMES.test(asked)) {
    response.setHeader('Access-Control-Allow-Headers', asked);
  }
}

function withoutPort(origin: string): string {
  return origin.replace(/:\d{1,5}$/, '');
}
