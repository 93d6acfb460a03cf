import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { BackfillSnapshot, Known, Resource } from '../cache/snapshots.ts';
import type { ListSnapshot } from '../cache/team-list.ts';
import { type Backfills, fromOutcomes } from './backfills.ts';
import { createBatch } from './batch.ts';
import type { ReadIncompleteBackfills } from './incomplete-backfills.ts';
import { isKnown } from './list-planner.ts';
import type { OperationCost } from './operation-cost.ts';
import { isGoodEnough, type PendingRead, pendingRead } from './read.ts';
import type { Team, TeamOf } from './teams.ts';

export interface EstimateDeps {
  readonly teamOf: TeamOf;
  readonly clock: Clock;
}

/**
 * The dry run of reads, for `X-Explain-Cost: estimate`. It makes no call. Each operation's cost counts the calls that the
 * real reads would make at most, and its resolvers go on with what is known of a resource, however old, or with a
 * placeholder.
 */
export function createEstimate({ teamOf, clock }: EstimateDeps): {
  readonly backfills: Backfills;
  readonly incompleteBackfills: ReadIncompleteBackfills;
} {
  /** The teams whose list an operation would read for its own sake. */
  const listed = new WeakMap<OperationCost, Set<Team>>();
  // The reads of one turn of the event loop are counted together, since the real ones would be one batch.
  const inBatch = createBatch(countCalls);

  function countCalls(reads: readonly PendingRead[]): Known['outcome'][] {
    for (const [cost, teams] of byOperationAndTeam(reads, teamOf)) {
      for (const [team, ofTeam] of teams) {
        const isListPaid = listed.get(cost)?.has(team) ?? false;
        const byList = team.plan(ofTeam, isListPaid);
        // The list may say nothing of resources that are not known yet.
        const unsure = [...byList].filter((read) => !isKnown(read)).length;
        const calls = ofTeam.length - byList.size + unsure + (isListPaid ? 0 : Math.min(1, byList.size));
        cost.calls += calls;
        cost.cacheHits += Math.max(0, ofTeam.length - calls);
      }
    }
    return reads.map(({ known, resource }) => known?.outcome ?? placeholderFor(resource));
  }

  const backfills = fromOutcomes((context, resource) => {
    const team = teamOf(context, resource.teamId);
    const read = pendingRead(team.store, context, resource, Infinity);
    const { known } = read;
    const isFresh = known !== undefined && isGoodEnough(known, context, clock.monotonic());
    const answer = isFresh ? known : team.answerFromList(read);
    if (answer === undefined) return inBatch(read);
    context.cost.cacheHits++;
    return Promise.resolve(answer.outcome);
  });

  return {
    // Nothing is counted as it is read, so that nothing is at hand.
    backfills: { ...backfills, atHand: () => undefined },
    incompleteBackfills(context, teamId) {
      const { cost } = context;
      const team = teamOf(context, teamId);
      const known = team.knownList(context);
      if (known === undefined) {
        cost.calls++;
        listed.set(cost, (listed.get(cost) ?? new Set()).add(team));
      } else cost.cacheHits++;
      return Promise.resolve((known ?? team.store.staleList())?.snapshot ?? NO_LIST);
    },
  };
}

/** Stands for a list of which nothing is known. */
const NO_LIST: ListSnapshot = {
  items: [],
  isPartial: true,
  fetchedAt: '1970-01-01T00:00:00Z',
  isStale: false,
};

/** Groups reads by the operation that pays for them, and those by team. */
function byOperationAndTeam(
  reads: readonly PendingRead[],
  teamOf: TeamOf,
): ReadonlyMap<OperationCost, ReadonlyMap<Team, readonly PendingRead[]>> {
  const operations = new Map<OperationCost, Map<Team, PendingRead[]>>();
  for (const read of reads) {
    const { context, resource } = read;
    const teams = operations.get(context.cost) ?? new Map<Team, PendingRead[]>();
    const team = teamOf(context, resource.teamId);
    operations.set(context.cost, teams.set(team, [...(teams.get(team) ?? []), read]));
  }
  return operations;
}

/**
 * Stands for a backfill of which nothing is known. Its ids are of its own making, so that whatever is read by them is
 * unknown too and is taken for nothing else.
 */
export function placeholderFor({ kind, teamId, id }: Resource): BackfillSnapshot {
  const unknown = `unknown ${kind} ${id}` as ResourceId;
  return {
    teamId,
    id: unknown,
    fetchedAt: '1970-01-01T00:00:00Z',
    givenAt: 0,
    progressedAt: 0,
    isStale: false,
    record: {
      transfer_backfill_id: unknown,
      transfer_id: kind === 'latest' ? id : unknown,
      range_start_date: '1970-01-01',
      range_end_date: '1970-01-01',
      created_time: '1970-01-01T00:00:00Z',
      created_user_id: unknown,
      removed_time: null,
      removed_user_id: null,
      start_time: null,
      end_time: null,
      status: 'UNKNOWN',
      transfer_runs_total: 0,
      transfer_runs_created: 0,
      transfer_runs_completed: 0,
      transfer_runs_failed: 0,
      error_report: [],
    },
  };
}
