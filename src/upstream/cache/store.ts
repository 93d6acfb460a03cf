import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import { UpstreamError } from '../errors.ts';
import type { BackfillRecord } from '../rest/records.ts';
import { factsOf } from '../rest/statuses.ts';
import { formatUtc } from '../rest/timestamps.ts';
import type { FreshnessOf } from './freshness.ts';
import { resourceKey } from './keys.ts';
import { type CacheEntry, createReadCache, type ReadCache } from './read-cache.ts';
import { type BackfillSnapshot, type Entry, type Known, type Resource, runsDone } from './snapshots.ts';

/**
 * What is known of backfills, by {@link resourceKey}. Each entry carries several moments:
 *
 * - `fetchedAt`: when the REST API gave the record. Wall clock, as text; clients see it.
 * - `progressedAt`: when as many runs as now were first seen done. Wall clock, in milliseconds since the epoch.
 * - `verifiedAt`: when the resource's own endpoint last answered. Monotonic, like all that follow. A team list may
 *   answer for a resource only until the final lifetime after this moment.
 * - `confirmedAt`: when the own endpoint or a team list last vouched for the entry. `CACHE_STALE_MS` counts from here.
 * - `freshUntil`: the end of the freshness lifetime. Until then the entry is given out without asking.
 *
 * A team list has two more: `sentAt`, when its call began, and `readAt`, when its response had arrived.
 */
export interface Store extends ReadCache<Known> {
  /**
   * The last known value, where it may stand in for one that cannot be had (stale-if-error, RFC 5861). "No backfill" is
   * never served stale: null has no `isStale` to mark it.
   */
  staleValue(key: string): CacheEntry<BackfillSnapshot> | undefined;
  /**
   * A snapshot of the record, taken now.
   * @param previous what is known of the backfill, where that is not the entry under its id
   */
  snapshotOf(
    partition: string,
    teamId: ResourceId,
    record: BackfillRecord,
    previous?: BackfillSnapshot,
  ): BackfillSnapshot;
  /** An entry for the record that the resource's own endpoint gave now. A latest backfill is kept under its id too. */
  entryFor(partition: string, resource: Resource, record: BackfillRecord): Entry;
  /** An entry for the 404 that the resource's own endpoint gave now. */
  entryForNotFound(partition: string, error: UpstreamError): Entry;
}

export interface StoreOptions {
  readonly freshness: FreshnessOf;
  readonly clock: Clock;
  readonly maxEntries: number;
  /** `CACHE_STALE_MS`; 0 for no stale values. */
  readonly staleMs: number;
}

export function createStore({ freshness, clock, maxEntries, staleMs }: StoreOptions): Store {
  const cache = createReadCache<Known>({ maxEntries, clock });

  function verifiedNow(lifetimeMs: number, outcome: Known['outcome']): Entry {
    const now = clock.monotonic();
    return { value: { outcome, verifiedAt: now }, confirmedAt: now, freshUntil: now + lifetimeMs };
  }

  function snapshotOf(
    partition: string,
    teamId: ResourceId,
    record: BackfillRecord,
    previous?: BackfillSnapshot,
  ): BackfillSnapshot {
    const id = record.transfer_backfill_id;
    const now = clock.now();
    const known =
      previous ?? cache.peek(resourceKey(partition, { kind: 'backfill', teamId, id }))?.value.outcome;
    const isAsFar = known !== undefined && 'record' in known && runsDone(known.record) === runsDone(record);
    return {
      teamId,
      id,
      record,
      fetchedAt: formatUtc(now),
      progressedAt: isAsFar ? known.progressedAt : now,
      isStale: false,
    };
  }

  return {
    ...cache,

    staleValue(key) {
      const entry = staleMs === 0 ? undefined : cache.peek(key);
      if (entry === undefined || entry.value.outcome instanceof UpstreamError) return undefined;
      return clock.monotonic() - entry.confirmedAt > staleMs
        ? undefined
        : { ...entry, value: entry.value.outcome };
    },

    snapshotOf,

    entryFor(partition, resource, record) {
      const snapshot = snapshotOf(partition, resource.teamId, record);
      const { changingMs, finalMs } = freshness(partition);
      const isFinal = factsOf(record.status)?.final ?? false;
      const byId = verifiedNow(isFinal ? finalMs : changingMs, snapshot);
      if (resource.kind === 'backfill') return byId;
      cache.set(resourceKey(partition, { ...resource, kind: 'backfill', id: snapshot.id }), byId);
      return verifiedNow(changingMs, snapshot);
    },

    entryForNotFound: (partition, error) => verifiedNow(freshness(partition).changingMs, error),
  };
}
