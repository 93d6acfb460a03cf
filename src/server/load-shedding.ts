import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Metrics } from '../metrics.ts';
import { requestIdFrom } from './request-record.ts';
import { SECURITY_HEADERS } from './response-headers.ts';

export interface LoadSheddingOptions {
  readonly metrics: Metrics;
  /** Most requests under way at once; each holds memory until it is answered. */
  readonly maxUnderWay?: number;
  /** Most milliseconds by which the event loop may be late. */
  readonly maxLagMs?: number;
}

export interface LoadShedding {
  readonly handle: RequestListener;
  stop(): void;
}

const SAMPLE_MS = 500;
const RETRY_AFTER_SECONDS = 1;
const CODE = 'UPSTREAM_UNAVAILABLE';
const REFUSAL_HEADERS = {
  ...Object.fromEntries(SECURITY_HEADERS),
  'Content-Type': 'application/json; charset=utf-8',
  'Cache-Control': 'no-store',
  'Retry-After': String(RETRY_AFTER_SECONDS),
};

/**
 * Turns GraphQL requests away with 503 before they cost anything, while more are under way than memory is planned for
 * or the event loop is late. Those who ask how the gateway is are always answered.
 */
export function shedLoad(
  handle: RequestListener,
  { metrics, maxUnderWay = 1_000, maxLagMs = 1_000 }: LoadSheddingOptions,
): LoadShedding {
  let underWay = 0;
  let lagMs = 0;
  let sampledAt = performance.now();
  const sampling = setInterval(() => {
    const now = performance.now();
    lagMs = now - sampledAt - SAMPLE_MS;
    sampledAt = now;
  }, SAMPLE_MS).unref();

  return {
    handle(request, response) {
      if (request.url?.startsWith('/graphql') !== true) {
        handle(request, response);
        return;
      }
      if (underWay >= maxUnderWay || lagMs > maxLagMs) {
        refuse(request, response);
        // Not logged: lines for requests that cost nothing would be most of what a flood costs.
        metrics.recordRequest(503, 0);
        metrics.recordError(CODE);
        return;
      }
      underWay++;
      response.once('close', () => {
        underWay--;
      });
      handle(request, response);
    },
    stop() {
      clearInterval(sampling);
    },
  };
}

function refuse({ headers }: IncomingMessage, response: ServerResponse): void {
  const given = headers['x-request-id'];
  const requestId = requestIdFrom(typeof given === 'string' ? given : null);
  response.writeHead(503, { ...REFUSAL_HEADERS, 'X-Request-Id': requestId });
  response.end(
    JSON.stringify({
      errors: [
        {
          message: 'The gateway is overloaded at the moment.',
          extensions: { code: CODE, retryable: true, retryAfterSeconds: RETRY_AFTER_SECONDS, requestId },
        },
      ],
    }),
  );
}
