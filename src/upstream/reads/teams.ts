import type { ResourceId } from '../../ids.ts';
import type { Freshness, FreshnessOf } from '../cache/freshness.ts';
import type { Partitions } from '../cache/partitions.ts';
import type { Known, Resource } from '../cache/snapshots.ts';
import { createTeamStore, type ListReading, type StoreDeps, type TeamStore } from '../cache/store.ts';
import { isDue, type KnownList, knownList, listMayAnswer, type TeamList } from '../cache/team-list.ts';
import { UpstreamError } from '../errors.ts';
import type { Group } from '../replicas/group.ts';
import { type Endpoint, keepAnswer } from './endpoint.ts';
import { createBatch } from './batch.ts';
import { createListPlanner } from './list-planner.ts';
import {
  createListReader,
  keepListAnswer,
  LATE_SHARE,
  type ListCall,
  type ListReaderDeps,
} from './list-reader.ts';
import { type Begun, createLoads, type Load } from './loads.ts';
import { createSlowStart } from './slow-start.ts';
import { type Ahead, type AheadDeps, createAhead, type TeamReads } from './ahead.ts';
import {
  isGoodEnough,
  isListGoodEnough,
  lookUp,
  momentOf,
  nameOf,
  type Payer,
  pendingRead,
  type PendingRead,
  type ReadContext,
} from './read.ts';

/**
 * A team as one credential sees it: what is known of it, and the way to what is not.
 *
 * All reads that come in one turn of the event loop, from whatever operations, are one batch. Where two or more
 * resources might be answered by the team's list, now or lately, the list is read once for all of them. Only what the
 * list does not answer is asked at its own endpoint.
 */
export interface Team {
  readonly store: TeamStore;
  /** Refreshes what a crowd asks for before its lifetime ends. */
  readonly ahead: Ahead;
  /**
   * One load at a time for each resource. Rejects with an {@link UpstreamError}.
   * @param begin gives the read to be loaded, where none is under way
   */
  share(resource: Resource, begin: () => PendingRead): Load<Known>;
  /** Lets nobody join a load of these resources, or of any, that began before now, nor a reading of the list. */
  forgetUnderWay(resources: readonly Resource[] | 'all'): void;
  /** What the list at hand says of the resource, where it is as recent as the reader wants it. */
  answerFromList(read: PendingRead): Known | undefined;
  /** The list, where it may be shown and is as recent as the reader wants it. */
  knownList(context: ReadContext): KnownList | undefined;
  readonly listStanding: ListStanding;
  /** Takes over what other replicas have read of the list and of these backfills since it was known here. */
  hearNews(context: ReadContext, backfillIds: readonly ResourceId[]): Promise<void>;
  /** Reads the list for its own sake, or joins whoever reads it. */
  loadList(payer: Payer): Load<KnownList>;
  /**
   * Those of these reads that reading the list now would be worth.
   * @param isListPaid whether the list is being read anyway
   */
  plan(reads: readonly PendingRead[], isListPaid?: boolean): ReadonlySet<PendingRead>;
}

/**
 * Whether the list of a team stands in for reads of its backfills. `resting`: the REST API has refused it, or it has
 * failed, lately. `unread`: nothing was worth reading it yet.
 */
export type ListStanding = 'usable' | 'resting' | 'unread';

/** @returns the team as the credential of the context sees it */
export type TeamOf = (context: ReadContext, teamId: ResourceId) => Team;

export interface TeamsDeps extends ListReaderDeps, StoreDeps, AheadDeps {
  readonly partitions: Partitions<Team>;
  readonly endpoint: Endpoint;
  /** `STALE_AFTER_MS`; 0 for never. */
  readonly staleAfterMs: number;
}

export function createTeams(deps: TeamsDeps): TeamOf {
  const { partitions } = deps;
  // The reads of an operation come together and mostly ask for one team. Where a 401 has dropped what is kept meanwhile,
  // the rest of them read past it, and nothing of theirs is kept.
  let last: { readonly context: ReadContext; readonly teamId: ResourceId; readonly team: Team } | undefined;

  return (context, teamId) => {
    if (last?.context === context && last.teamId === teamId) return last.team;
    const partition = partitions.of(context.caller.credential.id);
    const team = partition.team(teamId, () => {
      const store = createTeamStore(partitions, partition, teamId, deps);
      return createTeam(teamId, store, deps);
    });
    last = { context, teamId, team };
    return team;
  };
}

type TeamDeps = ListReaderDeps &
  AheadDeps & {
    readonly endpoint: Endpoint;
    readonly freshness: FreshnessOf;
    readonly staleAfterMs: number;
  };

function createTeam(teamId: ResourceId, store: TeamStore, deps: TeamDeps): Team {
  const { endpoint, clock, timeoutMs, staleAfterMs, group, peeks } = deps;
  const list = createListReader(teamId, store, deps);
  const planner = createListPlanner();
  const slowStart = createSlowStart(store.isProven, clock);
  const loads = createLoads<Known>(clock, staleAfterMs);
  const lists = createLoads<KnownList>(clock, staleAfterMs);
  const inBatch = createBatch(start);
  /** The read that renews the authority to show what is kept. */
  let renewal: { readonly read: PendingRead; readonly known: Promise<Known> } | undefined;

  function lifetimes({ caller }: ReadContext): Freshness {
    return deps.freshness(caller.credential.id);
  }

  /** The list, where it is as recent as the reader wants it. */
  function usableList(context: ReadContext): TeamList | undefined {
    const known = store.list();
    if (known === undefined || context.mode.kind === 'noCache') return undefined;
    return isListGoodEnough(known, context, clock.monotonic()) ? known : undefined;
  }

  function answerFromList({ context, resource }: PendingRead): Known | undefined {
    const usable = usableList(context);
    const known = usable && store.confirmByList(resource, usable);
    return known !== undefined && isGoodEnough(known, context, clock.monotonic()) ? known : undefined;
  }

  function newListMayAnswer({ context, resource, known }: PendingRead): boolean {
    if (context.mode.kind === 'noCache' || usableList(context) !== undefined) return false;
    return listMayAnswer(resource, known, momentOf(context, clock.monotonic()), lifetimes(context));
  }

  function plan(reads: readonly PendingRead[], isListPaid = list.isUnderWay): ReadonlySet<PendingRead> {
    if (list.isResting) return new Set();
    const candidates = reads.filter(newListMayAnswer);
    return isListPaid ? new Set(candidates) : planner.plan(candidates);
  }

  function remember(reads: readonly PendingRead[]): void {
    const [first] = reads;
    if (first !== undefined) planner.remember(reads, clock.monotonic(), lifetimes(first.context));
  }

  async function ask(read: PendingRead): Promise<Known> {
    const turn = slowStart.turn();
    if (turn !== undefined) await turn;
    let failure: unknown;
    try {
      return await endpoint.ask(store, read);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      slowStart.ended(isTrouble(failure));
    }
  }

  /** Starts the reads of one batch, in their order. What other replicas have read lately needs no call. */
  function start(reads: readonly PendingRead[]): Promise<Known>[] {
    if (group === undefined) return begin(reads);
    const all = peek(group, reads).then((found) => {
      const left = reads.filter((read) => !found.has(read));
      const begun = new Map(begin(left).map((known, n) => [left[n], known]));
      return reads.map((read) => ({ known: found.get(read) ?? begun.get(read) }));
    });
    return reads.map(async (_read, n) => {
      const known = await (await all)[n]?.known;
      if (known === undefined) throw new Error('every read of a batch is begun');
      return known;
    });
  }

  /** Takes over what the group has of them, in one round trip. */
  async function peek(
    { reads: groupReads }: Group,
    reads: readonly PendingRead[],
  ): Promise<ReadonlyMap<PendingRead, Known>> {
    const forList = list.isResting ? undefined : reads.find(newListMayAnswer);
    const peekedList = forList && groupReads.peek(peeks.ofList(store, teamId, forList.context));
    const peeked = reads.map((read) =>
      groupReads.peek(isToBeVerified(read) ? peeks.ofVerified(store, read) : peeks.ofRecord(store, read)),
    );
    const newList = await peekedList;
    if (newList !== undefined) keepListAnswer(store, newList);
    const found = new Map<PendingRead, Known>();
    const answers = await Promise.all(peeked);
    const taken = answers.map((answered, n) => {
      const read = reads[n];
      if (answered === undefined || read === undefined) return undefined;
      const known = keepAnswer(store, read.resource, answered);
      return peeks.ofRecord(store, read).suits(answered) ? known : undefined;
    });
    store.followList();
    for (const [n, read] of reads.entries()) {
      const kept = taken[n] ?? keptOrListed(read);
      if (kept !== undefined) {
        read.call ??= 'shared';
        found.set(read, kept);
      }
    }
    return found;
  }

  /** Whether the list can say nothing of it before its own endpoint, which another replica may have asked. */
  function isToBeVerified({ context, resource, known }: PendingRead): boolean {
    if (resource.kind !== 'latest' || context.mode.kind === 'noCache') return false;
    return known === undefined || isDue(resource, known, clock.monotonic(), lifetimes(context));
  }

  /** What a list that has just come says of it. */
  function keptOrListed(read: PendingRead): Known | undefined {
    Object.assign(read, lookUp(store, read.resource));
    const { known, context } = read;
    const isKept = known !== undefined && isGoodEnough(known, context, clock.monotonic());
    return isKept ? known : answerFromList(read);
  }

  function begin(reads: readonly PendingRead[]): Promise<Known>[] {
    remember(reads);
    const byList = plan(reads);
    const call = byList.size === 0 ? undefined : list.read([...byList]);
    return reads.map((read) => (call !== undefined && byList.has(read) ? readByList(read, call) : ask(read)));
  }

  async function readByList(read: PendingRead, list: ListCall): Promise<Known> {
    const { reading, isLate, calls } = list;
    read.calls?.follow(calls);
    const outcome = await Promise.race([reading.catch((error: unknown) => ({ error })), isLate]);
    if (list.isSent) read.call ??= 'list';
    if (outcome === 'late') return readBeside(read, reading);
    if (!('error' in outcome)) return answerIn(outcome, read.resource) ?? ask(read);
    if (failsEveryCall(outcome.error) || hasNoPlace(outcome.error)) throw outcome.error;
    return ask(read);
  }

  /** Reads by the list, which is late, and at the own endpoint. The first answer counts. */
  async function readBeside(read: PendingRead, reading: Promise<ListReading>): Promise<Known> {
    // Of an upstream that takes longer than what is left, what the list does not hold could never be read.
    read.deadline += timeoutMs * LATE_SHARE;
    const own = ask(read);
    const byList = reading.then((outcome) => answerIn(outcome, read.resource) ?? own);
    try {
      return await Promise.any([byList, own]);
    } catch {
      // Both have failed. The own endpoint's failure is about this resource.
      return own;
    }
  }

  function answerIn(
    { list: { readAt }, list: read, rows }: ListReading,
    resource: Resource,
  ): Known | undefined {
    const row = resource.kind === 'backfill' ? rows.get(resource.id) : undefined;
    if (row !== undefined) return row;
    const known = store.known(resource);
    return known !== undefined && known.confirmedAt >= readAt ? known : store.confirmByList(resource, read);
  }

  /**
   * Reads something kept that may not be shown any more before a read of the team is accepted. One such read goes ahead,
   * however few calls are left, and the others wait for it: most of them are fresh then.
   */
  async function renew(read: PendingRead): Promise<Known> {
    if (renewal === undefined) {
      read.hasStale = false;
      const known = inBatch(read).finally(() => (renewal = undefined));
      renewal = { read, known };
      return known;
    }
    remember([read]);
    const before = renewal;
    const outcome = await before.known.catch((error: unknown) => ({ error }));
    read.calls?.follow(before.read.calls);
    if (before.read.call !== undefined) read.call ??= 'shared';
    if ('error' in outcome && (failsEveryCall(outcome.error) || isTrouble(outcome.error)))
      throw outcome.error;
    Object.assign(read, lookUp(store, read.resource));
    const { known } = read;
    return known !== undefined && isGoodEnough(known, read.context, clock.monotonic()) ? known : load(read);
  }

  function load(read: PendingRead): Promise<Known> {
    const known = answerFromList(read);
    if (known === undefined) return mustRenew(read) ? renew(read) : inBatch(read);
    remember([read]);
    return Promise.resolve(known);
  }

  /** A 404 needs no authority but its own. */
  function mustRenew({ context: { mode }, known }: PendingRead): boolean {
    if (known === undefined || known.outcome instanceof UpstreamError || mode.kind === 'noCache')
      return false;
    // Until what is kept ends with the authority, this is held.
    return !store.hasAuthority(mode.kind === 'ahead' ? mode.until + 1 : undefined);
  }

  function share(resource: Resource, begin: () => PendingRead): Load<Known> {
    return loads.share(nameOf(resource), () => {
      const read = begin();
      return { known: load(read), hasCalled: () => read.call !== undefined, calls: read.calls };
    });
  }

  const reads: TeamReads = {
    store,
    readList: (context) =>
      list.isResting
        ? undefined
        : list.read([{ context, hasStale: true, call: undefined, calls: context.work?.calls() }]).reading,
    read(context, resource) {
      const deadline = clock.monotonic() + timeoutMs;
      const begin = (): PendingRead => pendingRead(store, context, resource, deadline, context.work?.calls());
      return share(resource, begin).known;
    },
  };
  const ahead = createAhead(teamId, reads, deps);

  return {
    store,
    answerFromList,
    knownList(context) {
      const known = store.knownList();
      return known && isListGoodEnough(known, context, clock.monotonic()) ? known : undefined;
    },
    get listStanding() {
      if (list.isResting) return 'resting';
      return store.list() === undefined ? 'unread' : 'usable';
    },
    plan,
    ahead,
    async hearNews(context, ids) {
      if (group === undefined) return;
      const newerThan = (moment = -Infinity): ReadContext => ({
        ...context,
        mode: { kind: 'poll', since: moment + 1 },
      });
      const heard = ids.map(async (id) => {
        const resource = { kind: 'backfill', teamId, id } as const;
        const asked = newerThan(store.known(resource)?.confirmedAt);
        const read = pendingRead(store, asked, resource, clock.monotonic());
        const answered = await group.reads.peek(peeks.ofRecord(store, read));
        if (answered !== undefined) keepAnswer(store, resource, answered);
      });
      const newList = await group.reads.peek(peeks.ofList(store, teamId, newerThan(store.list()?.readAt)));
      if (newList !== undefined) keepListAnswer(store, newList);
      await Promise.all(heard);
    },
    share,
    loadList(payer) {
      const call = list.read([payer]);
      payer.calls?.follow(call.calls);
      const begin = (): Begun<KnownList> => ({
        known: call.reading.then(
          ({ list: read, rows }) => store.knownList() ?? knownList(read, (id) => rows.get(id)?.outcome),
        ),
        hasCalled: () => call.isSent,
        calls: call.calls,
      });
      return lists.share('list', begin, call.beganAt);
    },
    forgetUnderWay(resources) {
      loads.forget(resources === 'all' ? 'all' : resources.map(nameOf));
      lists.forget('all');
      list.forgetUnderWay();
    },
  };
}

/** Whether every other call of the credential would fail too, so that none is worth making. */
function failsEveryCall(error: unknown): boolean {
  return !(error instanceof UpstreamError) || error.subject === 'credential' || error.subject === 'quota';
}

/** Whether it is the gateway that has no room for another call. */
function hasNoPlace(error: unknown): boolean {
  return error instanceof UpstreamError && error.kind === 'overloaded';
}

function isTrouble(error: unknown): boolean {
  return error instanceof UpstreamError && error.subject === 'upstream';
}
