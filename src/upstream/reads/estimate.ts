import DataLoader from 'dataloader';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import { resourceKey, teamKey } from '../cache/keys.ts';
import type { BackfillSnapshot, Known, Resource } from '../cache/snapshots.ts';
import type { Store } from '../cache/store.ts';
import { type Backfills, fromOutcomes } from './backfills.ts';
import { isKnown } from './list-planner.ts';
import type { OperationCost } from './operation-cost.ts';
import { type PendingRead, partitionOf, pendingRead } from './read.ts';
import type { TeamBatches } from './team-batches.ts';

export interface EstimateDeps {
  readonly store: Store;
  readonly batches: Pick<TeamBatches, 'answerFromList' | 'plan'>;
  readonly clock: Clock;
}

/**
 * The dry run of {@link Backfills}, for `X-Explain-Cost: estimate`. It makes no call. Each operation's cost counts the
 * calls that the real reads would make at most, and its resolvers go on with what is known of a resource, however old,
 * or with a placeholder.
 */
export function createEstimate({ store, batches, clock }: EstimateDeps): Backfills {
  // The reads of one turn of the event loop are counted together, since the real ones would be one batch.
  const batch = new DataLoader<PendingRead, Known['outcome']>((reads) => Promise.resolve(countCalls(reads)), {
    cache: false,
    batchScheduleFn: (dispatch) => setImmediate(dispatch),
  });

  function countCalls(reads: readonly PendingRead[]): Known['outcome'][] {
    for (const [cost, teams] of byOperationAndTeam(reads)) {
      for (const team of teams.values()) {
        const byList = batches.plan(team);
        // The list may say nothing of resources that are not known yet.
        const unsure = [...byList].filter((read) => !isKnown(read)).length;
        const calls = team.length - byList.size + unsure + Math.min(1, byList.size);
        cost.calls += calls;
        cost.cacheHits += Math.max(0, team.length - calls);
      }
    }
    return reads.map(({ known, resource }) => known?.value.outcome ?? placeholderFor(resource));
  }

  return fromOutcomes(async (context, resource) => {
    const key = resourceKey(partitionOf(context), resource);
    const read = pendingRead(store, context, resource, key, Infinity);
    const { known } = read;
    const entry =
      known !== undefined && known.freshUntil >= clock.monotonic() ? known : batches.answerFromList(read);
    if (entry === undefined) return batch.load(read);
    context.cost.cacheHits++;
    return entry.value.outcome;
  });
}

/** Groups reads by the operation that pays for them, and those by team. */
function byOperationAndTeam(
  reads: readonly PendingRead[],
): ReadonlyMap<OperationCost, ReadonlyMap<string, readonly PendingRead[]>> {
  const operations = new Map<OperationCost, Map<string, PendingRead[]>>();
  for (const read of reads) {
    const { context, resource } = read;
    const teams = operations.get(context.cost) ?? new Map<string, PendingRead[]>();
    const key = teamKey(partitionOf(context), resource.teamId);
    operations.set(context.cost, teams.set(key, [...(teams.get(key) ?? []), read]));
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
