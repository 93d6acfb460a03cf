import type { Clock } from '../../clock.ts';
import { Crowd } from '../../crowd.ts';
import type { RefusalScope } from '../../metric-labels.ts';
import { UpstreamError } from '../errors.ts';
import { PROBE_TIMEOUT_MS } from './circuit-breaker.ts';
import {
  type CircuitPermit,
  type Circuits,
  type CircuitsState,
  createCircuits,
  type Scope,
} from './circuits.ts';
import { ExchangeTry, type ExchangeWatch } from './exchange-try.ts';
import { type HttpClient, type HttpResponse, isNoConnection } from './http.ts';
import { createLatency } from './latency.ts';
import { isWorthARetry, kindOf, type Outcome, shownBy } from './outcome.ts';
import type { UpstreamRequest, WriteRequest } from './request.ts';
import { createRetryBudget } from './retry-budget.ts';
import { createAttempt, MOVED, type Try, type TryRunner } from './second-try.ts';
import { createSendOnce } from './send-once.ts';
import { createSilence } from './silence.ts';
import { createSlots, type Slot } from './slots.ts';

/** Counts every exchange that is really made. */
export interface CallCounter {
  /** @returns what is to be called when the exchange has ended */
  callBegan(credentialId: string): CallEnded;
}

/** @param response the response, where one came */
export type CallEnded = (response: HttpResponse | undefined) => void;

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
  circuits(): CircuitsState;
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
  /** Called for each call that got no slot, or lost it to others. */
  readonly onRefused?: (scope: RefusalScope) => void;
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
  const { onReachable = () => undefined, onRefused = () => undefined, random = Math.random } = options;
  const latency = createLatency(timeoutMs * LEAST_UNUSUAL_SHARE, timeoutMs * MOST_UNUSUAL_SHARE);
  const latencyOf = { list: createLatency(0, timeoutMs), other: createLatency(0, timeoutMs) };
  const silence = createSilence(clock);
  const slots = createSlots({
    slots: maxConcurrency,
    maxWaiting: maxConcurrency * WAITING_PER_CALL,
    clock,
    unusualMs: latency.unusual,
    silence,
    onRefused,
  });
  const retries = createRetryBudget();
  const inFlight = new Crowd<ExchangeTry>();
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
      for (const { exchange, request } of inFlight) {
        const { credentialId, teamId } = request;
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
    onRefused,
    onEnded(permit, result, givenMs) {
      settle(permit, result, givenMs, false);
      if (result !== undefined && shownBy(result) === 'good') silence.answered();
    },
  });

  const watch: ExchangeWatch = {
    begins({ credentialId, exchanges }) {
      const callEnded = counter.callBegan(credentialId);
      exchanges.began();
      return callEnded;
    },
    isResent({ request, callEnded }) {
      callEnded(undefined);
      request.exchanges.spent('unavailable');
      return watch.begins(request);
    },
    ended({ request, permit, givenMs, beganAt, isAbandoned, callEnded }, result) {
      const response = result instanceof UpstreamError ? undefined : result;
      if (response !== undefined) observeLatency(request, clock.monotonic() - beganAt);
      callEnded(response);
      settle(permit, result, givenMs, isAbandoned);
      if (response !== undefined && shownBy(response) === 'good') silence.answered();
    },
  };

  /** @throws {UpstreamError} `unavailable` while a circuit is open */
  function begin(request: UpstreamRequest, leftMs: number, runner: TryRunner): Try {
    const permit = circuits.acquire(request);
    const ms = Math.max(1, Math.min(leftMs, permit.timeoutMs));
    return new ExchangeTry(http, watch, inFlight, request, permit, runner, { ms, from: clock.monotonic() });
  }

  function observeLatency({ isList }: UpstreamRequest, tookMs: number): void {
    latency.observe(tookMs);
    latencyOf[isList ? 'list' : 'other'].observe(tookMs);
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

  /** The milliseconds after which the call is made again; undefined where its outcome stands. */
  function retryAfter(outcome: Outcome, retried: number, deadline: number): number | undefined {
    if (retried >= MAX_RETRIES || !isWorthARetry(outcome)) return undefined;
    const delayMs = random() * RETRY_DELAY_MS * 2 ** retried;
    return delayMs < deadline - clock.monotonic() && retries.take() ? delayMs : undefined;
  }

  return {
    load: () => ({
      running: slots.running,
      waiting: slots.waiting,
      circuitClosed: circuits.isClosed(),
    }),

    circuits: () => circuits.state(),

    isAtEase: (scope) => slots.hasFree && slots.waiting === 0 && circuits.isClosed(scope),

    usualMs: (isList) => latencyOf[isList ? 'list' : 'other'].usual(),

    send,

    async get(request) {
      const { credentialId, isList } = request;
      const givenMs = Math.min(timeoutMs, request.timeoutMs);
      const deadline = clock.monotonic() + givenMs;
      retries.earn();
      circuits.assertClosed(request);
      for (let wasMoved = false; ; wasMoved = true) {
        const slot = slots.tryAcquire(credentialId, wasMoved) ?? (await slotFor(request, deadline, wasMoved));
        const until = isList ? clock.monotonic() + givenMs : deadline;
        try {
          for (let retried = 0; ; retried++) {
            const outcome = await attempt(request, until, slot);
            if (outcome === MOVED) break;
            const delayMs = retryAfter(outcome, retried, until);
            if (delayMs === undefined) return answerIn(outcome);
            request.exchanges.spent(kindOf(outcome));
            await new Promise((resolve) => setTimeout(resolve, delayMs));
          }
        } finally {
          slot.release();
        }
      }
    },
  };

  function slotFor(request: UpstreamRequest, deadline: number, wasMoved: boolean): Promise<Slot> {
    const { credentialId, isAccepted, isList } = request;
    const patienceMs = Math.max(1, deadline - clock.monotonic());
    return slots.acquire({ credentialId, isAccepted, goesFirst: isList, patienceMs, wasMoved });
  }
}

function answerIn(outcome: Outcome): HttpResponse {
  if (outcome instanceof UpstreamError) throw outcome;
  return outcome;
}
