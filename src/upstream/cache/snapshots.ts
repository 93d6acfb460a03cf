import type { CacheEntry } from './read-cache.ts';
import type { ResourceId } from '../../ids.ts';
import type { UpstreamError } from '../errors.ts';
import type { BackfillRecord } from '../rest/records.ts';

/** A backfill as the REST API gave it, with the team it was read for and the moment it was given. */
export interface BackfillSnapshot {
  readonly teamId: ResourceId;
  readonly id: ResourceId;
  readonly record: BackfillRecord;
  /** RFC 3339 in UTC. */
  readonly fetchedAt: string;
  /** When as many runs as now were first seen done, in milliseconds since the epoch. */
  readonly progressedAt: number;
  /** Whether the REST API could not be asked again when it should have been. */
  readonly isStale: boolean;
}

/** What can be read: a backfill by its id, or the latest one of a transfer. */
export interface Resource {
  readonly kind: 'backfill' | 'latest';
  readonly teamId: ResourceId;
  /** Of the backfill or of the transfer. */
  readonly id: ResourceId;
}

/** What is known of a resource. "There is none" is an answer like any other, kept with the words in which it came. */
export interface Known {
  readonly outcome: BackfillSnapshot | UpstreamError;
  /** When the resource's own endpoint last said so; monotonic milliseconds. */
  readonly verifiedAt: number;
}

export type Entry = CacheEntry<Known>;

/**
 * - `incomplete`: it is in the list of its team's incomplete backfills.
 * - `settled`: it is not, and as good as final: completed, cancelled, or there is none.
 * - `unclear`: a status that this gateway does not know, of which the list says nothing.
 */
export type Phase = 'incomplete' | 'settled' | 'unclear';

const PHASE_OF_STATUS: ReadonlyMap<string, Phase> = new Map([
  ['CREATED', 'incomplete'],
  ['SCHEDULED', 'incomplete'],
  ['RUNNING', 'incomplete'],
  ['FAILED', 'incomplete'],
  ['COMPLETED', 'settled'],
  ['CANCELLED', 'settled'],
]);

export function phaseOf({ outcome: answer }: Known): Phase {
  if (!('record' in answer)) return 'settled';
  return PHASE_OF_STATUS.get(answer.record.status) ?? 'unclear';
}

/** By the time of creation, which has whole seconds; of two in one second the greater id is the newer. */
export function isNewer({ record: a }: BackfillSnapshot, { record: b }: BackfillSnapshot): boolean {
  const seconds = Date.parse(a.created_time) - Date.parse(b.created_time);
  if (seconds !== 0) return seconds > 0;
  return BigInt(a.transfer_backfill_id) > BigInt(b.transfer_backfill_id);
}

/** Runs that nothing waits for any more, failed ones among them. */
export function runsDone({ transfer_runs_completed, transfer_runs_failed }: BackfillRecord): number {
  return transfer_runs_completed + transfer_runs_failed;
}

/**
 * What an estimate goes on with where nothing is known: what is asked of it in turn is found to be unknown too. Its ids
 * are of its own making, so that no two of them, and nothing that is known, is taken for the same.
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
