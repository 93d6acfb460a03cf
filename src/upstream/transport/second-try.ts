import type { Clock } from '../../clock.ts';
import { Crowd, type Place } from '../../crowd.ts';
import { UpstreamError } from '../errors.ts';
import { isGood, kindOf, type Outcome } from './outcome.ts';
import type { UpstreamRequest } from './request.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Silence } from './silence.ts';
import type { Slot, Slots, Wanted } from './slots.ts';

/**
 * Makes one try of a request, and another one beside it where it takes unusually long.
 * @param deadline a moment of the monotonic clock
 * @returns the outcome that counts; {@link MOVED} where the slot went to others
 */
export type Attempt = (request: UpstreamRequest, deadline: number, slot: Slot) => Promise<Outcome>;

/** One exchange of a call. */
export interface Try {
  /** Gives it up. How it ends does not matter then. */
  abandon(): void;
}

/** Whoever makes tries. */
export interface TryRunner {
  /** Called once for a try, later than it was begun. */
  tryEnded(one: Try, outcome: Outcome): void;
  /** Called in the place of it for an error that is none of the upstream's. */
  tryBroke(one: Try, error: unknown): void;
}

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
  /** @throws {UpstreamError} where the circuits let no call through */
  readonly begin: (request: UpstreamRequest, leftMs: number, runner: TryRunner) => Try;
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
  const { clock } = options;
  const late = new Crowd<RunningCall>();
  let looksAgain = false;

  function lookAgain(): void {
    if (looksAgain) return;
    looksAgain = true;
    clock.after(LOOK_AGAIN_MS, () => {
      looksAgain = false;
      for (const call of late) call.beginSecond();
      if (late.size > 0) lookAgain();
    });
  }

  const means: Means = {
    ...options,
    late,
    lookAgain,
  };
  return (request, deadline, slot) => new RunningCall(means, request, deadline, slot).outcome;
}

interface Means extends AttemptOptions {
  /** Those whose second tries may begin by now. */
  readonly late: Crowd<RunningCall>;
  /** Looks at them from time to time, while there are any. */
  readonly lookAgain: () => void;
}

function beginSecondOf(call: RunningCall): void {
  call.beginSecond();
}

/**
 * Races a call's tries. The first good outcome wins, and the other try is abandoned. Where a try ends badly, the other one
 * may still make up for it.
 */
class RunningCall implements TryRunner {
  readonly outcome: Promise<Outcome>;
  readonly #means: Means;
  readonly #request: UpstreamRequest;
  readonly #deadline: number;
  readonly #slot: Slot;
  readonly #beganAt: number;
  readonly #timer: NodeJS.Timeout;
  readonly #running: Try[] = [];
  #resolve: (outcome: Outcome) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #latePlace: Place<RunningCall> | undefined;
  #secondSlot: Slot | undefined;
  #second: { readonly one: Try; readonly beganAt: number } | undefined;

  /** @throws {UpstreamError} as {@link AttemptOptions.begin} */
  constructor(means: Means, request: UpstreamRequest, deadline: number, slot: Slot) {
    this.#means = means;
    this.#request = request;
    this.#deadline = deadline;
    this.#slot = slot;
    this.#beganAt = means.clock.monotonic();
    this.#running.push(means.begin(request, deadline - this.#beganAt, this));
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(beginSecondOf, means.unusualMs(), this);
    slot.onWanted = (why) => this.#giveUp(why);
  }

  /** Begins a second try, where it may begin by now. */
  beginSecond(): void {
    const { clock, silence, mayCall, slots, begin, late, lookAgain } = this.#means;
    if (this.#running.length === 0) return;
    this.#latePlace ??= late.join(this);
    lookAgain();
    // One that began in a silence, or just before, hangs like the first.
    if (this.#second !== undefined && !silence.isBefore(this.#second.beganAt)) return;
    const now = clock.monotonic();
    // A circuit may have opened meanwhile. The first try goes on then.
    if (now >= this.#deadline || !mayCall(this.#request) || !this.#hasRoom() || !this.#isWorthIt()) return;
    this.#secondSlot ??= slots.tryAcquire(this.#request.credentialId);
    if (this.#secondSlot === undefined) return;
    this.#second?.one.abandon();
    this.#second = { one: begin(this.#request, this.#deadline - now, this), beganAt: now };
    this.#running.push(this.#second.one);
  }

  #hasRoom(): boolean {
    return this.#secondSlot !== undefined || this.#means.slots.hasFree;
  }

  #isWorthIt(): boolean {
    const { silence, retries } = this.#means;
    if (!silence.hasAnsweredSince(this.#beganAt)) return silence.mayTry();
    return silence.isBefore(this.#beganAt) || retries.take();
  }

  tryEnded(one: Try, outcome: Outcome): void {
    const at = this.#running.indexOf(one);
    if (at < 0) return;
    this.#running.splice(at, 1);
    if (!isGood(outcome) && this.#running.length > 0) this.#request.exchanges.spent(kindOf(outcome));
    else this.#end(outcome);
  }

  tryBroke(one: Try, error: unknown): void {
    const at = this.#running.indexOf(one);
    if (at < 0) return;
    this.#running.splice(at, 1);
    this.#leave();
    this.#reject(error);
  }

  #giveUp(why: Wanted): void {
    const gone = new UpstreamError('overloaded', 'others want the slot', { retryAfterSeconds: 1 });
    this.#end(why === 'beyondShare' ? MOVED : gone);
  }

  #end(outcome: Outcome): void {
    this.#leave();
    this.#resolve(outcome);
  }

  /** Leaves nothing of the call behind, whatever its end. */
  #leave(): void {
    clearTimeout(this.#timer);
    for (const other of this.#running.splice(0)) {
      other.abandon();
      this.#request.exchanges.spent('abandoned');
    }
    if (this.#latePlace !== undefined) this.#means.late.leave(this.#latePlace);
    this.#slot.onWanted = undefined;
    this.#secondSlot?.release();
  }
}
