import type { Row } from '../living-world.ts';

/** What a reader was shown of a transfer. */
export interface Shown {
  readonly id: string;
  readonly status: string;
  /** The completed runs, by which the living world numbers the states. */
  readonly version: number;
}

/**
 * `wrong`: the transfer never was like that, or is not yet. `older`: this reader knew a later state when it asked.
 */
export type Verdict = 'new' | 'known' | 'older' | 'wrong';

export interface Watching {
  /** The last state that the reader can learn of. */
  readonly lastVersion: number;
  /** Changes from `from` on and before `until` are timed, in epoch milliseconds. */
  readonly from: number;
  readonly until: number;
  /** Takes the milliseconds from a change to its arrival, or to that of a later state. */
  readonly onDelay: (ms: number) => void;
}

/** Clocks of two processes on one machine agree to the millisecond, no better. */
const CLOCK_MS = 1;

/** What one reader has seen of one transfer. */
export class Sightings {
  readonly #row: Row;
  readonly #watching: Watching;
  /** The latest version that was shown; -1 before the first. */
  seen = -1;

  constructor(row: Row, watching: Watching) {
    this.#row = row;
    this.#watching = watching;
  }

  /** @param knownWhenAsked what `seen` was then; an answer that was overtaken by another one is not older for it */
  take(shown: Shown, now: number, knownWhenAsked: number): Verdict {
    const state = this.#row.states[shown.version];
    if (
      state === undefined ||
      shown.id !== String(state.backfillId) ||
      shown.status !== state.status ||
      state.at > now + CLOCK_MS
    )
      return 'wrong';
    if (shown.version < knownWhenAsked) return 'older';
    if (shown.version <= this.seen) return 'known';
    // What there was before the first sight was no change for this reader.
    if (this.seen >= 0) this.#time(shown.version, now);
    this.seen = shown.version;
    return 'new';
  }

  /** How many changes the reader has not learnt of. */
  get unseen(): number {
    return Math.max(0, this.#watching.lastVersion - this.seen);
  }

  #time(version: number, now: number): void {
    const { from, until, onDelay } = this.#watching;
    for (const { at } of this.#row.states.slice(this.seen + 1, version + 1))
      if (at >= from && at < until) onDelay(Math.max(0, now - at));
  }
}
