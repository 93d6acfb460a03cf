import DataLoader from 'dataloader';

/**
 * Collects what is added in one turn of the event loop, and begins it together.
 * @param begin given the items in their order. Returns as many outcomes, of which each settles by itself: none waits for the
 * slowest of its batch
 * @returns a function that adds an item
 */
export function createBatch<Item, Value>(
  begin: (items: readonly Item[]) => readonly (Value | Promise<Value>)[],
): (item: Item) => Promise<Value> {
  const loader = new DataLoader<Item, Value | Promise<Value>>(
    (items) => Promise.resolve(begin(items)),
    // What is asked for twice was put together before; see loads.ts.
    { cache: false, batchScheduleFn: (dispatch) => setImmediate(dispatch) },
  );
  return (item) => Promise.resolve(loader.load(item));
}
