import { estimateEndTime, progressOf } from './progress.ts';
import type {
  BackfillListResolvers,
  BackfillResolvers,
  BackfillRunErrorResolvers,
} from '../types.generated.ts';
import { statusOf } from './status.ts';

export const Backfill: BackfillResolvers = {
  transfer: ({ teamId, record }) => ({ teamId, id: record.transfer_id }),
  status: statusOf,
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

export const BackfillList: BackfillListResolvers = {
  // Nothing of an answer that has become too large will leave.
  items: ({ items }, _args, { answer }, info) =>
    answer === undefined || items.every((item) => answer.admit(item, info) !== null) ? items : [],
};

export const BackfillRunError: BackfillRunErrorResolvers = {
  transferRunDate: ({ transfer_run_date }) => transfer_run_date,
};
