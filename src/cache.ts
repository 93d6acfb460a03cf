import { LRUCache } from 'lru-cache';
import type { Clock } from './clock.ts';

/** What a load brings: the value and how long it may be given out again, in milliseconds; 0 keeps nothing. */
export interface Loaded<Value> {
  readonly value: Value;
  readonly ttlMs: number;
}

/** A value with the moments (of the monotonic clock) at which it was loaded and stops being fresh. */
export interface Kept<Value> {
  readonly value: Value;
  readonly loadedAt: number;
  readonly freshUntil: number;
}

export interface ReadOptions {
  /** Do not use a kept value. A load under way is shared all the same. */
  readonly refresh: boolean;
}

/**
 * A bounded cache that loads what it lacks, one load at a time for each key. A load belongs to nobody: it goes on when
 * the reader that caused it has gone, since others may have joined it. A failed load rejects its readers, is not kept,
 * and leaves a value that is still fresh where it was.
 */
export interface ReadCache<Value> {
  read(key: string, load: () => Promise<Loaded<Value>>, options: ReadOptions): Promise<Kept<Value>>;
  /** What was loaded last, however long ago, as long as nothing dropped or evicted it. */
  last(key: string): Kept<Value> | undefined;
  keep(key: string, loaded: Loaded<Value>): void;
  drop(key: string): void;
}

export interface ReadCacheOptions {
  readonly maxEntries: number;
  readonly clock: Clock;
}

export function createReadCache<Value>({ maxEntries, clock }: ReadCacheOptions): ReadCache<Value> {
  const entries = new LRUCache<string, Kept<Value>, () => Promise<Loaded<Value>>>({
    max: maxEntries,
    // Each entry brings its own; one is needed here for lru-cache to track them at all.
    ttl: 1,
    ttlResolution: 0,
    perf: { now: () => clock.monotonic() },
    // An evicted key aborts its load; the readers who wait for it want the answer nevertheless.
    ignoreFetchAbort: true,
    noDeleteOnFetchRejection: true,
    fetchMethod: async (_key, _stale, { options, context: load }) => {
      const loaded = await load();
      options.ttl = loaded.ttlMs;
      return keptOf(loaded);
    },
  });

  function keptOf({ value, ttlMs }: Loaded<Value>): Kept<Value> {
    const loadedAt = clock.monotonic();
    return { value, loadedAt, freshUntil: loadedAt + ttlMs };
  }

  return {
    async read(key, load, { refresh }) {
      const kept = await entries.fetch(key, { context: load, forceRefresh: refresh });
      if (kept === undefined) throw new Error(`the load of a cache entry ended without a value`);
      // lru-cache takes a lifetime of 0 for an endless one.
      if (entries.getRemainingTTL(key) === Infinity) entries.delete(key);
      return kept;
    },

    last: (key) => entries.peek(key, { allowStale: true }),

    keep(key, loaded) {
      if (loaded.ttlMs > 0) entries.set(key, keptOf(loaded), { ttl: loaded.ttlMs });
    },

    drop(key) {
      entries.delete(key);
    },
  };
}
