import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Metrics } from '../../metrics.ts';
import type { KnownList, ListSnapshot } from '../cache/team-list.ts';
import { UpstreamError } from '../errors.ts';
import { callJoined, type Load } from './loads.ts';
import { createReadCounts } from './read-counts.ts';
import { type CallMade, type Payer, type ReadContext, sparing } from './read.ts';
import type { Team, TeamOf } from './teams.ts';

/** Reads the list of a team's incomplete backfills. Rejects with an {@link UpstreamError} and nothing else. */
export type ReadIncompleteBackfills = (context: ReadContext, teamId: ResourceId) => Promise<ListSnapshot>;

export interface IncompleteBackfillsDeps {
  readonly teamOf: TeamOf;
  /** Whether a credential has so few calls left that it reads nothing known again. */
  readonly isSaving: (credentialId: string) => boolean;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/**
 * Answers in the same three ways as backfills.ts: fresh, by a reading that is shared with all else that the list serves,
 * or stale. But nothing can stand in for the list. Where it is refused or fails, so does the read, and the list does not
 * rest for it.
 */
export function createIncompleteBackfills(deps: IncompleteBackfillsDeps): ReadIncompleteBackfills {
  const { teamOf, isSaving, clock, metrics } = deps;
  const counts = createReadCounts(metrics);

  /** @param join begins to read the list, or joins whoever reads it */
  async function read(
    { context, hasStale }: Payer,
    join: () => Load<KnownList>,
  ): Promise<KnownList | 'late'> {
    const { mode, cost } = context;
    const startedAt = clock.monotonic();
    cost.assertMayCall();
    const load = join();
    // Who asks for no cached value, or polls, waits.
    const mayBeStale = mode.kind === 'fresh' && hasStale;
    const known = await (mayBeStale ? Promise.race([load.known, load.isLate()]) : load.known);
    if (known === 'late') return known;
    // It may have joined a reading from before it asked.
    return mode.kind === 'noCache' && known.sentAt < startedAt ? join().known : known;
  }

  function answer({ cost }: ReadContext, known: KnownList, by: CallMade | 'stale' | undefined): ListSnapshot {
    counts.answered(cost, by, known.freshUntil, clock.monotonic() - known.readAt);
    return known.snapshot;
  }

  /** What was not at hand, which is then counted as read. */
  async function load(team: Team, payer: Payer): Promise<ListSnapshot> {
    const { context } = payer;
    let joined: Load<KnownList> | undefined;
    const join = (): Load<KnownList> => (joined = team.loadList(payer));
    const callMade = (): CallMade | undefined => payer.call ?? (joined && callJoined(joined));
    try {
      const outcome = await read(payer, join);
      if (outcome !== 'late') return answer(context, outcome, callMade());
      const stale = team.store.staleList();
      return stale === undefined
        ? answer(context, await join().known, callMade())
        : answer(context, stale, 'stale');
    } catch (error) {
      const stale = saysNothing(error) ? team.store.staleList() : undefined;
      if (stale !== undefined) return answer(context, stale, 'stale');
      counts.failed(callMade());
      throw error;
    }
  }

  return async (asked, teamId) => {
    const context = sparing(asked, isSaving);
    const team = teamOf(context, teamId);
    const known = team.knownList(context);
    if (known !== undefined) {
      team.ahead.askedForList(context, known, clock.monotonic());
      return answer(context, known, undefined);
    }
    const hasStale = team.store.staleList() !== undefined;
    const traced = context.work?.beginRead();
    try {
      const list = await load(team, { context, hasStale, call: undefined, wantsList: true, calls: traced });
      traced?.end();
      return list;
    } catch (error) {
      traced?.fail(error);
      throw error;
    }
  };
}

/** Whether the error is about the upstream or the quota, and so says nothing about the list. */
function saysNothing(error: unknown): boolean {
  return error instanceof UpstreamError && (error.subject === 'upstream' || error.subject === 'quota');
}
