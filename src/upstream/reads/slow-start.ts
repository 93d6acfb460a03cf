import type { Clock } from '../../clock.ts';
import { Crowd } from '../../crowd.ts';

/**
 * Lets a few calls go ahead until one of them has shown that such calls are not refused, and all others then. A page
 * whose reads are all refused so costs a handful of calls, and a page whose reads are not costs one round trip more, once.
 * Refusals come fast. Of an upstream that is slow, the others would have too little of their deadline left, so they wait
 * no longer than {@link PATIENCE_MS}, and no longer than until one call has shown that the upstream is in trouble.
 */
export interface SlowStart {
  /** Resolves when the call may be made; undefined where that is now. Whoever asked must report its end. */
  turn(): Promise<void> | undefined;
  /** @param isTrouble whether the call failed by trouble of the upstream, which says nothing of refusals */
  ended(isTrouble: boolean): void;
}

const AHEAD = 4;
const PATIENCE_MS = 250;

/** @param isProven whether calls are not refused, as far as is known */
export function createSlowStart(isProven: () => boolean, clock: Clock): SlowStart {
  const waiting = new Crowd<() => void>();
  let ahead = 0;

  return {
    turn() {
      ahead++;
      if (ahead <= AHEAD || isProven()) return undefined;
      return new Promise((resolve) => {
        const go = (): void => {
          waiting.leave(place);
          cancel();
          resolve();
        };
        const cancel = clock.after(PATIENCE_MS, go);
        const place = waiting.join(go);
      });
    },
    ended(isTrouble) {
      ahead--;
      if (waiting.size === 0) return;
      for (const go of [...waiting].slice(0, isTrouble || isProven() ? waiting.size : 1)) go();
    },
  };
}
