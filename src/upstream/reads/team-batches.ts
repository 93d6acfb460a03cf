import { LRUCache } from 'lru-cache';
import type { ResourceId } from '../../ids.ts';
import { UpstreamError, type UpstreamErrorKind } from '../errors.ts';
import { createListPlanner, type ListPlanner, isKnown, type ReadPlan } from './list-planner.ts';
import { createListReader, type ListReader, type ListReaderDeps } from './list-reader.ts';
import type { CallReason } from '../quota/demand.ts';
import type { Freshness } from '../cache/freshness.ts';
import type { PendingRead, ReadContext } from './read.ts';
import type { Entry } from '../cache/snapshots.ts';
import { isDue, answerFrom, listMayAnswer, type TeamList } from './team-list.ts';

export interface TeamBatches {
  /** Rejects with an {@link UpstreamError}. */
  load(read: PendingRead): Promise<Entry>;
  /**
   * Has the tally of the read's operation count the calls that {@link load} would make at most, and makes none.
   * @returns what is known of the resource, however old
   */
  estimate(read: PendingRead): Promise<Entry | undefined>;
  /** After a refusal: what was told of this backfill before it does not count any more. */
  forget(reader: ReadContext, teamId: ResourceId, backfillId: ResourceId): void;
}

export interface TeamBatchesDeps extends ListReaderDeps {
  /** Most rows of feeds kept, of all teams together. */
  readonly maxRows: number;
}

/** A team as one credential sees it, and what this turn of the event loop asks for of it. */
interface Team {
  readonly key: string;
  readonly feeds: ListReader;
  readonly demand: ListPlanner;
  queue: Queued[];
  estimates: Estimate[];
}

interface Queued {
  readonly read: PendingRead;
  readonly deadline: number;
  readonly resolve: (kept: Entry) => void;
  readonly reject: (reason: unknown) => void;
}

interface Estimate {
  readonly read: PendingRead;
  readonly resolve: (kept: Entry | undefined) => void;
}

/** Failures that every other call of the credential would meet with too. */
const HOLDS_FOR_ALL: ReadonlySet<UpstreamErrorKind> = new Set([
  'unauthenticated',
  'rateLimited',
  'quotaExceeded',
]);

/**
 * Decides how what the cache lacks is read. What one turn of the event loop asks for of a team is looked at together:
 * where two or more resources might be told by the team's feed, now or as lately asked for, the feed is read once for
 * all, and only what it does not tell is asked at its own endpoint.
 */
export function createTeamBatches(deps: TeamBatchesDeps): TeamBatches {
  const { admit, timeoutMs, clock } = deps;
  const teams = new LRUCache<string, Team>({
    maxSize: deps.maxRows,
    sizeCalculation: ({ feeds }) => 1 + (feeds.feed?.rows.size ?? 0),
  });

  function teamOf({ caller }: ReadContext, id: ResourceId): Team {
    const key = teamKey(caller.credential.partition, id);
    const known = teams.get(key);
    if (known !== undefined) return known;
    const feeds = createListReader(id, deps);
    const team: Team = { key, feeds, demand: createListPlanner(), queue: [], estimates: [] };
    teams.set(key, team);
    return team;
  }

  function lifetimesOf({ caller }: ReadContext): Freshness {
    return deps.lifetimes(caller.credential.partition);
  }

  /** The feed at hand, if it is as new as the reader wants it. */
  function feedFor({ mode }: ReadContext, { feeds: { feed } }: Team): TeamList | undefined {
    if (feed === undefined || mode.kind === 'refresh') return undefined;
    const willDo = mode.kind === 'poll' ? feed.readAt >= mode.since : clock.monotonic() <= feed.freshUntil;
    return willDo ? feed : undefined;
  }

  function told(team: Team, { reader, resource, last }: PendingRead): Entry | undefined {
    const feed = feedFor(reader, team);
    return feed && answerFrom(feed, resource, last, clock.monotonic(), lifetimesOf(reader));
  }

  /** Whether another feed might tell more than the one at hand. */
  function mayBeTold(team: Team, { reader, resource, last }: PendingRead): boolean {
    if (reader.mode.kind === 'refresh' || feedFor(reader, team) !== undefined) return false;
    return listMayAnswer(resource, last, clock.monotonic(), lifetimesOf(reader));
  }

  function note({ demand }: Team, reads: readonly PendingRead[]): void {
    const [first] = reads;
    if (first === undefined) return;
    const now = clock.monotonic();
    const lifetimes = lifetimesOf(first.reader);
    demand.note(
      reads.filter(({ resource, last }) => listMayAnswer(resource, last, now, lifetimes)),
      now,
      2 * lifetimes.changingMs,
    );
  }

  function plan(team: Team, reads: readonly PendingRead[]): ReadPlan {
    if (team.feeds.rests) return { byFeed: [], alone: reads };
    return team.demand.plan(reads, (read) => mayBeTold(team, read));
  }

  function flush(team: Team): void {
    const entries = new Map(team.queue.map((entry) => [entry.read, entry]));
    team.queue = [];
    const reads = [...entries.keys()];
    note(team, reads);
    const { byFeed, alone } = plan(team, reads);
    const entriesOf = (some: readonly PendingRead[]): Queued[] =>
      some.flatMap((read) => entries.get(read) ?? []);
    entriesOf(alone).forEach(askAlone);
    if (byFeed.length > 0) void askFeed(team, byFeed, entriesOf(byFeed));
  }

  async function askFeed(
    team: Team,
    reads: readonly PendingRead[],
    entries: readonly Queued[],
  ): Promise<void> {
    const outcome = await team.feeds.read(reads).catch((error: unknown) => ({ error }));
    if ('error' in outcome) {
      const { error } = outcome;
      const isForAll = !(error instanceof UpstreamError) || HOLDS_FOR_ALL.has(error.kind);
      for (const entry of entries) {
        if (isForAll) entry.reject(error);
        else askAlone(entry);
      }
      return;
    }
    // Set again, because its size is another.
    teams.set(team.key, team);
    for (const entry of entries) {
      const { reader, resource, last } = entry.read;
      const kept = answerFrom(outcome, resource, last, clock.monotonic(), lifetimesOf(reader));
      if (kept === undefined) askAlone(entry);
      else entry.resolve(kept);
    }
  }

  function askAlone({ read, deadline, resolve, reject }: Queued): void {
    const leftMs = Math.max(1, deadline - clock.monotonic());
    admit(read.reader, reasonOf(read), read.hasReserve, () => {
      read.pay('own');
      return read.ask(leftMs);
    }).then(resolve, reject);
  }

  function reasonOf({ reader, resource, last }: PendingRead): CallReason {
    if (last === undefined) return 'cold';
    return isDue(resource, last, clock.monotonic(), lifetimesOf(reader)) ? 'verify' : 'recheck';
  }

  function flushEstimates(team: Team): void {
    const estimates = team.estimates;
    team.estimates = [];
    const reads = estimates.map(({ read }) => read);
    for (const tally of new Set(reads.map(({ reader }) => reader.cost))) {
      const own = reads.filter(({ reader }) => reader.cost === tally);
      const { byFeed, alone } = plan(team, own);
      // Of what is not known yet the feed may tell nothing.
      const unsure = byFeed.filter((read) => !isKnown(read)).length;
      const calls = alone.length + unsure + Math.min(1, byFeed.length);
      tally.calls += calls;
      tally.cacheHits += Math.max(0, own.length - calls);
    }
    for (const { read, resolve } of estimates) resolve(read.last);
  }

  return {
    async load(read) {
      const team = teamOf(read.reader, read.resource.teamId);
      const kept = told(team, read);
      if (kept !== undefined) {
        note(team, [read]);
        return kept;
      }
      return new Promise((resolve, reject) => {
        team.queue.push({ read, deadline: clock.monotonic() + timeoutMs, resolve, reject });
        if (team.queue.length === 1) setImmediate(flush, team);
      });
    },

    async estimate(read) {
      const team = teamOf(read.reader, read.resource.teamId);
      const kept = told(team, read);
      if (kept !== undefined) {
        read.reader.cost.cacheHits++;
        return kept;
      }
      return new Promise((resolve) => {
        team.estimates.push({ read, resolve });
        if (team.estimates.length === 1) setImmediate(flushEstimates, team);
      });
    },

    forget(reader, teamId, backfillId) {
      teamOf(reader, teamId).feeds.forget(backfillId);
    },
  };
}

// Of a partition and ids only digits and the partition's own alphabet can occur, so no two teams share a key.
function teamKey(partition: string, teamId: ResourceId): string {
  return `${partition}/${teamId}`;
}
