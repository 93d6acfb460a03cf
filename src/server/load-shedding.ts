import type { IncomingMessage, ServerResponse } from 'node:http';
import { overloaded } from '../graphql/errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Shares, ShareSize } from '../shares.ts';
import type { ReceivedBody } from './plugins/request-state.ts';
import { turnAway } from './refusals.ts';
import type { Turns } from './turns.ts';

export interface LoadSheddingOptions {
  readonly metrics: Metrics;
  /** Of requests under way, each of which holds memory until it is answered. */
  readonly underWay: Shares;
  readonly turns: Pick<Turns, 'wait'>;
  /** The limit of the event loop's lag, in milliseconds. */
  readonly maxLagMs?: number;
}

export interface LoadShedding {
  readonly handle: (
    request: IncomingMessage,
    response: ServerResponse,
    caller: string,
    body?: ReceivedBody,
  ) => void;
  /**
   * Admits an operation that does not come as an HTTP request.
   * @returns a function to call when it is done; undefined when it must be turned away
   */
  admit(caller: string): (() => void) | undefined;
  stop(): void;
}

/** Requests and operations that are not answered yet. */
export const REQUESTS_UNDER_WAY: ShareSize = { total: 1_600, timesFree: 3 };

const SAMPLE_MS = 500;
const OVERLOADED = overloaded();

/**
 * Turns GraphQL requests away with 503 before they cost anything, while their caller has his share under way or the
 * event loop is late twice in a row. `/health`, `/ready` and `/metrics` are always answered. A stream lasts for hours and does next to nothing, so
 * a request stops counting when it becomes one; `STREAMS` of backfill-updates.ts bounds streams.
 * @param handle calls `becomesStream` when it answers with a stream
 */
export function shedLoad(
  handle: (
    request: IncomingMessage,
    response: ServerResponse,
    caller: string,
    becomesStream: () => void,
    body?: ReceivedBody,
  ) => void,
  { metrics, underWay, turns, maxLagMs = 1_000 }: LoadSheddingOptions,
): LoadShedding {
  // A process that once stood still, as when its machine was moved, has nothing to shed. One that is overloaded is late
  // again and again.
  let lagMs = 0;
  let latest = 0;
  let sampledAt = performance.now();
  const sampling = setInterval(() => {
    const now = performance.now();
    const late = now - sampledAt - SAMPLE_MS;
    lagMs = Math.min(late, latest);
    latest = late;
    sampledAt = now;
  }, SAMPLE_MS).unref();

  function admit(caller: string): (() => void) | undefined {
    if (lagMs <= maxLagMs) return underWay.take(caller);
    metrics.recordRefusal('event_loop', 'global');
    return undefined;
  }

  return {
    handle(request, response, caller, body) {
      if (request.url?.startsWith('/graphql') !== true) {
        handle(request, response, caller, () => undefined);
        return;
      }
      const done = admit(caller);
      if (done === undefined) {
        turnAway(request, response, 503, OVERLOADED, metrics);
        return;
      }
      response.once('close', done);
      const begin = (): void => {
        // Who has gone while he waited costs the others nothing.
        if (!response.closed) handle(request, response, caller, done, body);
      };
      const turn = turns.wait(caller);
      if (turn === undefined) begin();
      else void turn.then(begin);
    },
    admit,
    stop() {
      clearInterval(sampling);
    },
  };
}
