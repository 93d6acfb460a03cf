import type { ResourceId } from '../../ids.ts';
import { UpstreamError } from '../errors.ts';
import type { BackfillRecord } from '../rest/records.ts';
import { factsOf } from '../rest/statuses.ts';
import type { Interest } from './interest.ts';

/** A backfill as the REST API gave it, with the team it was read for and the moment at which it was given. */
export interface BackfillSnapshot {
  readonly teamId: ResourceId;
  readonly id: ResourceId;
  readonly record: BackfillRecord;
  /** RFC 3339 in UTC. */
  readonly fetchedAt: string;
  /** The same moment in monotonic milliseconds. */
  readonly givenAt: number;
  /** When as many runs as now were first seen done, in milliseconds since the epoch. */
  readonly progressedAt: number;
  /** Whether the REST API did not answer when it should have been asked again. */
  readonly isStale: boolean;
}

/** Something that can be read: a backfill by its id, or the latest backfill of a transfer. */
export interface Resource {
  readonly kind: 'backfill' | 'latest';
  readonly teamId: ResourceId;
  /** Id of the backfill or of the transfer. */
  readonly id: ResourceId;
}

/** What is known of a resource, fresh or not. The moments are those of {@link Moments}. */
export interface Known extends Moments {
  /** "There is none" is an outcome like any other, kept as the 404 in which it came. */
  readonly outcome: BackfillSnapshot | UpstreamError;
}

/** Moments in monotonic milliseconds. */
export interface Moments {
  /**
   * When the resource's own endpoint last said so, or the team's list for a backfill in it. The list may confirm a
   * value only until the final lifetime after this moment.
   */
  readonly verifiedAt: number;
  /** When the own endpoint or the team's list last vouched for it. `CACHE_STALE_MS` counts from here. */
  readonly confirmedAt: number;
  /** The end of the freshness lifetime. Until then the value is given out without asking. */
  readonly freshUntil: number;
  /** Whether a write may have changed it since it was asked for, so that it has to be asked for again. */
  readonly isDoubted?: boolean;
  /** Who asks for what is fresh until then. */
  readonly interest: Interest;
}

/** When the REST API said so, in monotonic milliseconds. */
export function givenAt({ outcome, verifiedAt }: Pick<Known, 'outcome' | 'verifiedAt'>): number {
  return outcome instanceof UpstreamError ? verifiedAt : outcome.givenAt;
}

/** The time of creation has whole seconds. Of two backfills of one second the one with the greater id is the newer. */
export function isNewer({ record: a }: BackfillSnapshot, { record: b }: BackfillSnapshot): boolean {
  const seconds = Date.parse(a.created_time) - Date.parse(b.created_time);
  if (seconds !== 0) return seconds > 0;
  return BigInt(a.transfer_backfill_id) > BigInt(b.transfer_backfill_id);
}

/**
 * Whether the first is a later state of the same backfill than the second, by what the states themselves say. They say
 * nothing where this gateway does not know a status.
 */
export function isFurtherOn({ record: a }: BackfillSnapshot, { record: b }: BackfillSnapshot): boolean {
  const [rankA, rankB] = [factsOf(a.status)?.rank, factsOf(b.status)?.rank];
  if (rankA === undefined || rankB === undefined) return false;
  return rankA === rankB ? runsDone(a) > runsDone(b) : rankA > rankB;
}

/** Number of runs that have ended, failed ones included. */
export function runsDone({ transfer_runs_completed, transfer_runs_failed }: BackfillRecord): number {
  return transfer_runs_completed + transfer_runs_failed;
}
