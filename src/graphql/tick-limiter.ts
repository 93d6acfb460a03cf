/** @returns undefined to proceed now, else a promise of one's turn */
export type TickLimiter = () => Promise<void> | undefined;

/**
 * Lets at most `perTick` callers through per turn of the event loop; the others wait for later turns, in their order.
 * One answer of the REST API can be news to thousands of subscribers, and a request can hold thousands of representations:
 * executing them in one go would hold up everything else.
 */
export function createTickLimiter(perTick: number): TickLimiter {
  const waiting: (() => void)[] = [];
  let left = perTick;

  function nextTick(): void {
    const released = waiting.splice(0, perTick);
    left = perTick - released.length;
    for (const release of released) release();
    if (released.length > 0) setImmediate(nextTick);
  }

  return () => {
    if (left === perTick) setImmediate(nextTick);
    if (left > 0) {
      left--;
      return undefined;
    }
    return new Promise((resolve) => {
      waiting.push(resolve);
    });
  };
}
