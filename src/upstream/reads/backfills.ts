import { createReadCache, type CacheEntry } from '../cache/read-cache.ts';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics.ts';
import type { Admit } from '../quota/admission.ts';
import type { BackfillsClient } from '../rest/client.ts';
import { UpstreamError, type UpstreamErrorKind } from '../errors.ts';
import type { Freshness } from '../cache/freshness.ts';
import type { PendingRead, ReadContext } from './read.ts';
import type { BackfillRecord } from '../rest/records.ts';
import {
  type BackfillSnapshot,
  type Known,
  type Entry,
  type Resource,
  runsDone,
  placeholderFor,
} from '../cache/snapshots.ts';
import { answerFrom, type TeamList } from './team-list.ts';
import { createTeamBatches } from './team-batches.ts';
import { formatUtc } from '../rest/timestamps.ts';

/** Backfills by way of the cache. Both methods reject with an {@link UpstreamError} and nothing else. */
export interface Backfills {
  /** Rejects with `notFound` where the team has no such backfill. */
  backfill(reader: ReadContext, teamId: ResourceId, backfillId: ResourceId): Promise<BackfillSnapshot>;
  /** Null where the transfer never had a backfill, or is not there or not the team's. */
  latestBackfill(
    reader: ReadContext,
    teamId: ResourceId,
    transferId: ResourceId,
  ): Promise<BackfillSnapshot | null>;
}

export interface BackfillsDeps {
  readonly client: BackfillsClient;
  readonly admit: Admit;
  readonly lifetimes: (partition: string) => Freshness;
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

export function createBackfills(deps: BackfillsDeps): Backfills {
  const { client, admit, lifetimes, clock, log, metrics, maxEntries, staleMs, timeoutMs } = deps;
  const cache = createReadCache<Known>({ maxEntries, clock });
  const teamReads = createTeamBatches({
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

  async function read(reader: ReadContext, resource: Resource): Promise<Known['outcome']> {
    const key = keyOf(reader, resource);
    if (reader.mode.kind === 'estimate') return estimate(reader, resource, key);
    const made = { call: false };
    const load = (): Promise<Entry> =>
      teamReads.load(
        newRead(reader, resource, key, (call) => {
          if (call === 'own') reader.cost.countCall();
          else reader.cost.countExtraCall();
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
      reader.cost.countRead(kept.freshUntil, made.call ? 'call' : 'cache');
      return kept.value.outcome;
    } catch (error) {
      const last = isAnswer(error) ? undefined : reserveOf(key);
      if (last === undefined) throw error;
      metrics.recordCacheRead('stale');
      reader.cost.countRead(last.freshUntil, 'stale');
      return { ...last.value, isStale: true };
    }
  }

  function newRead(
    reader: ReadContext,
    resource: Resource,
    key: string,
    pay: PendingRead['pay'],
  ): PendingRead {
    return {
      reader,
      resource,
      last: cache.peek(key),
      hasReserve: reserveOf(key) !== undefined,
      ask: (timeLeftMs) => ask(reader, resource, key, timeLeftMs),
      pay,
    };
  }

  function mustLoad({ mode }: ReadContext, key: string): boolean {
    if (mode.kind !== 'poll') return mode.kind === 'refresh';
    return (cache.peek(key)?.confirmedAt ?? -Infinity) < mode.since;
  }

  async function estimate(reader: ReadContext, resource: Resource, key: string): Promise<Known['outcome']> {
    const { cost: tally } = reader;
    const last = cache.peek(key);
    if (last !== undefined && last.freshUntil >= clock.monotonic()) {
      tally.cacheHits++;
      return last.value.outcome;
    }
    const kept = await teamReads.estimate(newRead(reader, resource, key, () => undefined));
    return kept?.value.outcome ?? placeholderFor(resource);
  }

  /** The last known value, if it is not too old. Of "there is none" nothing could say that it is old. */
  function reserveOf(key: string): CacheEntry<BackfillSnapshot> | undefined {
    const last = staleMs === 0 ? undefined : cache.peek(key);
    if (last === undefined || last.value.outcome instanceof UpstreamError) return undefined;
    return clock.monotonic() - last.confirmedAt > staleMs
      ? undefined
      : { ...last, value: last.value.outcome };
  }

  /** Whether the error is an answer about the resource, which nothing older may stand in for. */
  function isAnswer(error: unknown): boolean {
    return !(error instanceof UpstreamError) || !SAYS_NOTHING.has(error.kind);
  }

  /** A refusal is never papered over with what was kept from before it; a 404 replaces what was kept. */
  async function ask(
    reader: ReadContext,
    resource: Resource,
    key: string,
    timeLeftMs: number,
  ): Promise<Entry> {
    try {
      const record = await recordOf(reader, resource, timeLeftMs);
      const answer = snapshot(reader, resource.teamId, record);
      const byId = keptAsById(reader, answer);
      if (resource.kind === 'backfill') return byId;
      cache.set(keyOf(reader, { ...resource, kind: 'backfill', id: answer.id }), byId);
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
    { caller }: ReadContext,
    { kind, teamId, id }: Resource,
    timeLeftMs: number,
  ): Promise<BackfillRecord> {
    return kind === 'backfill'
      ? client.getBackfill(caller, teamId, id, timeLeftMs)
      : client.getLatestBackfill(caller, teamId, id, timeLeftMs);
  }

  function lifetimesOf({ caller }: ReadContext): Freshness {
    return lifetimes(caller.credential.partition);
  }

  function keptFor(lifetimeMs: number, answer: Known['outcome']): Entry {
    const now = clock.monotonic();
    return { value: { outcome: answer, verifiedAt: now }, confirmedAt: now, freshUntil: now + lifetimeMs };
  }

  /** Only COMPLETED is final: FAILED can still be cancelled, and runs of a cancelled backfill may still complete. */
  function keptAsById(reader: ReadContext, answer: BackfillSnapshot): Entry {
    const { changingMs, finalMs } = lifetimesOf(reader);
    return keptFor(answer.record.status === 'COMPLETED' ? finalMs : changingMs, answer);
  }

  function snapshot(
    reader: ReadContext,
    teamId: ResourceId,
    record: BackfillRecord,
    previous?: BackfillSnapshot,
  ): BackfillSnapshot {
    const id = record.transfer_backfill_id;
    const now = clock.now();
    const known = previous ?? cache.peek(keyOf(reader, { kind: 'backfill', teamId, id }))?.value.outcome;
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

  function learn(reader: ReadContext, teamId: ResourceId, feed: TeamList): void {
    for (const { id, record } of feed.rows.values()) {
      for (const resource of [
        { kind: 'backfill', teamId, id },
        { kind: 'latest', teamId, id: record.transfer_id },
      ] as const) {
        const key = keyOf(reader, resource);
        const last = cache.peek(key);
        const kept = last && answerFrom(feed, resource, last, clock.monotonic(), lifetimesOf(reader));
        if (kept !== undefined) cache.set(key, kept);
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
function keyOf({ caller }: ReadContext, { kind, teamId, id }: Resource): string {
  return `${caller.credential.partition}/${teamId}/${kind}/${id}`;
}
