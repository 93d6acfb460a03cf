import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';

/** A value with two moments of the monotonic clock, in milliseconds. */
export interface CacheEntry<Value> {
  readonly value: Value;
  /** When its source last vouched for it. */
  readonly confirmedAt: number;
  /** Until when it may be given out again; where that is not after `confirmedAt`, it is not kept at all. */
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
  read(key: string, load: () => Promise<CacheEntry<Value>>, options: ReadOptions): Promise<CacheEntry<Value>>;
  /** What was kept last, however long ago, as long as nothing dropped or evicted it. */
  peek(key: string): CacheEntry<Value> | undefined;
  /** Unless something is kept that its source vouched for later. */
  set(key: string, kept: CacheEntry<Value>): void;
  drop(key: string): void;
}

export interface ReadCacheOptions {
  readonly maxEntries: number;
  readonly clock: Clock;
}

export function createReadCache<Value>({ maxEntries, clock }: ReadCacheOptions): ReadCache<Value> {
  const entries = new LRUCache<string, CacheEntry<Value>, () => Promise<CacheEntry<Value>>>({
    max: maxEntries,
    // Each entry brings its own; one is needed here for lru-cache to track them at all.
    ttl: 1,
    ttlResolution: 0,
    perf: { now: () => clock.monotonic() },
    // An evicted key aborts its load; the readers who wait for it want the answer nevertheless.
    ignoreFetchAbort: true,
    noDeleteOnFetchRejection: true,
    fetchMethod: async (_key, _stale, { options, context: load }) => {
      const kept = await load();
      options.ttl = ttlOf(kept);
      return kept;
    },
  });

  /** What is over already is kept as the last known value, and not as an endless one, for which lru-cache takes 0. */
  function ttlOf({ freshUntil }: CacheEntry<Value>): number {
    return freshUntil - clock.monotonic() || -1;
  }

  return {
    async read(key, load, { refresh }) {
      const kept = await entries.fetch(key, { context: load, forceRefresh: refresh });
      if (kept === undefined) throw new Error(`the load of a cache entry ended without a value`);
      if (!isWorthKeeping(kept)) entries.delete(key);
      return kept;
    },

    peek: (key) => entries.peek(key, { allowStale: true }),

    set(key, kept) {
      const last = entries.peek(key, { allowStale: true });
      if (last !== undefined && last.confirmedAt > kept.confirmedAt) return;
      if (isWorthKeeping(kept)) entries.set(key, kept, { ttl: ttlOf(kept) });
    },

    drop(key) {
      entries.delete(key);
    },
  };
}

function isWorthKeeping({ confirmedAt, freshUntil }: CacheEntry<unknown>): boolean {
  return freshUntil > confirmedAt;
}
