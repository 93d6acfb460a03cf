import type { IncomingHttpHeaders, RequestListener, ServerResponse } from 'node:http';
import { toPublicError } from '../graphql/errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { requestIdFrom } from './plugins/request-state.ts';
import { SECURITY_HEADERS } from './plugins/security-headers.ts';
import { refuse } from './refusals.ts';

export interface EndpointAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What is at a path. */
export type Endpoint = (headers: IncomingHttpHeaders) => EndpointAnswer | Promise<EndpointAnswer>;
/** By the exact path. */
export type Endpoints = ReadonlyMap<string, Endpoint>;

/** For load balancers: whether the process lives, and whether it takes traffic. */
export function probes(isReady: () => boolean): Endpoints {
  return new Map([
    ['/health', () => status(200, 'ok')],
    ['/ready', () => (isReady() ? status(200, 'ready') : status(503, 'not ready'))],
  ]);
}

/** For Prometheus. */
export function scrapes(metrics: Metrics): Endpoints {
  return new Map([
    [
      '/metrics',
      async () => {
        const { contentType, body } = await metrics.expose();
        return { status: 200, headers: { 'Content-Type': contentType }, body };
      },
    ],
  ]);
}

/**
 * Sends a browser from the root to GraphiQL. The location is relative: a proxy may serve the gateway below a path of
 * its own, and no URL is built from `Host`.
 */
export const ROOT_REDIRECT: Endpoints = new Map([
  ['/', () => ({ status: 302, headers: { Location: 'graphql' }, body: Buffer.alloc(0) })],
]);

/**
 * Answers at these paths, and leaves all else to `next`. The answers are no GraphQL: they pass by yoga and load
 * shedding, and are neither logged nor counted, so that they cost next to nothing and come whatever else goes on.
 */
export function answerAt(
  endpoints: Endpoints,
  next: RequestListener,
  { log }: { readonly log: Log },
): RequestListener {
  return (request, response) => {
    const endpoint = endpoints.get(request.url ?? '');
    if (endpoint === undefined) {
      next(request, response);
      return;
    }
    const requestId = requestIdFrom(request.headers);
    const answer = endpoint(request.headers);
    if (!(answer instanceof Promise)) {
      send(response, answer, requestId);
      return;
    }
    answer.then(
      (made) => send(response, made, requestId),
      (err: unknown) => {
        log.error({ requestId, err }, 'bug');
        refuse(request, response, 500, toPublicError(undefined));
      },
    );
  };
}

function send(response: ServerResponse, { status, headers, body }: EndpointAnswer, requestId: string): void {
  response.writeHead(status, {
    ...COMMON,
    ...headers,
    // It would have to be that of the 200.
    ...(status === 304 ? {} : { 'Content-Length': body.length }),
    'X-Request-Id': requestId,
  });
  response.end(body);
}

const COMMON = { ...Object.fromEntries(SECURITY_HEADERS), 'Cache-Control': 'no-store' };

function status(code: number, text: string): EndpointAnswer {
  return {
    status: code,
    headers: { 'Content-Type': 'application/json' },
    body: Buffer.from(JSON.stringify({ status: text })),
  };
}
