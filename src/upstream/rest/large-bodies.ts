import type { Clock } from '../../clock.ts';

/** Parses a body when it is its turn. Rejects with what `parse` throws. */
export type LargeBodies = <Value>(parse: () => Value) => Promise<Value>;

/** Smaller ones are parsed at once: they take a fraction of a millisecond. */
export const LARGE_BODY_CHARACTERS = 64 * 1024;

/**
 * Parses large bodies one after the other, and pauses after each for as long as it took. So they take no more than half
 * of the time of the event loop, however many arrive at once.
 */
export function createLargeBodies({ monotonic, after }: Pick<Clock, 'monotonic' | 'after'>): LargeBodies {
  let previous: Promise<void> = Promise.resolve();

  return (parse) => {
    let tookMs = 0;
    const parsed = previous.then(() => {
      const beganAt = monotonic();
      try {
        return parse();
      } finally {
        tookMs = monotonic() - beganAt;
      }
    });
    const pause = (): Promise<void> | undefined =>
      tookMs === 0 ? undefined : new Promise((resolve) => after(tookMs, resolve));
    previous = parsed.then(pause, pause);
    return parsed;
  };
}
