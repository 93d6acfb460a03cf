import { createReadCache, type Kept } from '../cache/read-cache.ts';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics.ts';
import type { Admit } from '../quota/admission.ts';
import type { BackfillsClient } from '../rest/client.ts';
import { UpstreamError, type UpstreamErrorKind } from '../errors.ts';
import type { Lifetimes } from '../cache/freshness.ts';
import type { Read, Reader } from './read.ts';
import type { BackfillRecord } from '../rest/records.ts';
import {
  type BackfillSnapshot,
  type Known,
  type KeptKnown,
  type Resource,
  runsDone,
  standInFor,
} from '../cache/snapshots.ts';
import { judge, type TeamFeed } from './team-list.ts';
import { createTeamReads } from './team-batches.ts';
import { formatUtc } from '../rest/timestamps.ts';

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
  readonly admit: Admit;
  readonly lifetimes: (partition: string) => Lifetimes;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Most answers kept, and as many rows of team feeds. */
  readonly maxEntries: number;
  /** How old a value may be that stands in for an answer that cannot be had; 0 for none. */
  readonly staleMs: number;
  /** Of one read, in milliseconds. */
  readonly timeoutMs: number;
}

/** Kinds that tell of the upstream's state, not of the resource's. */
const SAYS_NOTHING: ReadonlySet<UpstreamErrorKind> = new Set([
  'unavailable',
  'timeout',
  'failed',
  'rateLimited',
  'quotaExceeded',
]);

export function createCachedClient(deps: CachedClientDeps): CachedClient {
  const { client, admit, lifetimes, clock, log, metrics, maxEntries, staleMs, timeoutMs } = deps;
  const cache = createReadCache<Known>({ maxEntries, clock });
  const teamReads = createTeamReads({
    client,
    admit,
    lifetimes,
    snapshot,
    learn,
    timeoutMs,
    maxRows: maxEntries,
    clock,
    log,
  });

  async function read(reader: Reader, resource: Resource): Promise<Known['answer']> {
    const key = keyOf(reader, resource);
    if (reader.mode.kind === 'estimate') return estimate(reader, resource, key);
    const made = { call: false };
    const load = (): Promise<KeptKnown> =>
      teamReads.load(
        newRead(reader, resource, key, (call) => {
          if (call === 'own') reader.tally.countCall();
          else reader.tally.countExtraCall();
          made.call = true;
        }),
      );
    try {
      const startedAt = clock.monotonic();
      let kept = await cache.read(key, load, { refresh: mustLoad(reader, key) });
      // It has joined a load that the team's feed answered, which is not the resource's own endpoint.
      if (reader.mode.kind === 'refresh' && kept.value.verifiedAt < startedAt) {
        kept = await cache.read(key, load, { refresh: true });
      }
      metrics.recordCacheRead(made.call ? 'miss' : 'hit');
      reader.tally.countRead(kept.freshUntil, made.call ? 'call' : 'cache');
      return kept.value.answer;
    } catch (error) {
      const last = isAnswer(error) ? undefined : reserveOf(key);
      if (last === undefined) throw error;
      metrics.recordCacheRead('stale');
      reader.tally.countRead(last.freshUntil, 'stale');
      return { ...last.value, isStale: true };
    }
  }

  function newRead(reader: Reader, resource: Resource, key: string, pay: Read['pay']): Read {
    return {
      reader,
      resource,
      last: cache.last(key),
      hasReserve: reserveOf(key) !== undefined,
      ask: (timeLeftMs) => ask(reader, resource, key, timeLeftMs),
      pay,
    };
  }

  function mustLoad({ mode }: Reader, key: string): boolean {
    if (mode.kind !== 'poll') return mode.kind === 'refresh';
    return (cache.last(key)?.confirmedAt ?? -Infinity) < mode.since;
  }

  async function estimate(reader: Reader, resource: Resource, key: string): Promise<Known['answer']> {
    const { tally } = reader;
    const last = cache.last(key);
    if (last !== undefined && last.freshUntil >= clock.monotonic()) {
      tally.cacheHits++;
      return last.value.answer;
    }
    const kept = await teamReads.estimate(newRead(reader, resource, key, () => undefined));
    return kept?.value.answer ?? standInFor(resource);
  }

  /** The last known value, if it is not too old. Of "there is none" nothing could say that it is old. */
  function reserveOf(key: string): Kept<BackfillSnapshot> | undefined {
    const last = staleMs === 0 ? undefined : cache.last(key);
    if (last === undefined || last.value.answer instanceof UpstreamError) return undefined;
    return clock.monotonic() - last.confirmedAt > staleMs ? undefined : { ...last, value: last.value.answer };
  }

  /** Whether the error is an answer about the resource, which nothing older may stand in for. */
  function isAnswer(error: unknown): boolean {
    return !(error instanceof UpstreamError) || !SAYS_NOTHING.has(error.kind);
  }

  /** A refusal is never papered over with what was kept from before it; a 404 replaces what was kept. */
  async function ask(
    reader: Reader,
    resource: Resource,
    key: string,
    timeLeftMs: number,
  ): Promise<KeptKnown> {
    try {
      const record = await recordOf(reader, resource, timeLeftMs);
      const answer = snapshot(reader, resource.teamId, record);
      const byId = keptAsById(reader, answer);
      if (resource.kind === 'backfill') return byId;
      cache.keep(keyOf(reader, { ...resource, kind: 'backfill', id: answer.id }), byId);
      return keptFor(lifetimesOf(reader).changingMs, answer);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.kind === 'notFound') return keptFor(lifetimesOf(reader).changingMs, error);
      if (error.kind === 'forbidden') {
        cache.drop(key);
        if (resource.kind === 'backfill') teamReads.forget(reader, resource.teamId, resource.id);
      }
      throw error;
    }
  }

  function recordOf(
    { caller }: Reader,
    { kind, teamId, id }: Resource,
    timeLeftMs: number,
  ): Promise<BackfillRecord> {
    return kind === 'backfill'
      ? client.getBackfill(caller, teamId, id, timeLeftMs)
      : client.getLatestBackfill(caller, teamId, id, timeLeftMs);
  }

  function lifetimesOf({ caller }: Reader): Lifetimes {
    return lifetimes(caller.credential.partition);
  }

  function keptFor(lifetimeMs: number, answer: Known['answer']): KeptKnown {
    const now = clock.monotonic();
    return { value: { answer, verifiedAt: now }, confirmedAt: now, freshUntil: now + lifetimeMs };
  }

  /** Only COMPLETED is final: FAILED can still be cancelled, and runs of a cancelled backfill may still complete. */
  function keptAsById(reader: Reader, answer: BackfillSnapshot): KeptKnown {
    const { changingMs, finalMs } = lifetimesOf(reader);
    return keptFor(answer.record.status === 'COMPLETED' ? finalMs : changingMs, answer);
  }

  function snapshot(
    reader: Reader,
    teamId: ResourceId,
    record: BackfillRecord,
    previous?: BackfillSnapshot,
  ): BackfillSnapshot {
    const id = record.transfer_backfill_id;
    const now = clock.now();
    const known = previous ?? cache.last(keyOf(reader, { kind: 'backfill', teamId, id }))?.value.answer;
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

  function learn(reader: Reader, teamId: ResourceId, feed: TeamFeed): void {
    for (const { id, record } of feed.rows.values()) {
      for (const resource of [
        { kind: 'backfill', teamId, id },
        { kind: 'latest', teamId, id: record.transfer_id },
      ] as const) {
        const key = keyOf(reader, resource);
        const last = cache.last(key);
        const kept = last && judge(feed, resource, last, clock.monotonic(), lifetimesOf(reader));
        if (kept !== undefined) cache.keep(key, kept);
      }
    }
  }

  return {
    async backfill(reader, teamId, id) {
      const answer = await read(reader, { kind: 'backfill', teamId, id });
      if (answer instanceof UpstreamError) throw answer;
      return answer;
    },

    async latestBackfill(reader, teamId, id) {
      const answer = await read(reader, { kind: 'latest', teamId, id });
      return answer instanceof UpstreamError ? null : answer;
    },
  };
}

// Of these parts only digits and the partition's own alphabet can occur, so no two resources share a key.
function keyOf({ caller }: Reader, { kind, teamId, id }: Resource): string {
  return `${caller.credential.partition}/${teamId}/${kind}/${id}`;
}
