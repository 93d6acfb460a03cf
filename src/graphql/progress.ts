import type { BackfillRecord } from '../upstream/records.ts';
import { formatUtc } from '../upstream/times.ts';

/** Share of the runs that completed, from 0 to 1. */
export function progressOf(record: BackfillRecord): number {
  if (record.status === 'COMPLETED') return 1;
  if (record.transfer_runs_total === 0) return 0;
  return Math.min(1, record.transfer_runs_completed / record.transfer_runs_total);
}

/**
 * When the last run will end at the pace of the runs done between the start and the moment the record was fetched;
 * RFC 3339 in UTC, to the second. Failed runs are done too: nothing waits for them any more.
 */
export function estimateEndTime(record: BackfillRecord, fetchedAt: string): string | null {
  const done = record.transfer_runs_completed + record.transfer_runs_failed;
  if (record.status !== 'RUNNING' || record.start_time === null || done === 0) return null;
  const start = Date.parse(record.start_time);
  const elapsed = Date.parse(fetchedAt) - start;
  // The two clocks are not one: a start in our future says nothing about the pace.
  if (elapsed <= 0) return null;
  const duration = elapsed * Math.max(1, record.transfer_runs_total / done);
  return formatUtc(Math.round((start + duration) / 1000) * 1000);
}
