import type { Clock } from '../../clock.ts';

/**
 * Whether the upstream answers at all. While it is silent, calls that take unusually long most likely hang, and so would
 * others. One call a second finds out whether it answers again. Where it does, the calls from before would hang until their
 * deadline, so they are made once more.
 */
export interface Silence {
  /** Told of each good answer. */
  answered(): void;
  /** Whether there was an answer since a moment of the monotonic clock. */
  hasAnsweredSince(moment: number): boolean;
  /** Whether nothing was answered for {@link SILENCE_MS}. */
  isOn(): boolean;
  /** Takes the one call of this second, where it is left. */
  mayTry(): boolean;
  /**
   * Whether a call that began at a moment of the monotonic clock is from a silence that has ended. For
   * {@link SETTLING_MS} it is not yet: where the upstream is no more than slow, its answer comes then.
   */
  isBefore(moment: number): boolean;
}

const SILENCE_MS = 1_000;
const SETTLING_MS = 500;

export function createSilence({ monotonic }: Pick<Clock, 'monotonic'>): Silence {
  let answeredAt = monotonic();
  let endedAt = -Infinity;
  let triedAt = -Infinity;

  return {
    answered() {
      const now = monotonic();
      if (now - answeredAt >= SILENCE_MS) endedAt = now;
      answeredAt = now;
    },
    hasAnsweredSince: (moment) => answeredAt > moment,
    isOn: () => monotonic() - answeredAt >= SILENCE_MS,
    mayTry() {
      const now = monotonic();
      if (now - triedAt < SILENCE_MS) return false;
      triedAt = now;
      return true;
    },
    isBefore: (moment) => moment < endedAt && monotonic() - endedAt >= SETTLING_MS,
  };
}
