import type { Clock } from '../../clock.ts';
import { UpstreamError } from '../errors.ts';
import { isGood, kindOf, type Outcome } from './outcome.ts';
import type { UpstreamRequest } from './request.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Silence } from './silence.ts';
import type { Slot, Slots } from './slots.ts';
import { race, type Try } from './tries.ts';

/**
 * Makes one try of a request, and another one beside it where it takes unusually long.
 * @param deadline a moment of the monotonic clock
 * @returns the outcome that counts; {@link MOVED} where the slot went to others
 */
export type Attempt = (request: UpstreamRequest, deadline: number, slot: Slot) => Promise<Outcome>;

export interface AttemptOptions {
  readonly clock: Clock;
  readonly slots: Slots;
  readonly silence: Silence;
  /** A second try costs one retry. */
  readonly retries: RetryBudget;
  /** After how many milliseconds a try takes unusually long. */
  readonly unusualMs: () => number;
  /** Whether the circuits let a call through. */
  readonly mayCall: (request: UpstreamRequest) => boolean;
  readonly begin: (request: UpstreamRequest, leftMs: number) => Try<Outcome>;
}

/** The outcome of a call whose slot went to others: it waits for another one. */
export const MOVED = new UpstreamError('overloaded', 'others have less than their share of the slots', {
  retryAfterSeconds: 1,
});

/** How often second tries that could not begin are looked at. */
const LOOK_AGAIN_MS = 250;

/**
 * The first try may take the whole deadline. Where it takes unusually long, a second one begins beside it, and the first
 * answer wins. So a connection that hangs costs little, and an upstream that is merely slow loses no answer.
 *
 * While nothing at all is answered, a second try would hang too. All but one a second wait for a sign of life, and after
 * it the tries from before are made again, first and second ones; see {@link Silence}.
 */
export function createAttempt(options: AttemptOptions): Attempt {
  const { clock, slots, silence, retries, unusualMs, mayCall, begin } = options;
  /** Begin second tries, where they may begin by now. */
  const late = new Set<() => void>();
  let looksAgain = false;

  /** Looks as long as any call is late. */
  function lookAgain(): void {
    if (looksAgain) return;
    looksAgain = true;
    clock.after(LOOK_AGAIN_MS, () => {
      looksAgain = false;
      for (const beginSecond of late) beginSecond();
      if (late.size > 0) lookAgain();
    });
  }

  return (request, deadline, slot) => {
    const left = (): number => deadline - clock.monotonic();
    const beganAt = clock.monotonic();
    let secondSlot: Slot | undefined;
    let second: { readonly one: Try<Outcome>; readonly beganAt: number } | undefined;
    let isLate = (): void => undefined;
    let hasEnded = (): void => undefined;

    function beginSecond(): Try<Outcome> | undefined {
      isLate();
      // One that began in a silence, or just before, hangs like the first.
      if (second !== undefined && !silence.isBefore(second.beganAt)) return undefined;
      // A circuit may have opened meanwhile. The first try goes on then.
      if (left() <= 0 || !mayCall(request) || !hasRoom() || !isWorthIt()) return undefined;
      secondSlot ??= slots.tryAcquire(request.credentialId);
      if (secondSlot === undefined) return undefined;
      second?.one.abandon();
      second = { one: begin(request, left()), beganAt: clock.monotonic() };
      return second.one;
    }

    function hasRoom(): boolean {
      return secondSlot !== undefined || slots.hasFree;
    }

    function isWorthIt(): boolean {
      if (!silence.hasAnsweredSince(beganAt)) return silence.mayTry();
      return silence.isBefore(beganAt) || retries.take();
    }

    return race(begin(request, left()), {
      secondAfterMs: unusualMs(),
      beginSecond,
      isGood,
      onSpent: (outcome) => request.exchanges.spent(outcome === undefined ? 'abandoned' : kindOf(outcome)),
      onBegin(begun) {
        isLate = () => {
          late.add(begun.beginSecond);
          lookAgain();
        };
        hasEnded = () => void late.delete(begun.beginSecond);
        slot.onWanted = (why) => {
          const gone = new UpstreamError('overloaded', 'others want the slot', { retryAfterSeconds: 1 });
          begun.end(why === 'beyondShare' ? MOVED : gone);
        };
      },
      onEnd() {
        hasEnded();
        slot.onWanted = undefined;
        secondSlot?.release();
      },
    });
  };
}
