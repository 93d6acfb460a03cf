import type { Clock } from '../../src/clock.ts';

/** A clock that moves only by `advance`. */
export interface ManualClock extends Clock {
  /** Moves the clock and runs each callback that falls due, at its own time. */
  advance(milliseconds: number): void;
  /** The number of pending callbacks. */
  readonly waiting: number;
}

export function createManualClock(startsAt = '2026-03-02T10:00:00Z'): ManualClock {
  const start = Date.parse(startsAt);
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  let elapsed = 0;
  return {
    now: () => start + elapsed,
    // lru-cache treats a start of 0 as none.
    monotonic: () => 1_000 + elapsed,
    after(milliseconds, callback) {
      const timer = { at: elapsed + milliseconds, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(milliseconds) {
      const until = elapsed + milliseconds;
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.at - b.at);
        if (next === undefined || next.at > until) break;
        timers.delete(next);
        elapsed = Math.max(elapsed, next.at);
        next.callback();
      }
      elapsed = until;
    },
    get waiting() {
      return timers.size;
    },
  };
}
