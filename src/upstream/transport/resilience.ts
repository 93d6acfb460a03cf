import type { Clock } from '../../clock.ts';
import { UpstreamError } from '../errors.ts';
import { PROBE_TIMEOUT_MS } from './circuit-breaker.ts';
import { type CircuitPermit, type Circuits, createCircuits, type Scope } from './circuits.ts';
import { type HttpClient, type HttpExchange, type HttpResponse, isNoConnection } from './http.ts';
import { createLatency } from './latency.ts';
import { isWorthARetry, kindOf, type Outcome, shownBy } from './outcome.ts';
import type { UpstreamRequest, WriteRequest } from './request.ts';
import { createRetryBudget } from './retry-budget.ts';
import { createAttempt, MOVED } from './second-try.ts';
import { createSendOnce } from './send-once.ts';
import { createSilence } from './silence.ts';
import { createSlots, type Slot } from './slots.ts';
import type { Try } from './tries.ts';

/** Counts every exchange that is really made. */
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
  /**
   * Any status that arrives is a response. Rejects with an {@link UpstreamError}: `timeout`, `unavailable`,
   * `overloaded` or `invalidResponse`.
   */
  get(request: UpstreamRequest): Promise<HttpResponse>;
  /**
   * Sends a write once, and never again. Any status that arrives is a response. Rejects with an {@link UpstreamError}:
   * `outcomeUnknown` where it may have arrived, else `timeout`, `unavailable` or `overloaded`.
   */
  send(request: WriteRequest): Promise<HttpResponse>;
  /** Whether a call of this scope would be made at once: the circuits are closed, and slots are free. */
  isAtEase(scope: Scope): boolean;
  /** Milliseconds that few answers exceed: those of lists, or all others. */
  usualMs(isList: boolean): number;
  load(): UpstreamLoad;
}

export interface ResilienceOptions {
  readonly http: HttpClient;
  /** `UPSTREAM_TIMEOUT_MS`: the longest deadline of a call. */
  readonly timeoutMs: number;
  /** `UPSTREAM_MAX_CONCURRENCY` */
  readonly maxConcurrency: number;
  readonly clock: Clock;
  readonly counter: CallCounter;
  /** Called when a circuit has opened or closed, see {@link Circuits}. */
  readonly onCircuit: (scope: Scope | undefined, isClosed: boolean, cause: UpstreamError | undefined) => void;
  /** Called when the first connection has failed, with its error, and when a response came after that. */
  readonly onReachable?: (isReachable: boolean, cause: UpstreamError | undefined) => void;
  /** From 0 to 1; spreads retries. */
  readonly random?: () => number;
}

/** Calls that may wait, for each call that may be in flight. */
const WAITING_PER_CALL = 64;
/** Bounds of the time after which a second try begins, as shares of the deadline. */
const LEAST_UNUSUAL_SHARE = 0.1;
const MOST_UNUSUAL_SHARE = 0.5;
/** A timeout after a shorter share of the deadline says nothing of the upstream. */
const WHOLE_DEADLINE_SHARE = 0.9;
/** Retries of one call, after a lost connection, or a response like Bad Gateway. */
const MAX_RETRIES = 2;
const RETRY_DELAY_MS = 50;
/**
 * Fails at once while a circuit is open, waits for a slot otherwise, and then makes tries with what is left of the one
 * deadline. A read that got no response may be repeated; a write goes by {@link createSendOnce}.
 *
 * A second try begins beside one that takes unusually long; see {@link createAttempt}. A try that fails is repeated after
 * a short random time. Both are paid from one budget, a tenth of the calls, so that they never multiply the load on an
 * upstream in trouble.
 *
 * Only signs of trouble in the upstream itself open a circuit: no connection, no response within the whole deadline, 5xx.
 * Having had no slot is none.
 */
export function createResilientHttp(options: ResilienceOptions): ResilientHttp {
  const { http, timeoutMs, maxConcurrency, clock, counter, onCircuit } = options;
  const { onReachable = () => undefined, random = Math.random } = options;
  const latency = createLatency(timeoutMs * LEAST_UNUSUAL_SHARE, timeoutMs * MOST_UNUSUAL_SHARE);
  const latencyOf = { list: createLatency(0, timeoutMs), other: createLatency(0, timeoutMs) };
  const silence = createSilence(clock);
  const slots = createSlots({
    slots: maxConcurrency,
    maxWaiting: maxConcurrency * WAITING_PER_CALL,
    clock,
    unusualMs: latency.unusual,
    silence,
  });
  const retries = createRetryBudget();
  const inFlight = new Map<HttpExchange, Scope>();
  let latestTrouble: UpstreamError | undefined;
  let isReachable = true;
  const attempt = createAttempt({
    clock,
    slots,
    silence,
    retries,
    unusualMs: latency.unusual,
    mayCall,
    begin,
  });
  const circuits: Circuits = createCircuits({
    clock,
    onChange(scope, isClosed) {
      onCircuit(scope, isClosed, isClosed ? undefined : latestTrouble);
      if (isClosed) return;
      // Calls that are in flight when a circuit opens have no more of a chance than a probe.
      for (const [exchange, { credentialId, teamId }] of inFlight) {
        const isConcerned =
          scope === undefined || (scope.credentialId === credentialId && scope.teamId === teamId);
        if (isConcerned) exchange.shortenDeadline(PROBE_TIMEOUT_MS);
      }
    },
  });

  const send = createSendOnce({
    http,
    timeoutMs,
    maxConcurrency,
    clock,
    slots,
    circuits,
    counter,
    onEnded(permit, result, givenMs) {
      settle(permit, result, givenMs, false);
      if (result !== undefined && shownBy(result) === 'good') silence.answered();
    },
  });

  /** @throws {UpstreamError} `unavailable` while a circuit is open */
  function begin(request: UpstreamRequest, leftMs: number): Try<Outcome> {
    const permit = circuits.acquire(request);
    const givenMs = Math.max(1, Math.min(leftMs, permit.timeoutMs));
    const beganAt = clock.monotonic();
    const countOne = (): void => {
      counter.callBegan(request.credentialId);
      request.exchanges.began();
    };
    countOne();
    const exchange = http.begin(request.path, request.headers, givenMs, {
      maxBytes: request.maxBytes,
      partition: request.credentialId,
      onResend() {
        counter.callEnded(request.credentialId, undefined);
        request.exchanges.spent('unavailable');
        countOne();
      },
    });
    inFlight.set(exchange, request);
    let isAbandoned = false;

    function ended(result: Outcome | undefined): void {
      inFlight.delete(exchange);
      counter.callEnded(request.credentialId, result instanceof UpstreamError ? undefined : result);
      settle(permit, result, givenMs, isAbandoned);
    }

    return {
      outcome: exchange.response.then(
        (response) => {
          const tookMs = clock.monotonic() - beganAt;
          latency.observe(tookMs);
          latencyOf[request.isList ? 'list' : 'other'].observe(tookMs);
          ended(response);
          if (shownBy(response) === 'good') silence.answered();
          return response;
        },
        (error: unknown) => {
          const isExpected = error instanceof UpstreamError;
          ended(isExpected ? error : undefined);
          if (!isExpected) throw error;
          return error;
        },
      ),
      abandon() {
        isAbandoned = true;
        exchange.abort(new UpstreamError('unavailable', 'given up for another try'));
      },
    };
  }

  function settle(
    permit: CircuitPermit,
    result: Outcome | undefined,
    givenMs: number,
    isAbandoned: boolean,
  ): void {
    if (result instanceof UpstreamError) latestTrouble = result;
    noteConnection(result);
    const isEarly = result instanceof UpstreamError && result.kind === 'timeout' && !isWhole(givenMs);
    permit.settle(isAbandoned || (isEarly && !permit.isProbe) ? 'unknown' : shownBy(result));
  }

  /** A timeout, or a connection that broke, does not say whether the upstream can be reached. */
  function noteConnection(result: Outcome | undefined): void {
    const failed = result instanceof UpstreamError ? result : undefined;
    const saysSo = failed === undefined ? result !== undefined : isNoConnection(failed);
    if (!saysSo || isReachable === (failed === undefined)) return;
    isReachable = !isReachable;
    onReachable(isReachable, failed);
  }

  function isWhole(givenMs: number): boolean {
    return givenMs >= timeoutMs * WHOLE_DEADLINE_SHARE;
  }

  function mayCall(request: UpstreamRequest): boolean {
    try {
      circuits.assertClosed(request);
      return true;
    } catch {
      return false;
    }
  }

  async function attemptUntil(deadline: number, request: UpstreamRequest, slot: Slot): Promise<HttpResponse> {
    for (let retried = 0; ; retried++) {
      const outcome = await attempt(request, deadline, slot);
      const delayMs = random() * RETRY_DELAY_MS * 2 ** retried;
      const mayRetry =
        retried < MAX_RETRIES && isWorthARetry(outcome) && delayMs < deadline - clock.monotonic();
      if (!mayRetry || !retries.take()) {
        if (outcome instanceof UpstreamError) throw outcome;
        return outcome;
      }
      request.exchanges.spent(kindOf(outcome));
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }

  return {
    load: () => ({
      running: slots.running,
      waiting: slots.waiting,
      circuitClosed: circuits.isClosed(),
    }),

    isAtEase: (scope) => slots.hasFree && slots.waiting === 0 && circuits.isClosed(scope),

    usualMs: (isList) => latencyOf[isList ? 'list' : 'other'].usual(),

    send,

    async get(request) {
      const { isList } = request;
      const givenMs = Math.min(timeoutMs, request.timeoutMs);
      const deadline = clock.monotonic() + givenMs;
      retries.earn();
      circuits.assertClosed(request);
      for (let wasMoved = false; ; wasMoved = true) {
        const slot = await slotFor(request, deadline, wasMoved);
        try {
          return await attemptUntil(isList ? clock.monotonic() + givenMs : deadline, request, slot);
        } catch (error) {
          if (error !== MOVED) throw error;
        } finally {
          slot.release();
        }
      }
    },
  };

  function slotFor(request: UpstreamRequest, deadline: number, wasMoved: boolean): Slot | Promise<Slot> {
    const { credentialId, isAccepted, isList } = request;
    const patienceMs = Math.max(1, deadline - clock.monotonic());
    return (
      slots.tryAcquire(credentialId, wasMoved) ??
      slots.acquire({ credentialId, isAccepted, goesFirst: isList, patienceMs, wasMoved })
    );
  }
}
