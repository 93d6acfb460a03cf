import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import { UpstreamError, type WriteKind } from '../errors.ts';
import type { BackfillRecord } from '../rest/records.ts';
import { factsOf } from '../rest/statuses.ts';
import { formatUtc } from '../rest/timestamps.ts';
import { createChanges } from './changes.ts';
import { Authority } from './authority.ts';
import { joined, TeamEntries } from './entries.ts';
import type { Freshness, FreshnessOf } from './freshness.ts';
import { Interest } from './interest.ts';
import type { Kept, KeptBackfill, KeptLatest } from './kept.ts';
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
import {
  confirmation,
  dueAt,
  type KnownList,
  knownList,
  newestOf,
  renewedUntil,
  type TeamList,
} from './team-list.ts';

/**
 * What one credential may see of one team, and when. Two rules hold for everything that is kept:
 *
 * **Authority is not data.** What is fresh is given out only while the REST API has lately accepted a read of the
 * credential in the team; see {@link Authority}. Where the REST API cannot be asked, `CACHE_STALE_MS` takes the place of
 * its minute.
 *
 * **Order.** Answers overtake each other on their way. Where the calls of two answers did not overlap, the later call
 * gave the later state. Where they did, the state that is further on counts. All readers get what is kept then, whichever
 * answer was theirs.
 *
 * **Writes.** What a write was answered is kept like any answer, and each resource that it changed has begun a new
 * generation. An answer of a read that was sent before is of an older one: it replaces nothing that is known since, unless
 * it is further on. Where nothing is known since, as after a write whose outcome is unknown, what is known is in doubt: it
 * may stand in while the REST API is in trouble, and is otherwise asked for again by whoever wants it.
 */
export interface TeamStore {
  /** What is known of the resource and may be shown. `freshUntil` ends with the authority at the latest. */
  known(resource: Resource): Known | undefined;
  /** Whether the REST API has accepted the credential, of whatever team. */
  isAccepted(): boolean;
  /** Whether the REST API has lately answered a read of the team with anything but a refusal. */
  isProven(): boolean;
  /** Whether a read of the team was accepted lately, so that what is kept may be shown at the moment, by default now. */
  hasAuthority(moment?: number): boolean;
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
   * @param came when the answer came; just now, if it is not given
   * @returns what is known then
   */
  keepRecord(resource: Resource, record: BackfillRecord, sentAt: number, came?: Came): Known;
  /** Keeps a 404 of the resource's own endpoint. */
  keepNotFound(resource: Resource, error: UpstreamError, sentAt: number, came?: Came): Known;
  /** The list with its backfills as they are known now, while it may be shown and they are kept. */
  knownList(): KnownList | undefined;
  /** The same, where it may stand in for a list that cannot be had. */
  staleList(): KnownList | undefined;
  /** Keeps the list and each backfill in it. */
  keepList(records: readonly BackfillRecord[], isWhole: boolean, sentAt: number, came?: Came): ListReading;
  /** Has the fresh list say what it says of transfers that have become known since, as those that another replica asked for. */
  followList(): void;
  /**
   * Keeps what a write was answered. A backfill that it created is the latest of its transfer.
   * @param sentAt when its call began
   */
  keepWritten(write: WriteKind, record: BackfillRecord, sentAt: number): Known;
  /** After a write that may have changed the resource, and with it the list: both are to be asked for again. */
  doubt(resource: Resource): void;
  /**
   * Whether what was sent then tells of the resource as it is since the last refusal and the last write.
   * @param resource undefined for the list
   */
  isSinceChange(resource: Resource | undefined, sentAt: number): boolean;
  /** After an answer that says nothing but that the credential is known. */
  keepAcquaintance(): void;
  /** Renews what the list confirms by absence; undefined where only the resource's own endpoint can say. */
  confirmByList(resource: Resource, list: TeamList): Known | undefined;
  /** After a 403: drops the resource, and shows nothing until a read is accepted again. */
  refuse(resource: Resource): void;
  dropList(): void;
}

/** When an answer came, to this process or to another replica. */
export interface Came {
  /** Monotonic milliseconds of this process. */
  readonly at: number;
  /** The same as people read it. */
  readonly fetchedAt: string;
  /**
   * A moment before which neither a refusal nor a write has made it another; when its call began, if it is not given. What
   * replicas share is bound to marks, which say so until they were looked at.
   */
  readonly holdsAt?: number | undefined;
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

export function createTeamStore<Team extends object>(
  partitions: Pick<Partitions<Team>, 'accept'>,
  partition: Partition<Team>,
  teamId: ResourceId,
  { freshness, clock, staleMs }: StoreDeps,
): TeamStore {
  const entries = new TeamEntries(partition, teamId);
  const authority = new Authority(clock);
  const changes = createChanges();

  /** Whether a list that was sent at the moment says of the resource what was before a write. */
  function isBeforeChange(resource: Resource, { outcome }: Known, sentAt: number): boolean {
    const { kind, id } = resource;
    if (sentAt < changes.at(kind, id)) return true;
    return kind === 'latest' && 'record' in outcome && sentAt < changes.at('backfill', outcome.id);
  }

  /** The ids of a list with the backfills that were written after it was sent. */
  function withWritten(ids: ReadonlySet<ResourceId>, sentAt: number): ReadonlySet<ResourceId> {
    const begun: ResourceId[] = [];
    const rest = new Set(ids);
    for (const written of changes.writtenSince(sentAt)) {
      const known = entries.backfill(written);
      if (known === undefined || !('record' in known.outcome)) continue;
      const { id, record } = known.outcome;
      const listed = factsOf(record.status)?.listed;
      if (listed === true && !rest.has(id)) begun.push(id);
      if (listed === false) rest.delete(id);
    }
    return begun.length === 0 ? rest : new Set([...begun, ...rest]);
  }

  function withAuthority(kept: Known): Known {
    const until = authority.until(kept.outcome instanceof UpstreamError ? kept.verifiedAt : undefined);
    return kept.freshUntil <= until ? kept : { ...kept, freshUntil: until };
  }

  function accept(sentAt: number, holdsAt = sentAt): void {
    if (authority.accept(sentAt, holdsAt)) partitions.accept(partition);
  }

  function mayKeep(sentAt: number, { confirmedAt, freshUntil }: Moments): boolean {
    return authority.covers(sentAt) && freshUntil > confirmedAt;
  }

  function justNow(): Came {
    return { at: clock.monotonic(), fetchedAt: formatUtc(clock.now()) };
  }

  function snapshotOf(record: BackfillRecord, known: KeptBackfill | undefined, came: Came): BackfillSnapshot {
    const now = clock.now();
    const before = known === undefined || known.outcome instanceof UpstreamError ? undefined : known.outcome;
    const isAsFar = before !== undefined && runsDone(before.record) === runsDone(record);
    return {
      teamId,
      id: record.transfer_backfill_id,
      record,
      fetchedAt: came.fetchedAt,
      givenAt: came.at,
      progressedAt: isAsFar ? before.progressedAt : now,
      isStale: false,
    };
  }

  function keepBackfill(record: BackfillRecord, sentAt: number, moments: Moments, came: Came): KeptBackfill {
    const id = record.transfer_backfill_id;
    const kept = entries.backfill(id);
    const given = snapshotOf(record, kept, came);
    const before = kept === undefined || kept.outcome instanceof UpstreamError ? undefined : kept.outcome;
    // What another replica was answered may be from before.
    if (
      before !== undefined &&
      kept !== undefined &&
      kept.verifiedAt > came.at &&
      !isFurtherOn(given, before)
    )
      return kept;
    const at = changes.at('backfill', id);
    const isKnownSince = before !== undefined && kept !== undefined && kept.verifiedAt >= at;
    const holdsAt = came.holdsAt ?? sentAt;
    if (holdsAt < at && isKnownSince && !isFurtherOn(given, before)) return kept;
    const isOvertaken =
      before !== undefined && kept !== undefined && kept.verifiedAt > sentAt && isFurtherOn(before, given);
    const entry: KeptBackfill = {
      kind: 'backfill',
      outcome: isOvertaken ? before : given,
      ...moments,
    };
    return keep('backfill', id, entry, holdsAt, holdsAt < at && !isKnownSince);
  }

  /** Keeps an entry, where that may be. Returns it. */
  function keep<Entry extends KeptBackfill | KeptLatest>(
    kind: Resource['kind'],
    id: ResourceId,
    entry: Entry,
    sentAt: number,
    isDoubted: boolean,
  ): Entry {
    const isKept = mayKeep(sentAt, entry);
    const told = isDoubted ? doubted(entry) : entry;
    if (isKept) entries.set(kind, id, told);
    return told;
  }

  /**
   * Points the transfer to its latest backfill, unless an answer that came meanwhile knew of a newer one.
   * @param sentAt when the call began; for the list `Infinity`, where it is known to tell the newest
   * @param askedAt when the call began
   */
  function keepLatest(
    transferId: ResourceId,
    target: KeptBackfill,
    sentAt: number,
    moments: Moments,
    namedAt: number,
    askedAt = sentAt,
  ): Known {
    const pointer = entries.latest(transferId);
    const kept = pointer && entries.followed(pointer);
    const isOvertaken =
      !authority.isRefused &&
      pointer !== undefined &&
      kept !== undefined &&
      (pointer.namedAt > sentAt || pointer.namedAt > namedAt) &&
      'record' in kept.outcome &&
      (!('record' in target.outcome) || isNewer(kept.outcome, target.outcome));
    if (isOvertaken) return kept;
    const backfillId = 'record' in target.outcome ? target.outcome.id : target.outcome;
    const at = changes.at('latest', transferId);
    const isKnownSince = pointer !== undefined && kept !== undefined && pointer.verifiedAt >= at;
    const entry: KeptLatest = { kind: 'latest', backfill: backfillId, namedAt, ...moments };
    return joined(
      keep('latest', transferId, entry, Math.max(sentAt, askedAt), askedAt < at && !isKnownSince),
      target,
    );
  }

  function momentsFrom(at: number, lifetimeMs: number, isByList = false): Moments {
    const interest = new Interest(at, isByList);
    return { verifiedAt: at, confirmedAt: at, freshUntil: at + lifetimeMs, interest };
  }

  function lifetimes(): Freshness {
    return freshness(partition.credentialId);
  }

  /** Points transfers whose latest backfill is known to the newest of their backfills in the list. */
  function followNewest(
    list: TeamList,
    rows: ReadonlyMap<ResourceId, KeptBackfill>,
    confirmedAt: number,
  ): void {
    const { sentAt } = list;
    const snapshots = [...rows.values()].flatMap(({ outcome }) => ('record' in outcome ? [outcome] : []));
    for (const [transferId, newest] of newestOf(snapshots)) {
      const resource = { kind: 'latest', teamId, id: transferId } as const;
      const known = entries.known(resource);
      const row = rows.get(newest.id);
      if (known === undefined || row === undefined) continue;
      const due = dueAt(resource, known, lifetimes());
      if (due <= clock.monotonic()) continue;
      const isNews = !('record' in known.outcome) || isNewer(newest, known.outcome);
      const isSame = 'record' in known.outcome && known.outcome.id === newest.id;
      if (!isNews && (!isSame || known.verifiedAt > sentAt || isBeforeChange(resource, known, sentAt)))
        continue;
      const { verifiedAt } = known;
      const moments = { verifiedAt, confirmedAt, ...renewedUntil(list, due) };
      keepLatest(transferId, row, Infinity, moments, confirmedAt, sentAt);
    }
  }

  return {
    known(resource) {
      const kept = authority.isRefused ? undefined : entries.known(resource);
      return kept && withAuthority(kept);
    },

    isAccepted: () => partition.isAccepted,

    isProven: () => authority.isProven(),

    hasAuthority: (moment) => authority.isHeld(moment),

    staleValue(resource) {
      const kept = staleMs === 0 || authority.isRefused ? undefined : entries.known(resource);
      if (kept === undefined || kept.outcome instanceof UpstreamError) return undefined;
      const oldest = clock.monotonic() - staleMs;
      if (kept.confirmedAt < oldest || !authority.hasSince(oldest)) return undefined;
      return { ...kept, outcome: { ...kept.outcome, isStale: true } };
    },

    list: () => (authority.isRefused ? undefined : entries.list()),

    knownList() {
      const kept = authority.isRefused ? undefined : entries.list();
      if (kept === undefined) return undefined;
      const rows = entries.rowsOf(kept);
      if (rows.size < kept.ids.size) return undefined;
      const freshUntil = Math.min(kept.freshUntil, authority.until());
      return knownList({ ...kept, freshUntil }, (id) => rows.get(id));
    },

    staleList() {
      const kept = staleMs === 0 || authority.isRefused ? undefined : entries.list();
      const oldest = clock.monotonic() - staleMs;
      if (kept === undefined || kept.readAt < oldest || !authority.hasSince(oldest)) return undefined;
      const rows = entries.rowsOf(kept);
      const stale = knownList(kept, (id) => {
        const outcome = rows.get(id);
        return outcome === undefined || outcome instanceof UpstreamError
          ? outcome
          : { ...outcome, isStale: true };
      });
      return { ...stale, snapshot: { ...stale.snapshot, isStale: true } };
    },

    keepRecord(resource, record, sentAt, came = justNow()) {
      const { at, holdsAt = sentAt } = came;
      accept(sentAt, holdsAt);
      const { changingMs, finalMs } = lifetimes();
      const isFinal = factsOf(record.status)?.final ?? false;
      const entry = keepBackfill(record, sentAt, momentsFrom(at, isFinal ? finalMs : changingMs), came);
      if (resource.kind === 'backfill') return withAuthority(entry);
      return withAuthority(keepLatest(resource.id, entry, sentAt, momentsFrom(at, changingMs), at, holdsAt));
    },

    keepNotFound({ kind, id }, error, sentAt, { at, holdsAt = sentAt } = justNow()) {
      // Whoever gets another answer than a 401 is no newcomer, whatever he may read.
      partitions.accept(partition);
      authority.noteNotFound(at);
      const moments = momentsFrom(at, lifetimes().changingMs);
      const entry: KeptBackfill = { kind: 'backfill', outcome: error, ...moments };
      if (kind === 'latest') return withAuthority(keepLatest(id, entry, sentAt, moments, at, holdsAt));
      const kept = authority.isRefused ? undefined : entries.backfill(id);
      // It was found meanwhile, and the REST API deletes no backfill, so the 404 is from before it was there.
      if (kept !== undefined && kept.verifiedAt > sentAt && 'record' in kept.outcome)
        return withAuthority(kept);
      if (!mayKeep(holdsAt, entry)) entries.delete(kind, id);
      return keep(kind, id, entry, holdsAt, holdsAt < changes.at(kind, id));
    },

    keepList(records, isWhole, sentAt, came = justNow()) {
      accept(sentAt);
      const { changingMs } = lifetimes();
      // Those of its rows too, so that these are as recent as the list.
      const moments = momentsFrom(came.at, changingMs, true);
      const { verifiedAt: readAt, freshUntil, interest } = moments;
      const rows = new Map(
        records.map((record) => [record.transfer_backfill_id, keepBackfill(record, sentAt, moments, came)]),
      );
      const reading = {
        kind: 'list',
        sentAt,
        readAt,
        fetchedAt: came.fetchedAt,
        freshUntil,
        ids: withWritten(new Set(rows.keys()), sentAt),
        isWhole,
        isDoubted: sentAt < changes.at('list'),
        interest,
      } as const;
      const isNewest = (entries.list()?.readAt ?? -Infinity) <= readAt;
      if (isNewest && authority.covers(sentAt)) entries.setList(reading);
      followNewest(reading, rows, clock.monotonic());
      return { list: reading, rows };
    },

    followList() {
      const list = authority.isRefused ? undefined : entries.list();
      if (list === undefined || list.isDoubted || list.freshUntil < clock.monotonic()) return;
      const rows = new Map<ResourceId, KeptBackfill>();
      for (const id of list.ids) {
        const row = entries.backfill(id);
        // Without one of its rows the list does not tell the newest.
        if (row === undefined) return;
        rows.set(id, row);
      }
      followNewest(list, rows, list.readAt);
    },

    confirmByList(resource, read) {
      const known = authority.isRefused ? undefined : entries.known(resource);
      if (known === undefined || isBeforeChange(resource, known, read.sentAt)) return undefined;
      const moments = confirmation(read, resource, known, clock.monotonic(), lifetimes());
      if (moments === undefined) return undefined;
      const confirmed = { ...moments, isDoubted: false };
      if (resource.kind === 'latest') {
        const pointer = entries.latest(resource.id);
        if (pointer !== undefined) entries.set('latest', resource.id, { ...pointer, ...confirmed });
      }
      const id = 'record' in known.outcome ? known.outcome.id : resource.id;
      const target = entries.backfill(id);
      if (target !== undefined && target.freshUntil < confirmed.freshUntil) {
        entries.set('backfill', id, { ...target, ...confirmed });
      }
      return withAuthority({ ...known, ...confirmed });
    },

    keepWritten(write, record, sentAt) {
      partitions.accept(partition);
      const came = justNow();
      const { at } = came;
      const { changingMs, finalMs } = lifetimes();
      const { transfer_backfill_id: id, transfer_id: transferId } = record;
      const isFinal = factsOf(record.status)?.final ?? false;
      const entry = keepBackfill(record, sentAt, momentsFrom(at, isFinal ? finalMs : changingMs), came);
      if (write === 'create') {
        keepLatest(transferId, entry, sentAt, momentsFrom(at, changingMs), at);
        changes.note('latest', transferId, at);
      }
      changes.note('backfill', id, at, id);
      const known = entries.list();
      if (known !== undefined) {
        entries.setList({ ...known, ids: withWritten(known.ids, known.sentAt) });
      }
      return entry;
    },

    doubt(resource) {
      const at = clock.monotonic();
      const { kind, id } = resource;
      changes.note(kind, id, at);
      changes.note('list', undefined, at);
      const kept = kind === 'latest' ? entries.latest(id) : entries.backfill(id);
      if (kept !== undefined) entries.set(kind, id, doubted(kept));
      const list = entries.list();
      if (list !== undefined) entries.setList(doubted(list));
    },

    isSinceChange(resource, sentAt) {
      const at = resource === undefined ? changes.at('list') : changes.at(resource.kind, resource.id);
      return sentAt >= at && authority.covers(sentAt);
    },

    keepAcquaintance: () => partitions.accept(partition),

    refuse(resource) {
      partitions.accept(partition);
      const kept = entries.known(resource);
      if (kept !== undefined && 'record' in kept.outcome) entries.delete('backfill', kept.outcome.id);
      entries.delete(resource.kind, resource.id);
      authority.refuse();
    },

    dropList() {
      entries.deleteList();
    },
  };
}

/** The entry as one that is to be asked for again. */
function doubted<Entry extends Kept>(entry: Entry): Entry {
  return { ...entry, isDoubted: true, freshUntil: -Infinity };
}
