import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Metrics } from '../../metrics.ts';
import type { TracedRead } from '../../tracing/waiting.ts';
import { type BackfillSnapshot, givenAt, type Known, type Resource } from '../cache/snapshots.ts';
import type { StaleValue } from '../cache/store.ts';
import { UpstreamError } from '../errors.ts';
import { callJoined, type Load } from './loads.ts';
import { createReadCounts } from './read-counts.ts';
import {
  type CallMade,
  isGoodEnough,
  type PendingRead,
  pendingRead,
  type ReadContext,
  sparing,
} from './read.ts';
import type { Team, TeamOf } from './teams.ts';

/** Reads of backfills. Both methods reject with an {@link UpstreamError} and nothing else. */
export interface Backfills {
  /** Rejects with `notFound` where the team has no such backfill. */
  backfill(context: ReadContext, teamId: ResourceId, backfillId: ResourceId): Promise<BackfillSnapshot>;
  /** Null where the transfer never had a backfill, or is not there or not the team's. */
  latestBackfill(
    context: ReadContext,
    teamId: ResourceId,
    transferId: ResourceId,
  ): Promise<BackfillSnapshot | null>;
  /**
   * The same without asking and without waiting: null where there is no latest backfill, undefined where it has to be asked
   * for, or the answer is a failure.
   */
  atHand(context: ReadContext, resource: Resource): BackfillSnapshot | null | undefined;
}

export interface BackfillsDeps {
  readonly teamOf: TeamOf;
  /** Whether a credential has so few calls left that it reads nothing known again. */
  readonly isSaving: (credentialId: string) => boolean;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** `UPSTREAM_TIMEOUT_MS`: the deadline of one read. */
  readonly timeoutMs: number;
}

/**
 * Answers each read in the first of three ways that is possible:
 *
 * 1. Fresh: the store has an entry whose freshness lifetime has not ended. Nothing is asked.
 * 2. Shared: a read of the same resource is in flight for the same credential and team, and its outcome serves both.
 *    Where none is, this read begins one: it becomes part of its team's batch (teams.ts), which asks the team's
 *    list or the resource's own endpoint, and the store keeps what they say.
 * 3. Stale: the REST API is in trouble or out of quota, or the read has been under way for `STALE_AFTER_MS`, and the last
 *    known value is not too old. It is marked so. The read goes on.
 *
 * A refusal (401, 403) or a 404 is never replaced by an older value. A reader that wants no cached value skips the first
 * way, and a poll takes it only for values as recent as its own moment.
 */
export function createBackfills({ teamOf, isSaving, clock, metrics, timeoutMs }: BackfillsDeps): Backfills {
  const counts = createReadCounts(metrics);

  async function read(asked: ReadContext, resource: Resource): Promise<Known['outcome']> {
    const context = sparing(asked, isSaving);
    const team = teamOf(context, resource.teamId);
    const kept = hit(team, context, resource);
    if (kept !== undefined) return kept.outcome;
    const traced = context.work?.beginRead();
    try {
      const outcome = await load(team, context, resource, traced);
      traced?.end();
      return outcome;
    } catch (error) {
      traced?.fail(error);
      throw error;
    }
  }

  /** What is known and good enough, which is then counted as read. @param isFit whether the outcome will do */
  function hit(
    team: Team,
    context: ReadContext,
    resource: Resource,
    isFit: (outcome: Known['outcome']) => boolean = () => true,
  ): Known | undefined {
    const kept = team.store.known(resource);
    if (kept === undefined || !isFit(kept.outcome)) return undefined;
    const now = clock.monotonic();
    if (!isGoodEnough(kept, context, now)) return undefined;
    counts.answered(context.cost, undefined, kept.freshUntil, now - givenAt(kept));
    team.ahead.asked(context, resource, kept, now);
    return kept;
  }

  /** What was not at hand, which is then counted as read. */
  async function load(
    team: Team,
    context: ReadContext,
    resource: Resource,
    traced: TracedRead | undefined,
  ): Promise<Known['outcome']> {
    const startedAt = clock.monotonic();
    let pending: PendingRead | undefined;
    const begin = (): PendingRead => {
      pending = pendingRead(team.store, context, resource, clock.monotonic() + timeoutMs, traced);
      return pending;
    };
    const join = (): Load<Known> => {
      const joined = team.share(resource, begin);
      traced?.follow(joined.calls);
      return joined;
    };
    let shared = join();
    const callMade = (): CallMade | undefined => (pending === undefined ? callJoined(shared) : pending.call);
    try {
      let known = await (mayBeStale(context, team, resource)
        ? Promise.race([shared.known, shared.isLate()])
        : shared.known);
      if (known === 'late') {
        const stale = team.store.staleValue(resource);
        if (stale !== undefined) return counted(context, stale, 'stale');
        known = await shared.known;
      }
      // It has joined a load that the team's list answered. That is not the word of the resource's own endpoint.
      if (context.mode.kind === 'noCache' && known.verifiedAt < startedAt) {
        shared = join();
        known = await shared.known;
      }
      return counted(context, known, callMade());
    } catch (error) {
      const stale = insteadOf(error, team, resource);
      if (stale !== undefined) return counted(context, stale, 'stale');
      counts.failed(callMade());
      throw error;
    }
  }

  /** @param by undefined where no call was made for it */
  function counted(
    { cost }: ReadContext,
    known: Known,
    by: CallMade | 'stale' | undefined,
  ): Known['outcome'] {
    counts.answered(cost, by, known.freshUntil, clock.monotonic() - givenAt(known));
    return known.outcome;
  }

  /** Whether a stale value is answered where the read takes long. Who asks for no cached value, or polls, waits. */
  function mayBeStale({ mode }: ReadContext, { store }: Team, resource: Resource): boolean {
    return mode.kind === 'fresh' && store.staleValue(resource) !== undefined;
  }

  /** The stale value, where the error is about the upstream or the quota and so says nothing about the resource. */
  function insteadOf(error: unknown, { store }: Team, resource: Resource): StaleValue | undefined {
    if (!(error instanceof UpstreamError)) return undefined;
    const saysNothing = error.subject === 'upstream' || error.subject === 'quota';
    return saysNothing ? store.staleValue(resource) : undefined;
  }

  return {
    ...fromOutcomes(read),
    atHand(asked, resource) {
      const context = sparing(asked, isSaving);
      const isLatest = resource.kind === 'latest';
      const isFit = (known: Known['outcome']): boolean => isLatest || !(known instanceof UpstreamError);
      const outcome = hit(teamOf(context, resource.teamId), context, resource, isFit)?.outcome;
      return outcome instanceof UpstreamError ? null : outcome;
    },
  };
}

/** Brings the outcome of a read to the form of each method. */
export function fromOutcomes(
  read: (context: ReadContext, resource: Resource) => Promise<Known['outcome']>,
): Omit<Backfills, 'atHand'> {
  return {
    async backfill(context, teamId, id) {
      const outcome = await read(context, { kind: 'backfill', teamId, id });
      if (outcome instanceof UpstreamError) throw outcome;
      return outcome;
    },

    async latestBackfill(context, teamId, id) {
      const outcome = await read(context, { kind: 'latest', teamId, id });
      return outcome instanceof UpstreamError ? null : outcome;
    },
  };
}
