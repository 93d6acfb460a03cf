import type { ResourceId } from '../../ids.ts';
import type { UpstreamError } from '../errors.ts';
import type { BackfillRecord } from '../rest/records.ts';
import type { CacheEntry } from './read-cache.ts';

/** A backfill as the REST API gave it, with the team it was read for and the moment at which it was given. */
export interface BackfillSnapshot {
  readonly teamId: ResourceId;
  readonly id: ResourceId;
  readonly record: BackfillRecord;
  /** RFC 3339 in UTC. */
  readonly fetchedAt: string;
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

/** What is known of a resource. "There is none" is an outcome like any other, kept as the 404 in which it came. */
export interface Known {
  readonly outcome: BackfillSnapshot | UpstreamError;
  /** When the resource's own endpoint last said so; monotonic milliseconds. */
  readonly verifiedAt: number;
}

export type Entry = CacheEntry<Known>;

/** The time of creation has whole seconds. Of two backfills of one second the one with the greater id is the newer. */
export function isNewer({ record: a }: BackfillSnapshot, { record: b }: BackfillSnapshot): boolean {
  const seconds = Date.parse(a.created_time) - Date.parse(b.created_time);
  if (seconds !== 0) return seconds > 0;
  return BigInt(a.transfer_backfill_id) > BigInt(b.transfer_backfill_id);
}

/** Number of runs that have ended, failed ones included. */
export function runsDone({ transfer_runs_completed, transfer_runs_failed }: BackfillRecord): number {
  return transfer_runs_completed + transfer_runs_failed;
}
