import type { Clock } from '../../clock.ts';
import { UpstreamError, type UpstreamErrorKind } from '../errors.ts';
import { createBulkhead } from './bulkhead.ts';
import { createCircuitBreaker } from './circuit-breaker.ts';
import type { HttpClient, HttpResponse } from './http.ts';
import { createRetryBudget } from './retry-budget.ts';

/** One GET on a credential's behalf. */
export interface UpstreamRequest {
  /** The credential, which shares the slots with others. */
  readonly credentialId: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The most bytes that the body of the response may have, also after decompression. */
  readonly maxBytes: number;
  /** A shorter deadline than usual, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** Counts every call that is really made, retries included. */
export interface CallCounter {
  callBegan(credentialId: string): void;
  /** @param response the response, where one came */
  callEnded(credentialId: string, response: HttpResponse | undefined): void;
}

/** How busy the way to the upstream is at a moment. */
export interface UpstreamLoad {
  /** Calls in flight. */
  readonly running: number;
  /** Calls that wait for a slot. */
  readonly waiting: number;
  readonly circuitClosed: boolean;
}

/** HTTP that bears an upstream which is slow, away or overrun, and spares it. */
export interface ResilientHttp {
  /** @throws {UpstreamError} `timeout`, `unavailable` or `invalidResponse`; any status that arrives is a response */
  get(request: UpstreamRequest): Promise<HttpResponse>;
  load(): UpstreamLoad;
}

export interface ResilienceOptions {
  readonly http: HttpClient;
  /** `UPSTREAM_TIMEOUT_MS`: the deadline from the call to the last byte, waiting and retries included. */
  readonly timeoutMs: number;
  /** `UPSTREAM_MAX_CONCURRENCY` */
  readonly maxConcurrency: number;
  readonly clock: Clock;
  readonly counter: CallCounter;
  /** From 0 to 1; spreads retries. */
  readonly random?: () => number;
}

/** Calls that may wait, for each call that may be in flight. */
const WAITING_PER_CALL = 64;
/**
 * The share of its deadline for which a call may wait for a slot. A call that began with hardly any time left would time
 * out, and many such calls in a row would make a healthy upstream look as if it were in trouble.
 */
const WAITING_SHARE = 0.5;
/** The share of the deadline that one attempt may take, so that a connection that hangs leaves time for another. */
const ATTEMPT_SHARE = 0.5;
/** Retries of one call, after a failure of a kind. */
const MAX_RETRIES_OF_KIND: Readonly<Partial<Record<UpstreamErrorKind, number>>> = {
  unavailable: 2,
  timeout: 1,
};
/** Retries of one call, after a response with a status. */
const MAX_RETRIES_OF_STATUS: Readonly<Partial<Record<number, number>>> = {
  502: 2, // Bad Gateway
  503: 2, // Service Unavailable
  504: 2, // Gateway Timeout
};
const RETRY_DELAY_MS = 50;

/**
 * Fails at once while the circuit is open, waits for a slot otherwise, and then makes one attempt after another with
 * what is left of the one deadline. Only signs of trouble in the upstream itself open the circuit: no connection, no
 * response in time, 5xx. All calls are reads, so an attempt that got no response may be repeated too.
 */
export function createResilientHttp(options: ResilienceOptions): ResilientHttp {
  const { http, maxConcurrency, clock, counter, random = Math.random } = options;
  const bulkhead = createBulkhead({
    maxRunning: maxConcurrency,
    maxWaiting: maxConcurrency * WAITING_PER_CALL,
  });
  const circuit = createCircuitBreaker(clock);
  const retries = createRetryBudget();

  async function attempt(
    { credentialId, path, headers, maxBytes }: UpstreamRequest,
    leftMs: number,
  ): Promise<HttpResponse | UpstreamError> {
    const permit = circuit.acquire(leftMs);
    let outcome: HttpResponse | UpstreamError | undefined;
    counter.callBegan(credentialId);
    try {
      const exchange = http.begin(path, headers, permit.timeoutMs, {
        maxBytes,
        partition: credentialId,
        onResend: () => {
          counter.callEnded(credentialId, undefined);
          counter.callBegan(credentialId);
        },
      });
      outcome = await outcomeOf(exchange.response);
      return outcome;
    } finally {
      counter.callEnded(credentialId, outcome instanceof UpstreamError ? undefined : outcome);
      permit.settle(outcome === undefined || isTrouble(outcome));
    }
  }

  async function attemptUntil(
    deadline: number,
    attemptMs: number,
    request: UpstreamRequest,
  ): Promise<HttpResponse> {
    const left = (): number => deadline - clock.monotonic();
    for (let retried = 0; ; retried++) {
      const outcome = await attempt(request, Math.max(1, Math.min(left(), attemptMs)));
      const delayMs = random() * RETRY_DELAY_MS * 2 ** retried;
      if (retried >= maxRetries(outcome) || delayMs >= left() || !retries.take()) {
        if (outcome instanceof UpstreamError) throw outcome;
        return outcome;
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }

  return {
    load: () => ({
      running: bulkhead.running,
      waiting: bulkhead.waiting,
      circuitClosed: circuit.isClosed(),
    }),

    async get(request) {
      const timeoutMs = Math.min(options.timeoutMs, request.timeoutMs ?? Infinity);
      const deadline = clock.monotonic() + timeoutMs;
      retries.earn();
      circuit.assertClosed();
      return bulkhead.run(request.credentialId, timeoutMs * WAITING_SHARE, () =>
        attemptUntil(deadline, timeoutMs * ATTEMPT_SHARE, request),
      );
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
  return outcome instanceof UpstreamError ? outcome.subject === 'upstream' : outcome.status >= 500;
}

/** A response that says when to come back is believed. */
function maxRetries(outcome: HttpResponse | UpstreamError): number {
  if (outcome instanceof UpstreamError) return MAX_RETRIES_OF_KIND[outcome.kind] ?? 0;
  return outcome.headers['retry-after'] === undefined ? (MAX_RETRIES_OF_STATUS[outcome.status] ?? 0) : 0;
}
