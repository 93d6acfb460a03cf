import type { Clock } from '../../clock.ts';
import type { RefusalScope } from '../../metric-labels.ts';
import { UpstreamError } from '../errors.ts';
import type { CircuitPermit, Circuits } from './circuits.ts';
import type { HttpClient, HttpResponse } from './http.ts';
import type { Outcome } from './outcome.ts';
import type { WriteRequest } from './request.ts';
import type { CallCounter } from './resilience.ts';
import type { Slot, Slots } from './slots.ts';

/**
 * Sends a write once. Any status that arrives is a response. Rejects with an {@link UpstreamError}: `outcomeUnknown` where
 * the request may have arrived, and as a read's call where nothing of it can have.
 */
export type SendOnce = (request: WriteRequest) => Promise<HttpResponse>;

export interface SendOnceOptions {
  readonly http: HttpClient;
  /** `UPSTREAM_TIMEOUT_MS` */
  readonly timeoutMs: number;
  /** `UPSTREAM_MAX_CONCURRENCY` */
  readonly maxConcurrency: number;
  readonly clock: Clock;
  readonly slots: Pick<Slots, 'tryAcquire' | 'acquire'>;
  readonly circuits: Pick<Circuits, 'assertClosed' | 'acquire'>;
  readonly counter: CallCounter;
  /** Called for each write of a credential that has too many under way. */
  readonly onRefused: (scope: RefusalScope) => void;
  /** Told how the exchange ended that had so many milliseconds. Settles the permit. */
  readonly onEnded: (permit: CircuitPermit, result: Outcome | undefined, givenMs: number) => void;
}

/** The share of the deadline that a write waits for a slot. The rest is for the answer, whose loss is the worse one. */
const WAITING_SHARE = 0.5;
/** Of the slots, for the writes of one credential. What they hold others cannot have back, however long they hang. */
const SHARE_OF_ONE = 1 / 4;

/**
 * A write has one deadline like a read, and nothing that reads have to save time: no second try, no retry, no slot that
 * others may want back, no shorter deadline when a circuit opens. Each would lose an answer that cannot be asked for again.
 */
export function createSendOnce(options: SendOnceOptions): SendOnce {
  const { http, timeoutMs, maxConcurrency, clock, slots, circuits, counter, onRefused, onEnded } = options;
  const maxOfOne = Math.max(1, Math.floor(maxConcurrency * SHARE_OF_ONE));
  /** Writes under way, by credential. */
  const underWay = new Map<string, number>();

  function slotFor({ credentialId, isAccepted }: WriteRequest): Slot | Promise<Slot> {
    const patienceMs = timeoutMs * WAITING_SHARE;
    return (
      slots.tryAcquire(credentialId) ??
      slots.acquire({ credentialId, isAccepted, goesFirst: true, patienceMs, wasMoved: false })
    );
  }

  async function send(request: WriteRequest, givenMs: number): Promise<HttpResponse> {
    const { credentialId, path, headers, method, body, maxBytes, exchanges, span } = request;
    const permit = untilProbed(circuits.acquire(request), clock);
    const callEnded = counter.callBegan(credentialId);
    exchanges.began();
    const sending = { hasBegun: false };
    const onSent = (): void => {
      sending.hasBegun = true;
    };
    const exchange = http.begin(path, headers, givenMs, {
      maxBytes,
      partition: credentialId,
      write: { method, body, onSent },
      span,
    });
    const ended = (result: Outcome | undefined): void => {
      callEnded(result instanceof UpstreamError ? undefined : result);
      onEnded(permit, result, givenMs);
    };
    try {
      const response = await exchange.response;
      ended(response);
      return response;
    } catch (error) {
      const isExpected = error instanceof UpstreamError;
      ended(isExpected ? error : undefined);
      if (!isExpected || !sending.hasBegun) throw error;
      throw new UpstreamError('outcomeUnknown', error.message, { cause: error.cause });
    }
  }

  async function sendWithSlot(request: WriteRequest): Promise<HttpResponse> {
    const deadline = clock.monotonic() + timeoutMs;
    const slot = await slotFor(request);
    try {
      return await send(request, Math.max(1, deadline - clock.monotonic()));
    } finally {
      slot.release();
    }
  }

  return async (request) => {
    const { credentialId } = request;
    circuits.assertClosed(request);
    const own = underWay.get(credentialId) ?? 0;
    if (own >= maxOfOne) {
      onRefused('share');
      throw new UpstreamError('overloaded', 'too many writes are under way', { retryAfterSeconds: 1 });
    }
    underWay.set(credentialId, own + 1);
    try {
      return await sendWithSlot(request);
    } finally {
      const left = (underWay.get(credentialId) ?? 1) - 1;
      if (left === 0) underWay.delete(credentialId);
      else underWay.set(credentialId, left);
    }
  };
}

/** The same permit. Where it is a probe that takes longer than a probe may, others probe meanwhile. */
function untilProbed(permit: CircuitPermit, clock: Pick<Clock, 'after'>): CircuitPermit {
  if (!permit.isProbe) return permit;
  let isSettled = false;
  const settle: CircuitPermit['settle'] = (showed) => {
    cancel();
    if (!isSettled) permit.settle(showed);
    isSettled = true;
  };
  const cancel = clock.after(permit.timeoutMs, () => settle('trouble'));
  return { ...permit, settle };
}
