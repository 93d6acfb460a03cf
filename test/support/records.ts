import { isResourceId, type ResourceId } from '../../src/ids.ts';
import { type BackfillRecord, faultsIn, readRecord } from '../../src/upstream/rest/records.ts';

/** A backfill as the REST API sends it. */
export const RECORD = {
  transfer_backfill_id: 17,
  transfer_id: 5,
  range_start_date: '2026-01-01',
  range_end_date: '2026-01-31',
  created_time: '2026-02-01T09:00:00Z',
  created_user_id: 7,
  removed_time: null,
  status: 'RUNNING',
  transfer_runs_total: 31,
  transfer_runs_created: 31,
  transfer_runs_completed: 15,
  transfer_runs_failed: 1,
  error_report: [{ transfer_run_date: '2026-01-03', error: 'No rows' }],
};

export function id(digits: string): ResourceId {
  if (isResourceId(digits)) return digits;
  throw new Error(`${digits} is no id`);
}

/** What the gateway reads of the REST API's data. */
export function readOf(data: unknown): BackfillRecord {
  const record = readRecord(data);
  if (record === undefined) throw new Error(`not a backfill: ${faultsIn(data)}`);
  return record;
}
