import { MinuteCounter } from './minute-counter.ts';

/**
 * Why a call is made: nothing is known yet (`cold`), what can change is looked at again (`recheck`), or what is as good
 * as final is (`verify`). The first cannot wait; how often the others come is the governor's to stretch.
 */
export type CallReason = 'cold' | 'recheck' | 'verify';

/** By how much lifetimes are stretched so that a credential's hour lasts. */
export interface Stretch {
  /** Of what can still change, and of the time between the polls of subscriptions; 1 to {@link MAX_STRETCH}. */
  readonly changing: number;
  /** Of what is as good as final: it goes first, since nobody watches it change; 1 to {@link MAX_FINAL_STRETCH}. */
  readonly final: number;
}

export const MAX_STRETCH = 30;
export const MAX_FINAL_STRETCH = 120;

/** Over so many minutes rechecks are measured, and longer as they are stretched: what comes seldom is seen as often. */
const MINUTES = 5;
/** So long it is remembered what will have to be verified: longer than an hour, for so may the lifetimes be. */
const VERIFY_MINUTES = 120;

/** What a credential's calls of each reason would be in an hour without any stretch. */
export class Demand {
  readonly #cold: MinuteCounter;
  readonly #rechecks: MinuteCounter;
  /** What was asked at its own endpoint. */
  readonly #asked: MinuteCounter;
  readonly #finalMinutes: number;

  /** @param finalTtlMs for how long what is as good as final is given out without any stretch */
  constructor(now: number, finalTtlMs: number) {
    this.#cold = new MinuteCounter(now);
    this.#rechecks = new MinuteCounter(now);
    this.#asked = new MinuteCounter(now, VERIFY_MINUTES);
    this.#finalMinutes = finalTtlMs / 60_000;
  }

  /** Adds the next call, which without the stretch would have been so many by now. */
  expect(now: number, reason: CallReason, { changing }: Stretch): void {
    if (reason === 'recheck') this.#rechecks.add(now, changing);
    else this.#asked.add(now, 1);
    if (reason === 'cold') this.#cold.add(now, 1);
  }

  /** A page that is opened is a burst which does not go on; what does go on shows in both. */
  cold(now: number): number {
    return Math.min(this.#cold.total(now), this.#cold.rate(now, MINUTES));
  }

  recheck(now: number, { changing }: Stretch): number {
    return this.#rechecks.rate(now, MINUTES * changing);
  }

  /**
   * Everything that was asked within its lifetime will be asked again, what was asked for the first time included: by
   * the calls alone the demand would not be known before the first of them, when all of them are due at once.
   */
  verify(now: number, { final }: Stretch): number {
    const lifetime = Math.min(VERIFY_MINUTES, Math.max(1, this.#finalMinutes * final));
    return (this.#asked.within(now, lifetime) / lifetime) * 60 * final;
  }
}
