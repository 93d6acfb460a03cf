interface Waiting<Item, Value> {
  readonly item: Item;
  readonly resolve: (outcome: Value | Promise<Value>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Collects what is added in one turn of the event loop, and begins it together.
 * @param begin given the items in their order. Returns as many outcomes; each settles by itself
 * @returns a function that adds an item
 */
export function createBatch<Item, Value>(
  begin: (items: readonly Item[]) => readonly (Value | Promise<Value>)[],
): (item: Item) => Promise<Value> {
  let waiting: Waiting<Item, Value>[] = [];

  function dispatch(): void {
    const all = waiting;
    waiting = [];
    try {
      const outcomes = begin(all.map(({ item }) => item));
      outcomes.forEach((outcome, at) => all[at]?.resolve(outcome));
    } catch (error) {
      for (const { reject } of all) reject(error);
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ item, resolve, reject }) === 1) setImmediate(dispatch);
    });
}
