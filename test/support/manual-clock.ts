import type { Clock } from '../../src/clock.ts';

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  /** Calls back what is due on the way, each at its own moment. */
  advance(milliseconds: number): void;
  /** How many callbacks wait for their moment. */
  readonly waiting: number;
}

export function createManualClock(startsAt = '2026-03-02T10:00:00Z'): ManualClock {
  const start = Date.parse(startsAt);
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  let elapsed = 0;
  return {
    now: () => start + elapsed,
    // Not from 0: lru-cache takes a start of 0 for none.
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
