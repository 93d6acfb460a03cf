import { type KnownStatus, STATUSES, type StatusFacts } from '../../upstream/rest/statuses.ts';
import { estimateEndTime, progressOf } from './progress.ts';
import type { BackfillResolvers, BackfillRunErrorResolvers, BackfillStatus } from '../types.generated.ts';

type SchemaStatus = Exclude<BackfillStatus, 'UNKNOWN'>;

/** Compiles only while the table of the REST API's statuses has every status of the schema. */
function isKnown(status: string): status is KnownStatus {
  return Object.hasOwn(STATUSES satisfies Readonly<Record<SchemaStatus, StatusFacts>>, status);
}

export const Backfill: BackfillResolvers = {
  transfer: ({ teamId, record }) => ({ teamId, id: record.transfer_id }),
  status: ({ record }) => (isKnown(record.status) ? record.status : 'UNKNOWN'),
  rangeStartDate: ({ record }) => record.range_start_date,
  rangeEndDate: ({ record }) => record.range_end_date,
  createdTime: ({ record }) => record.created_time,
  createdUserId: ({ record }) => record.created_user_id,
  startTime: ({ record }) => record.start_time,
  endTime: ({ record }) => record.end_time,
  removedTime: ({ record }) => record.removed_time,
  removedUserId: ({ record }) => record.removed_user_id,
  transferRunsTotal: ({ record }) => record.transfer_runs_total,
  transferRunsCreated: ({ record }) => record.transfer_runs_created,
  transferRunsCompleted: ({ record }) => record.transfer_runs_completed,
  transferRunsFailed: ({ record }) => record.transfer_runs_failed,
  progress: ({ record }) => progressOf(record),
  estimatedEndTime: (backfill, _args, context) => estimateEndTime(backfill, context.now()),
  // The backfills that were known before the answer became too large are still resolved.
  errorReport: ({ record }, _args, context) =>
    context.answer?.isExceeded === true ? [] : record.error_report,
};

export const BackfillRunError: BackfillRunErrorResolvers = {
  transferRunDate: ({ transfer_run_date }) => transfer_run_date,
};
