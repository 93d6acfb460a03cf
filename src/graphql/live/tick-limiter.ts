/** @returns nothing to go on at once, else what is fulfilled when it is one's turn */
export type TickLimiter = () => Promise<void> | undefined;

/**
 * Lets so many through in one turn of the event loop, and the others in the turns after it, in their order. One answer
 * of the REST API can be news to thousands, and all that follows from it would be done before anything else is.
 */
export function createTickLimiter(perTurn: number): TickLimiter {
  const waiting: (() => void)[] = [];
  let left = perTurn;

  function nextTurn(): void {
    const released = waiting.splice(0, perTurn);
    left = perTurn - released.length;
    for (const release of released) release();
    if (released.length > 0) setImmediate(nextTurn);
  }

  return () => {
    if (left === perTurn) setImmediate(nextTurn);
    if (left > 0) {
      left--;
      return undefined;
    }
    return new Promise((resolve) => {
      waiting.push(resolve);
    });
  };
}
