import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Metrics } from '../../metrics.ts';
import type { KnownList, ListSnapshot } from '../cache/team-list.ts';
import { UpstreamError } from '../errors.ts';
import { type Payer, type ReadContext, sparing } from './read.ts';
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

  async function read(team: Team, payer: Payer): Promise<KnownList | 'stale'> {
    const { mode, cost } = payer.context;
    const startedAt = clock.monotonic();
    cost.assertMayCall();
    const shared = team.loadList(payer);
    // Who asks for no cached value, or polls, waits.
    const mayBeStale = mode.kind === 'fresh' && payer.hasStale;
    const known = await (mayBeStale ? Promise.race([shared.known, shared.isLate()]) : shared.known);
    if (known === 'late') return 'stale';
    // It may have joined a reading from before it asked.
    return mode.kind === 'noCache' && known.sentAt < startedAt ? team.loadList(payer).known : known;
  }

  return async (asked, teamId) => {
    const context = sparing(asked, isSaving);
    const team = teamOf(context, teamId);

    function answer(known: KnownList, from: 'call' | 'cache' | 'stale'): ListSnapshot {
      metrics.recordCacheRead(RESULTS[from]);
      context.cost.countRead(known.freshUntil, from);
      return known.snapshot;
    }

    const known = team.knownList(context);
    if (known !== undefined) {
      team.ahead.askedForList(context, known, clock.monotonic());
      return answer(known, 'cache');
    }
    const hasStale = team.store.staleList() !== undefined;
    const traced = context.work?.beginRead();
    const payer: Payer = { context, hasStale, charged: false, wantsList: true, calls: traced };
    try {
      const list = await load(team, payer, answer);
      traced?.end();
      return list;
    } catch (error) {
      traced?.fail(error);
      throw error;
    }
  };

  /** @param answer takes note of where the list came from */
  async function load(
    team: Team,
    payer: Payer,
    answer: (known: KnownList, from: 'call' | 'cache' | 'stale') => ListSnapshot,
  ): Promise<ListSnapshot> {
    const outcome = await read(team, payer).catch((error: unknown) => {
      if (!saysNothing(error)) throw error;
      return { error };
    });
    if (outcome !== 'stale' && !('error' in outcome))
      return answer(outcome, payer.charged ? 'call' : 'cache');
    const stale = team.store.staleList();
    if (stale !== undefined) return answer(stale, 'stale');
    if (outcome === 'stale') return answer(await team.loadList(payer).known, 'cache');
    throw outcome.error;
  }
}

const RESULTS = { call: 'miss', cache: 'hit', stale: 'stale' } as const;

/** Whether the error is about the upstream or the quota, and so says nothing about the list. */
function saysNothing(error: unknown): boolean {
  return error instanceof UpstreamError && (error.subject === 'upstream' || error.subject === 'quota');
}
