/**
 * Lets a few calls go ahead until one of them has shown that such calls are not refused, and all others then. A page
 * whose reads are all refused so costs a handful of calls, and a page whose reads are not costs one round trip more, once.
 */
export interface SlowStart {
  /** Resolves when the call may be made. Whoever asked must report its end. */
  turn(): Promise<void>;
  ended(): void;
}

const AHEAD = 4;

/** @param isProven whether calls are not refused, as far as is known */
export function createSlowStart(isProven: () => boolean): SlowStart {
  const waiting: (() => void)[] = [];
  let ahead = 0;

  return {
    turn() {
      ahead++;
      if (ahead <= AHEAD || isProven()) return Promise.resolve();
      return new Promise((resolve) => {
        waiting.push(resolve);
      });
    },
    ended() {
      ahead--;
      for (const go of waiting.splice(0, isProven() ? waiting.length : 1)) go();
    },
  };
}
