import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';

/** A value with two moments of the monotonic clock, in milliseconds. */
export interface CacheEntry<Value> {
  readonly value: Value;
  /** When the value's source last vouched for it. */
  readonly confirmedAt: number;
  /** The end of the freshness lifetime. An entry whose lifetime is zero is not kept at all. */
  readonly freshUntil: number;
}

export interface ReadOptions {
  /** Load even where a fresh entry is kept. A load in flight is shared all the same. */
  readonly forceLoad: boolean;
}

/**
 * A bounded cache that loads what it lacks, one load at a time for each key. A load belongs to no reader: it goes on
 * when the reader that caused it has gone, since others may have joined it. A failed load rejects its readers, is not
 * kept, and leaves a fresh entry where it was.
 */
export interface ReadCache<Value> {
  /** Rejects as `load` does. */
  read(key: string, load: () => Promise<CacheEntry<Value>>, options: ReadOptions): Promise<CacheEntry<Value>>;
  /** The entry kept last, fresh or not, unless it was dropped or evicted. */
  peek(key: string): CacheEntry<Value> | undefined;
  /** Keeps the entry, unless one that was confirmed later is kept already. */
  set(key: string, entry: CacheEntry<Value>): void;
  drop(key: string): void;
}

export interface ReadCacheOptions {
  readonly maxEntries: number;
  readonly clock: Clock;
}

export function createReadCache<Value>({ maxEntries, clock }: ReadCacheOptions): ReadCache<Value> {
  const entries = new LRUCache<string, CacheEntry<Value>, () => Promise<CacheEntry<Value>>>({
    max: maxEntries,
    // Each entry brings its own; lru-cache tracks none of them unless there is one here.
    ttl: 1,
    ttlResolution: 0,
    perf: { now: () => clock.monotonic() },
    // Evicting a key aborts its load; the readers who wait for it want the value nevertheless.
    ignoreFetchAbort: true,
    noDeleteOnFetchRejection: true,
    fetchMethod: async (_key, _stale, { options, context: load }) => {
      const entry = await load();
      options.ttl = ttlOf(entry);
      return entry;
    },
  });

  /** An entry that is no longer fresh is kept as the last known one. lru-cache takes a ttl of 0 for endless. */
  function ttlOf({ freshUntil }: CacheEntry<Value>): number {
    return freshUntil - clock.monotonic() || -1;
  }

  return {
    async read(key, load, { forceLoad }) {
      const entry = await entries.fetch(key, { context: load, forceRefresh: forceLoad });
      if (entry === undefined) throw new Error(`the load of a cache entry ended without a value`);
      if (!isWorthKeeping(entry)) entries.delete(key);
      return entry;
    },

    peek: (key) => entries.peek(key, { allowStale: true }),

    set(key, entry) {
      const kept = entries.peek(key, { allowStale: true });
      if (kept !== undefined && kept.confirmedAt > entry.confirmedAt) return;
      if (isWorthKeeping(entry)) entries.set(key, entry, { ttl: ttlOf(entry) });
    },

    drop(key) {
      entries.delete(key);
    },
  };
}

function isWorthKeeping({ confirmedAt, freshUntil }: CacheEntry<unknown>): boolean {
  return freshUntil > confirmedAt;
}
