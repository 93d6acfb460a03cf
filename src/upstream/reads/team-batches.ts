import DataLoader from 'dataloader';
import { LRUCache } from 'lru-cache';
import type { Freshness } from '../cache/freshness.ts';
import { teamKey } from '../cache/keys.ts';
import type { Entry } from '../cache/snapshots.ts';
import { UpstreamError } from '../errors.ts';
import type { Endpoint } from './endpoint.ts';
import { createListPlanner, type ListPlanner } from './list-planner.ts';
import { createListReader, type ListReader, type ListReaderDeps } from './list-reader.ts';
import { type PendingRead, partitionOf, type ReadContext, type ReadMode } from './read.ts';
import { answerFrom, listMayAnswer, type TeamList } from './team-list.ts';

/**
 * Reads what no fresh cache entry answers, team by team. All reads of a team that come in one turn of the event loop,
 * from whatever operations, are one batch. Where two or more resources might be answered by the team's list, now or
 * lately, the list is read once for all of them. Only what the list does not answer is asked at its own endpoint.
 */
export interface TeamBatches {
  /** Each read settles by itself. Rejects with an {@link UpstreamError}. */
  load(read: PendingRead): Promise<Entry>;
  /** What the list at hand says of the resource, where it is as recent as the reader wants it. */
  answerFromList(read: PendingRead): Entry | undefined;
  /** Those of these reads of one team that reading its list now would be worth. */
  plan(reads: readonly PendingRead[]): ReadonlySet<PendingRead>;
}

export interface TeamBatchesDeps extends ListReaderDeps {
  readonly endpoint: Endpoint;
  /** The most rows of lists kept, over all teams. */
  readonly maxRows: number;
}

/** A team as one credential sees it. */
interface Team {
  readonly key: string;
  readonly list: ListReader;
  readonly planner: ListPlanner;
  /** Each key is a promise of its own, so that one read need not wait for the slowest of its batch. */
  readonly batch: DataLoader<PendingRead, Promise<Entry>>;
}

export function createTeamBatches(deps: TeamBatchesDeps): TeamBatches {
  const { endpoint, clock } = deps;
  const teams = new LRUCache<string, Team>({
    maxSize: deps.maxRows,
    sizeCalculation: ({ list: { list } }) => 1 + (list?.rows.size ?? 0),
  });

  function teamOf({ context, resource: { teamId } }: PendingRead): Team {
    const key = teamKey(partitionOf(context), teamId);
    const known = teams.get(key);
    if (known !== undefined) return known;
    const team: Team = {
      key,
      list: createListReader(teamId, deps),
      planner: createListPlanner(),
      batch: new DataLoader((reads) => Promise.resolve(start(team, reads)), {
        cache: false,
        batchScheduleFn: (dispatch) => setImmediate(dispatch),
      }),
    };
    teams.set(key, team);
    return team;
  }

  function freshnessOf(context: ReadContext): Freshness {
    return deps.freshness(partitionOf(context));
  }

  /** The team's list, where it is as recent as the reader wants it. */
  function usableList({ mode }: ReadContext, { list: { list } }: Team): TeamList | undefined {
    return list !== undefined && isRecent(list, mode, clock.monotonic()) ? list : undefined;
  }

  function answer(list: TeamList, { context, resource, known }: PendingRead): Entry | undefined {
    return answerFrom(list, resource, known, clock.monotonic(), freshnessOf(context));
  }

  function answerFromUsableList(team: Team, read: PendingRead): Entry | undefined {
    const list = usableList(read.context, team);
    return list && answer(list, read);
  }

  function newListMayAnswer(team: Team, { context, resource, known }: PendingRead): boolean {
    if (context.mode.kind === 'noCache' || usableList(context, team) !== undefined) return false;
    return listMayAnswer(resource, known, clock.monotonic(), freshnessOf(context));
  }

  function plan(team: Team, reads: readonly PendingRead[]): ReadonlySet<PendingRead> {
    if (team.list.isResting) return new Set();
    return team.planner.plan(reads.filter((read) => newListMayAnswer(team, read)));
  }

  /** Starts the reads of one batch, in their order. */
  function start(team: Team, reads: readonly PendingRead[]): Promise<Entry>[] {
    team.planner.remember(reads, clock.monotonic(), deps.freshness);
    const byList = plan(team, reads);
    const list = byList.size === 0 ? undefined : readList(team, byList);
    return reads.map((read) =>
      list !== undefined && byList.has(read) ? readByList(team, read, list) : readAlone(team, read),
    );
  }

  async function readList(team: Team, reads: ReadonlySet<PendingRead>): Promise<TeamList> {
    const list = await team.list.read([...reads]);
    // Setting the team again has its size calculated anew.
    teams.set(team.key, team);
    return list;
  }

  async function readByList(team: Team, read: PendingRead, list: Promise<TeamList>): Promise<Entry> {
    const outcome = await list.catch((error: unknown) => ({ error }));
    if (!('error' in outcome)) return answer(outcome, read) ?? readAlone(team, read);
    if (failsEveryCall(outcome.error)) throw outcome.error;
    return readAlone(team, read);
  }

  async function readAlone(team: Team, read: PendingRead): Promise<Entry> {
    try {
      return await endpoint.ask(read);
    } catch (error) {
      const isRefused = error instanceof UpstreamError && error.kind === 'forbidden';
      if (isRefused && read.resource.kind === 'backfill') team.list.forget(read.resource.id);
      throw error;
    }
  }

  return {
    async load(read) {
      const team = teamOf(read);
      const entry = answerFromUsableList(team, read);
      if (entry === undefined) return team.batch.load(read);
      team.planner.remember([read], clock.monotonic(), deps.freshness);
      return entry;
    },
    answerFromList: (read) => answerFromUsableList(teamOf(read), read),
    plan(reads) {
      const [first] = reads;
      return first === undefined ? new Set() : plan(teamOf(first), reads);
    },
  };
}

/** Whether every other call of the credential would fail too, so that none is worth making. */
function failsEveryCall(error: unknown): boolean {
  return !(error instanceof UpstreamError) || error.subject === 'credential' || error.subject === 'quota';
}

/** A fresh list will do, and for a poll one that was read since its moment. Without cache none will. */
function isRecent({ readAt, freshUntil }: TeamList, mode: ReadMode, now: number): boolean {
  switch (mode.kind) {
    case 'fresh':
      return now <= freshUntil;
    case 'poll':
      return readAt >= mode.since;
    case 'noCache':
      return false;
  }
}
