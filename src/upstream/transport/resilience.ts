import type { Clock } from '../../clock.ts';
import type { UpstreamLoad } from '../../metrics.ts';
import { createCircuitBreaker, PROBE_TIMEOUT_MS } from './circuit-breaker.ts';
import { UpstreamError, type UpstreamErrorKind } from '../errors.ts';
import type { HttpResponse, HttpClient, Hurry } from './http.ts';
import { createBulkhead } from './bulkhead.ts';

/** One GET for somebody. */
export interface UpstreamRequest {
  /** Whose turn it takes. */
  readonly owner: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Where there is less time than usual, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** Is told of every call that is really made, retries included. */
export interface CallCounter {
  callBegan(owner: string): void;
  /** @param answer if one came */
  callEnded(owner: string, answer: HttpResponse | undefined): void;
}

/** An exchange that bears with an upstream that is slow, away or overrun, and spares it. */
export interface ResilientHttp {
  /** @throws {UpstreamError} `timeout`, `unavailable` or `invalidResponse`; any status that arrives is an answer */
  get(request: UpstreamRequest): Promise<HttpResponse>;
  load(): UpstreamLoad;
}

export interface ResilienceOptions {
  readonly exchange: HttpClient;
  /** From the call to the last byte, waiting and retries included, in milliseconds. */
  readonly timeoutMs: number;
  readonly maxConcurrency: number;
  readonly clock: Clock;
  readonly counter: CallCounter;
  /** From 0 to 1; spreads retries. */
  readonly random?: () => number;
}

const WAITING_PER_CALL = 64;
/**
 * How much of its time a call may wait for its turn. One that began with hardly any left would run out of it, and in a
 * rush many such in a row would make an upstream look in trouble that is well.
 */
const WAITING_SHARE = 0.5;
/** How much of its time one attempt may take: a connection that hangs leaves as much for another try. */
const ATTEMPT_SHARE = 0.5;
/** How often a call may be tried again. */
const MAX_RETRIES: Readonly<Partial<Record<UpstreamErrorKind | number, number>>> = {
  unavailable: 2,
  timeout: 1,
  502: 2,
  503: 2,
  504: 2,
};
const RETRY_DELAY_MS = 50;
/** The share of recent calls that may be tried again, and how many such calls a quiet time can save up. */
const RETRY_SHARE = 0.1;
const MAX_RETRIES_SAVED = 10;

/**
 * Fails at once while the circuit is open, waits for a turn otherwise, and then makes one attempt after another with
 * what is left of the one deadline. Only what says that the upstream itself is in trouble opens the circuit: no
 * connection, no answer in time, 5xx. Since all calls are reads, what got no answer may be tried again, too.
 */
export function createResilientHttp(options: ResilienceOptions): ResilientHttp {
  const { exchange, maxConcurrency, clock, counter, random = Math.random } = options;
  const turns = createBulkhead({ maxRunning: maxConcurrency, maxWaiting: maxConcurrency * WAITING_PER_CALL });
  const circuit = createCircuitBreaker(clock);
  const underWay = new Set<Hurry>();
  let retriesSaved = 1;

  async function attempt(
    { owner, path, headers }: UpstreamRequest,
    leftMs: number,
  ): Promise<HttpResponse | UpstreamError> {
    const permit = circuit.acquire(leftMs);
    let outcome: HttpResponse | UpstreamError | undefined;
    counter.callBegan(owner);
    try {
      outcome = await outcomeOf(exchange.get(path, headers, permit.timeoutMs, underWay));
      return outcome;
    } finally {
      counter.callEnded(owner, outcome instanceof UpstreamError ? undefined : outcome);
      const wasClosed = circuit.isClosed();
      permit.settle(outcome === undefined || isTrouble(outcome));
      // What is under way now has no more of an answer to hope for than a probe.
      if (wasClosed && !circuit.isClosed()) for (const hurry of underWay) hurry(PROBE_TIMEOUT_MS);
    }
  }

  /** Takes one of the retries that recent calls have saved up. */
  function takeRetry(): boolean {
    if (retriesSaved < 1) return false;
    retriesSaved--;
    return true;
  }

  return {
    load: () => ({ running: turns.running, waiting: turns.waiting, circuitClosed: circuit.isClosed() }),

    async get(request) {
      const timeoutMs = Math.min(options.timeoutMs, request.timeoutMs ?? Infinity);
      const deadline = clock.monotonic() + timeoutMs;
      const left = (): number => deadline - clock.monotonic();
      retriesSaved = Math.min(MAX_RETRIES_SAVED, retriesSaved + RETRY_SHARE);
      circuit.assertClosed();
      return turns.run(request.owner, timeoutMs * WAITING_SHARE, async () => {
        for (let retries = 0; ; retries++) {
          const outcome = await attempt(request, Math.max(1, Math.min(left(), timeoutMs * ATTEMPT_SHARE)));
          const delay = random() * RETRY_DELAY_MS * 2 ** retries;
          if (retries >= maxRetries(outcome) || delay >= left() || !takeRetry()) {
            if (outcome instanceof UpstreamError) throw outcome;
            return outcome;
          }
          await new Promise((resolve) => setTimeout(resolve, delay));
        }
      });
    },
  };
}

async function outcomeOf(call: Promise<HttpResponse>): Promise<HttpResponse | UpstreamError> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof UpstreamError) return error;
    throw error;
  }
}

function isTrouble(outcome: HttpResponse | UpstreamError): boolean {
  if (outcome instanceof UpstreamError) return outcome.kind === 'unavailable' || outcome.kind === 'timeout';
  return outcome.status >= 500;
}

/** An answer that says when to come back is believed. */
function maxRetries(outcome: HttpResponse | UpstreamError): number {
  if (outcome instanceof UpstreamError) return MAX_RETRIES[outcome.kind] ?? 0;
  return outcome.headers['retry-after'] === undefined ? (MAX_RETRIES[outcome.status] ?? 0) : 0;
}
