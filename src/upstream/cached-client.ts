import { createReadCache, type Kept, type Loaded } from '../cache.ts';
import type { Clock } from '../clock.ts';
import type { ResourceId } from '../ids.ts';
import type { Metrics } from '../metrics.ts';
import type { BackfillsClient, Caller } from './client.ts';
import type { Credentials } from './credentials.ts';
import { UpstreamError, type UpstreamErrorKind } from './errors.ts';
import type { Gate } from './gate.ts';
import type { BackfillRecord } from './records.ts';
import type { Tally } from './tally.ts';
import { formatUtc } from './times.ts';

/** A backfill as the REST API gave it, with the team it was read for and the moment it was given. */
export interface BackfillSnapshot {
  readonly teamId: ResourceId;
  readonly id: ResourceId;
  readonly record: BackfillRecord;
  /** RFC 3339 in UTC. */
  readonly fetchedAt: string;
  /** Whether the REST API could not be asked again when it should have been. */
  readonly isStale: boolean;
}

/**
 * What will do for an answer: whatever is fresh; nothing but the REST API's own word from now on (`refresh`); or, for a
 * poll, what the REST API has said since a moment of the monotonic clock.
 */
export type ReadMode =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'refresh' }
  | { readonly kind: 'poll'; readonly since: number };

/** One operation's way of reading: for whom, what will do, and at whose expense. */
export interface Reader {
  readonly caller: Caller;
  readonly mode: ReadMode;
  readonly tally: Tally;
}

/** Backfills by way of the cache. Both methods reject with an {@link UpstreamError} and nothing else. */
export interface CachedClient {
  /** Rejects with `notFound` where the team has no such backfill. */
  backfill(reader: Reader, teamId: ResourceId, backfillId: ResourceId): Promise<BackfillSnapshot>;
  /** Null where the transfer never had a backfill, or is not there or not the team's. */
  latestBackfill(
    reader: Reader,
    teamId: ResourceId,
    transferId: ResourceId,
  ): Promise<BackfillSnapshot | null>;
}

export interface CachedClientDeps {
  readonly client: BackfillsClient;
  readonly credentials: Credentials;
  readonly gate: Gate;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly maxEntries: number;
  /** How long everything that can still change may be given out again, "there is none" included. */
  readonly ttlMs: number;
  /** How long a completed backfill may, read by its id. */
  readonly finalTtlMs: number;
  /** How old a value may be that stands in for an answer that cannot be had; 0 for none. */
  readonly staleMs: number;
}

/** "There is none" is an answer like any other: it is kept, with the words in which it came. */
type Known = BackfillSnapshot | UpstreamError;

/** Kinds that tell of the upstream's state, not of the resource's. */
const SAYS_NOTHING: ReadonlySet<UpstreamErrorKind> = new Set([
  'unavailable',
  'timeout',
  'failed',
  'rateLimited',
  'quotaExceeded',
]);

export function createCachedClient(deps: CachedClientDeps): CachedClient {
  const { client, credentials, gate, clock, metrics, maxEntries, ttlMs, finalTtlMs, staleMs } = deps;
  const cache = createReadCache<Known>({ maxEntries, clock });

  async function read(reader: Reader, key: string, load: () => Promise<Loaded<Known>>): Promise<Known> {
    const made = { call: false };
    const call = (): Promise<Loaded<Known>> => {
      gate.assertOpen(reader.caller.credential);
      reader.tally.countCall();
      made.call = true;
      return load().catch((error: unknown) => learnFrom(error, reader, key));
    };
    try {
      const kept = await cache.read(key, call, { refresh: mustAsk(reader.mode, key) });
      metrics.recordCacheRead(made.call ? 'miss' : 'hit');
      reader.tally.countRead(kept.freshUntil, made.call ? 'call' : 'cache');
      return kept.value;
    } catch (error) {
      const stale = standIn(error, key);
      if (stale === undefined) throw error;
      metrics.recordCacheRead('stale');
      reader.tally.countRead(stale.freshUntil, 'stale');
      return { ...stale.value, isStale: true };
    }
  }

  function mustAsk(mode: ReadMode, key: string): boolean {
    if (mode.kind !== 'poll') return mode.kind === 'refresh';
    return (cache.last(key)?.loadedAt ?? -Infinity) < mode.since;
  }

  /** The last known value, for errors that say nothing about it. Of "there is none" nothing could say that it is old. */
  function standIn(error: unknown, key: string): Kept<BackfillSnapshot> | undefined {
    if (staleMs === 0 || !(error instanceof UpstreamError) || !SAYS_NOTHING.has(error.kind)) return undefined;
    const last = cache.last(key);
    if (last === undefined || last.value instanceof UpstreamError) return undefined;
    if (clock.monotonic() - last.loadedAt > staleMs) return undefined;
    return { ...last, value: last.value };
  }

  /** A refusal is never papered over with what was kept from before it; a 404 replaces what was kept. */
  function learnFrom(error: unknown, { caller }: Reader, key: string): Loaded<Known> {
    if (!(error instanceof UpstreamError)) throw error;
    if (error.kind === 'notFound') return { value: error, ttlMs };
    if (error.kind === 'forbidden') cache.drop(key);
    if (error.kind === 'unauthenticated') credentials.refuse(caller.credential);
    gate.learnFrom(error, caller.credential);
    throw error;
  }

  function snapshot(teamId: ResourceId, record: BackfillRecord): BackfillSnapshot {
    return {
      teamId,
      id: record.transfer_backfill_id,
      record,
      fetchedAt: formatUtc(clock.now()),
      isStale: false,
    };
  }

  function byId(value: BackfillSnapshot): Loaded<BackfillSnapshot> {
    // Only COMPLETED is final: FAILED can still be cancelled, and runs of a cancelled backfill may still complete.
    return { value, ttlMs: value.record.status === 'COMPLETED' ? Math.max(ttlMs, finalTtlMs) : ttlMs };
  }

  return {
    async backfill(reader, teamId, backfillId) {
      const known = await read(reader, backfillKey(reader, teamId, backfillId), async () =>
        byId(snapshot(teamId, await client.getBackfill(reader.caller, teamId, backfillId))),
      );
      if (known instanceof UpstreamError) throw known;
      return known;
    },

    async latestBackfill(reader, teamId, transferId) {
      const known = await read(reader, latestKey(reader, teamId, transferId), async () => {
        const value = snapshot(teamId, await client.getLatestBackfill(reader.caller, teamId, transferId));
        cache.keep(backfillKey(reader, teamId, value.record.transfer_backfill_id), byId(value));
        return { value, ttlMs };
      });
      return known instanceof UpstreamError ? null : known;
    },
  };
}

// Of these parts only digits and the partition's own alphabet can occur, so no two resources share a key.
function backfillKey({ caller }: Reader, teamId: ResourceId, backfillId: ResourceId): string {
  return `${caller.credential.partition}/${teamId}/backfill/${backfillId}`;
}

function latestKey({ caller }: Reader, teamId: ResourceId, transferId: ResourceId): string {
  return `${caller.credential.partition}/${teamId}/latest/${transferId}`;
}
