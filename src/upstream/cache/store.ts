import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import { UpstreamError } from '../errors.ts';
import type { BackfillRecord } from '../rest/records.ts';
import { factsOf } from '../rest/statuses.ts';
import { formatUtc } from '../rest/timestamps.ts';
import type { Freshness, FreshnessOf } from './freshness.ts';
import type { KeptBackfill, KeptLatest } from './kept.ts';
import type { Partition } from './partition.ts';
import type { Partitions } from './partitions.ts';
import {
  type BackfillSnapshot,
  isFurtherOn,
  isNewer,
  type Known,
  type Moments,
  type Resource,
  runsDone,
} from './snapshots.ts';
import { confirmation, dueAt, type KnownList, knownList, newestOf, type TeamList } from './team-list.ts';

/**
 * What one credential may see of one team, and when. Two rules hold for everything that is kept:
 *
 * **Authority is not data.** What is fresh is given out only while the REST API has lately accepted a read of the
 * credential in the team: a 2xx, the list's included. A 404 proves nothing but itself. After a 403 nothing is given out
 * until a read is accepted that was sent later. Where the REST API cannot be asked, `CACHE_STALE_MS` takes the place of
 * {@link AUTHORITY_MS}.
 *
 * **Order.** Answers overtake each other on their way. Where the calls of two answers did not overlap, the later call
 * gave the later state. Where they did, the state that is further on counts. All readers get what is kept then, whichever
 * answer was theirs.
 */
export interface TeamStore {
  /** What is known of the resource and may be shown. `freshUntil` ends with the authority at the latest. */
  known(resource: Resource): Known | undefined;
  /** Whether the REST API has accepted the credential, of whatever team. */
  isAccepted(): boolean;
  /** Whether the REST API has lately answered a read of the team with anything but a refusal. */
  isProven(): boolean;
  /** Whether a read of the team was accepted lately, so that what is kept may be shown. */
  hasAuthority(): boolean;
  /**
   * The last known value, where it may stand in for one that cannot be had (stale-if-error, RFC 5861). "No backfill" is
   * never served stale: null has no `isStale` to mark it.
   */
  staleValue(resource: Resource): StaleValue | undefined;
  /** The last reading of the list, however old. */
  list(): TeamList | undefined;
  /**
   * Keeps what the resource's own endpoint said.
   * @param sentAt when its call began
   * @returns what is known then
   */
  keepRecord(resource: Resource, record: BackfillRecord, sentAt: number): Known;
  /** Keeps a 404 of the resource's own endpoint. */
  keepNotFound(resource: Resource, error: UpstreamError, sentAt: number): Known;
  /** The list with its backfills as they are known now, while it may be shown and they are kept. */
  knownList(): KnownList | undefined;
  /** The same, where it may stand in for a list that cannot be had. */
  staleList(): KnownList | undefined;
  /** Keeps the list and each backfill in it. */
  keepList(records: readonly BackfillRecord[], isWhole: boolean, sentAt: number): ListReading;
  /** Renews what the list confirms by absence; undefined where only the resource's own endpoint can say. */
  confirmByList(resource: Resource, list: TeamList): Known | undefined;
  /** After a 403: drops the resource, and shows nothing until a read is accepted again. */
  refuse(resource: Resource): void;
  dropList(): void;
}

export interface StaleValue extends Known {
  readonly outcome: BackfillSnapshot;
}

/** One reading of the list, with what is known of its backfills then. */
export interface ListReading {
  readonly list: TeamList;
  readonly rows: ReadonlyMap<ResourceId, Known>;
}

export interface StoreDeps {
  readonly freshness: FreshnessOf;
  readonly clock: Clock;
  /** `CACHE_STALE_MS`; 0 for no stale values. */
  readonly staleMs: number;
}

/** How long an accepted read allows to show what is kept of its team. */
export const AUTHORITY_MS = 60_000;

export function createTeamStore<Team extends object>(
  partitions: Pick<Partitions<Team>, 'accept'>,
  partition: Partition<Team>,
  teamId: ResourceId,
  { freshness, clock, staleMs }: StoreDeps,
): TeamStore {
  /** When the last accepted read was sent. */
  let acceptedAt = -Infinity;
  /** When the last 404 came. */
  let notFoundAt = -Infinity;
  /** When the last 403 came, and whether no read has been accepted since. */
  let refusedAt = -Infinity;
  let isRefused = false;

  // A team and the ids in it hold only digits, so no two resources share a key.
  const backfillKey = (id: ResourceId): string => `${teamId}/backfill/${id}`;
  const latestKey = (id: ResourceId): string => `${teamId}/latest/${id}`;
  const listKey = `${teamId}/list`;

  function backfill(id: ResourceId): KeptBackfill | undefined {
    const kept = partition.get(backfillKey(id));
    return kept?.kind === 'backfill' ? kept : undefined;
  }

  function latest(transferId: ResourceId): KeptLatest | undefined {
    const kept = partition.get(latestKey(transferId));
    return kept?.kind === 'latest' ? kept : undefined;
  }

  function list(): TeamList | undefined {
    const kept = partition.get(listKey);
    return kept?.kind === 'list' ? kept : undefined;
  }

  /** What is kept of the backfills of a list. */
  function rowsOf({ ids }: TeamList): ReadonlyMap<ResourceId, Known['outcome']> {
    const rows = new Map<ResourceId, Known['outcome']>();
    for (const id of ids) {
      const kept = backfill(id);
      if (kept !== undefined) rows.set(id, kept.outcome);
    }
    return rows;
  }

  /** What is kept of the resource, whether or not it may be shown. */
  function keptOf({ kind, id }: Resource): Known | undefined {
    if (kind === 'backfill') return backfill(id);
    const pointer = latest(id);
    if (pointer === undefined) return undefined;
    if (pointer.backfill instanceof UpstreamError) return { ...pointer, outcome: pointer.backfill };
    const target = backfill(pointer.backfill);
    return target && joined(pointer, target);
  }

  function authorityUntil({ outcome, verifiedAt }: Known): number {
    return (outcome instanceof UpstreamError ? Math.max(acceptedAt, verifiedAt) : acceptedAt) + AUTHORITY_MS;
  }

  function withAuthority(kept: Known): Known {
    const until = authorityUntil(kept);
    return kept.freshUntil <= until ? kept : { ...kept, freshUntil: until };
  }

  function accept(sentAt: number): void {
    if (sentAt < refusedAt) return;
    isRefused = false;
    acceptedAt = Math.max(acceptedAt, sentAt);
    partitions.accept(partition);
  }

  /** What was sent before a refusal came is as good as dropped with the rest. */
  function mayKeep(sentAt: number, { confirmedAt, freshUntil }: Moments): boolean {
    return sentAt >= refusedAt && freshUntil > confirmedAt;
  }

  function snapshotOf(record: BackfillRecord, known: KeptBackfill | undefined): BackfillSnapshot {
    const now = clock.now();
    const before = known === undefined || known.outcome instanceof UpstreamError ? undefined : known.outcome;
    const isAsFar = before !== undefined && runsDone(before.record) === runsDone(record);
    return {
      teamId,
      id: record.transfer_backfill_id,
      record,
      fetchedAt: formatUtc(now),
      progressedAt: isAsFar ? before.progressedAt : now,
      isStale: false,
    };
  }

  function keepBackfill(record: BackfillRecord, sentAt: number, lifetimeMs: number): KeptBackfill {
    const id = record.transfer_backfill_id;
    const kept = backfill(id);
    const given = snapshotOf(record, kept);
    const isOvertaken =
      kept !== undefined &&
      kept.verifiedAt > sentAt &&
      !(kept.outcome instanceof UpstreamError) &&
      isFurtherOn(kept.outcome, given);
    const entry = {
      kind: 'backfill',
      outcome: isOvertaken ? kept.outcome : given,
      ...momentsFromNow(lifetimeMs),
    } as const;
    if (mayKeep(sentAt, entry)) partition.set(backfillKey(id), entry);
    return entry;
  }

  /** Points the transfer to its latest backfill, unless an answer that came meanwhile knew of a newer one. */
  function keepLatest(transferId: ResourceId, target: KeptBackfill, sentAt: number, moments: Moments): Known {
    const pointer = latest(transferId);
    const kept = keptOf({ kind: 'latest', teamId, id: transferId });
    const isOvertaken =
      !isRefused &&
      pointer !== undefined &&
      kept !== undefined &&
      pointer.namedAt > sentAt &&
      'record' in kept.outcome &&
      (!('record' in target.outcome) || isNewer(kept.outcome, target.outcome));
    if (isOvertaken) return kept;
    const backfillId = 'record' in target.outcome ? target.outcome.id : target.outcome;
    const namedAt = clock.monotonic();
    const entry: KeptLatest = { kind: 'latest', backfill: backfillId, namedAt, ...moments };
    if (mayKeep(sentAt, entry)) partition.set(latestKey(transferId), entry);
    return joined(entry, target);
  }

  function momentsFromNow(lifetimeMs: number): Moments {
    const now = clock.monotonic();
    return { verifiedAt: now, confirmedAt: now, freshUntil: now + lifetimeMs };
  }

  function lifetimes(): Freshness {
    return freshness(partition.credentialId);
  }

  /** Points transfers whose latest backfill is known to the newest of their backfills in the list. */
  function followNewest(rows: ReadonlyMap<ResourceId, KeptBackfill>, sentAt: number, until: number): void {
    const snapshots = [...rows.values()].flatMap(({ outcome }) => ('record' in outcome ? [outcome] : []));
    for (const [transferId, newest] of newestOf(snapshots)) {
      const resource = { kind: 'latest', teamId, id: transferId } as const;
      const known = keptOf(resource);
      const row = rows.get(newest.id);
      if (known === undefined || row === undefined) continue;
      const due = dueAt(resource, known, lifetimes());
      if (due <= clock.monotonic()) continue;
      const isNews = !('record' in known.outcome) || isNewer(newest, known.outcome);
      const isSame = 'record' in known.outcome && known.outcome.id === newest.id;
      if (!isNews && (!isSame || known.verifiedAt > sentAt)) continue;
      const { verifiedAt } = known;
      keepLatest(transferId, row, Infinity, {
        verifiedAt,
        confirmedAt: clock.monotonic(),
        freshUntil: Math.min(until, due),
      });
    }
  }

  return {
    known(resource) {
      const kept = isRefused ? undefined : keptOf(resource);
      return kept && withAuthority(kept);
    },

    isAccepted: () => partition.isAccepted,

    isProven: () => !isRefused && clock.monotonic() <= Math.max(acceptedAt, notFoundAt) + AUTHORITY_MS,

    hasAuthority: () => !isRefused && clock.monotonic() <= acceptedAt + AUTHORITY_MS,

    staleValue(resource) {
      const kept = staleMs === 0 || isRefused ? undefined : keptOf(resource);
      if (kept === undefined || kept.outcome instanceof UpstreamError) return undefined;
      const oldest = clock.monotonic() - staleMs;
      if (kept.confirmedAt < oldest || acceptedAt < oldest) return undefined;
      return { ...kept, outcome: { ...kept.outcome, isStale: true } };
    },

    list: () => (isRefused ? undefined : list()),

    knownList() {
      const kept = isRefused ? undefined : list();
      if (kept === undefined) return undefined;
      const rows = rowsOf(kept);
      if (rows.size < kept.ids.size) return undefined;
      const freshUntil = Math.min(kept.freshUntil, acceptedAt + AUTHORITY_MS);
      return knownList({ ...kept, freshUntil }, (id) => rows.get(id));
    },

    staleList() {
      const kept = staleMs === 0 || isRefused ? undefined : list();
      const oldest = clock.monotonic() - staleMs;
      if (kept === undefined || kept.readAt < oldest || acceptedAt < oldest) return undefined;
      const rows = rowsOf(kept);
      const stale = knownList(kept, (id) => {
        const outcome = rows.get(id);
        return outcome === undefined || outcome instanceof UpstreamError
          ? outcome
          : { ...outcome, isStale: true };
      });
      return { ...stale, snapshot: { ...stale.snapshot, isStale: true } };
    },

    keepRecord(resource, record, sentAt) {
      accept(sentAt);
      const { changingMs, finalMs } = lifetimes();
      const isFinal = factsOf(record.status)?.final ?? false;
      const entry = keepBackfill(record, sentAt, isFinal ? finalMs : changingMs);
      if (resource.kind === 'backfill') return withAuthority(entry);
      return withAuthority(keepLatest(resource.id, entry, sentAt, momentsFromNow(changingMs)));
    },

    keepNotFound({ kind, id }, error, sentAt) {
      // Whoever gets another answer than a 401 is no newcomer, whatever he may read.
      partitions.accept(partition);
      notFoundAt = clock.monotonic();
      const moments = momentsFromNow(lifetimes().changingMs);
      const entry: KeptBackfill = { kind: 'backfill', outcome: error, ...moments };
      if (kind === 'latest') return withAuthority(keepLatest(id, entry, sentAt, moments));
      const kept = isRefused ? undefined : backfill(id);
      // It was found meanwhile, and the REST API deletes no backfill, so the 404 is from before it was there.
      if (kept !== undefined && kept.verifiedAt > sentAt && 'record' in kept.outcome)
        return withAuthority(kept);
      if (mayKeep(sentAt, entry)) partition.set(backfillKey(id), entry);
      else partition.delete(backfillKey(id));
      return entry;
    },

    keepList(records, isWhole, sentAt) {
      accept(sentAt);
      const { changingMs } = lifetimes();
      // Before the moments of its rows, so that these are as recent as the list.
      const readAt = clock.monotonic();
      const rows = new Map(
        records.map((record) => [record.transfer_backfill_id, keepBackfill(record, sentAt, changingMs)]),
      );
      const freshUntil = readAt + changingMs;
      const reading = {
        kind: 'list',
        sentAt,
        readAt,
        fetchedAt: formatUtc(clock.now()),
        freshUntil,
        ids: new Set(rows.keys()),
        isWhole,
      } as const;
      if (sentAt >= refusedAt) partition.set(listKey, reading);
      followNewest(rows, sentAt, freshUntil);
      return { list: reading, rows };
    },

    confirmByList(resource, read) {
      const known = isRefused ? undefined : keptOf(resource);
      const confirmed = known && confirmation(read, resource, known, clock.monotonic(), lifetimes());
      if (known === undefined || confirmed === undefined) return undefined;
      if (resource.kind === 'latest') {
        const pointer = latest(resource.id);
        if (pointer !== undefined) partition.set(latestKey(resource.id), { ...pointer, ...confirmed });
      }
      const id = 'record' in known.outcome ? known.outcome.id : resource.id;
      const target = backfill(id);
      if (target !== undefined && target.freshUntil < confirmed.freshUntil) {
        partition.set(backfillKey(id), { ...target, ...confirmed });
      }
      return withAuthority({ ...known, ...confirmed });
    },

    refuse(resource) {
      partitions.accept(partition);
      const kept = keptOf(resource);
      if (kept !== undefined && 'record' in kept.outcome) partition.delete(backfillKey(kept.outcome.id));
      partition.delete(resource.kind === 'latest' ? latestKey(resource.id) : backfillKey(resource.id));
      refusedAt = clock.monotonic();
      isRefused = true;
    },

    dropList() {
      partition.delete(listKey);
    },
  };
}

/** A latest backfill is as fresh as both what it is and which one it is. */
function joined(pointer: Moments, target: KeptBackfill): Known {
  return {
    outcome: target.outcome,
    verifiedAt: pointer.verifiedAt,
    confirmedAt: Math.min(pointer.confirmedAt, target.confirmedAt),
    freshUntil: Math.min(pointer.freshUntil, target.freshUntil),
  };
}
