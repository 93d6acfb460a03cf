import type { IncomingMessage, ServerResponse } from 'node:http';
import { overloaded } from '../graphql/errors.ts';
import type { Metrics } from '../metrics.ts';
import type { ReceivedBody } from './plugins/request-state.ts';
import { turnAway } from './refusals.ts';

export interface LoadSheddingOptions {
  readonly metrics: Metrics;
  /** The limit of requests under way at once, each of which holds memory until it is answered. */
  readonly maxUnderWay?: number;
  /** The limit of the event loop's lag, in milliseconds. */
  readonly maxLagMs?: number;
}

export interface LoadShedding {
  readonly handle: (request: IncomingMessage, response: ServerResponse, body?: ReceivedBody) => void;
  /**
   * Admits an operation that does not come as an HTTP request.
   * @returns a function to call when it is done; undefined when it must be turned away
   */
  admit(): (() => void) | undefined;
  /** Number of requests and operations that are not answered yet. */
  readonly underWay: number;
  stop(): void;
}

const SAMPLE_MS = 500;
const OVERLOADED = overloaded();

/**
 * Turns GraphQL requests away with 503 before they cost anything, while too many are under way or the event loop is
 * late. `/health`, `/ready` and `/metrics` are always answered. A stream lasts for hours and does next to nothing, so
 * a request stops counting when it becomes one; `MAX_STREAMS` of backfill-updates.ts bounds streams.
 * @param handle calls `becomesStream` when it answers with a stream
 */
export function shedLoad(
  handle: (
    request: IncomingMessage,
    response: ServerResponse,
    becomesStream: () => void,
    body?: ReceivedBody,
  ) => void,
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

  function admit(): (() => void) | undefined {
    if (underWay >= maxUnderWay || lagMs > maxLagMs) return undefined;
    underWay++;
    let done = false;
    return () => {
      if (!done) underWay--;
      done = true;
    };
  }

  return {
    handle(request, response, body) {
      if (request.url?.startsWith('/graphql') !== true) {
        handle(request, response, () => undefined);
        return;
      }
      const done = admit();
      if (done === undefined) {
        turnAway(request, response, 503, OVERLOADED, metrics);
        return;
      }
      response.once('close', done);
      handle(request, response, done, body);
    },
    admit,
    get underWay() {
      return underWay;
    },
    stop() {
      clearInterval(sampling);
    },
  };
}
