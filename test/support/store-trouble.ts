import type { SharedStore } from '../../src/upstream/replicas/shared-store.ts';

/** `gone`: each step fails at once. `stalled`: none is answered, and all are done when the store goes on. */
export type Trouble = 'gone' | 'stalled';

/** The store that replicas share, as one that can be away for all of them at once. */
export interface StoreTrouble {
  begin(trouble: Trouble): void;
  end(): void;
  /** Steps that are not answered. */
  stalled(): number;
  /** The store as a replica sees it through the trouble. */
  through(store: SharedStore): SharedStore;
}

export function createStoreTrouble(): StoreTrouble {
  let present: Trouble | undefined;
  let later: (() => void)[] = [];
  const watchers: ((isThere: boolean, code?: string) => void)[] = [];
  const hearers: ((news: undefined) => void)[] = [];

  function step<Value>(run: () => Promise<Value>): Promise<Value> {
    if (present === 'gone') return Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }));
    if (present === undefined) return run();
    return new Promise((resolve, reject) => later.push(() => void run().then(resolve, reject)));
  }

  return {
    begin(trouble) {
      present = trouble;
      if (trouble === 'gone') for (const watcher of watchers) watcher(false, 'ECONNRESET');
    },
    end() {
      const before = present;
      present = undefined;
      const held = later;
      later = [];
      for (const run of held) run();
      if (before === 'gone') for (const watcher of watchers) watcher(true);
      for (const hear of hearers) hear(undefined);
    },
    stalled: () => later.length,
    through: (store) => ({
      ask: (asked) => step(() => store.ask(asked)),
      finish: (finished) => step(() => store.finish(finished)),
      renew: (locks) => step(() => store.renew(locks)),
      release: (locks) => step(() => store.release(locks)),
      change: (changed) => step(() => store.change(changed)),
      report: (reports, kin) => step(() => store.report(reports, kin)),
      onNews(listener) {
        hearers.push(listener);
        store.onNews((news) => {
          if (present === undefined) listener(news);
        });
      },
      onConnection: (listener) => void watchers.push(listener),
      // A replica that ends waits for no store.
      close: () => store.close(),
    }),
  };
}
