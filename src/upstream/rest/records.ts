import { z } from 'zod';
import { isResourceId } from '../../ids.ts';
import { copied } from './lossless-json.ts';
import { toUtc } from './timestamps.ts';

/**
 * Shapes of the REST API's JSON, after its OpenAPI document, read tolerantly: ids may come as numbers or strings,
 * optional keys may be null or absent, unknown keys are ignored. Names stay those of the REST API.
 */

const int64 = z.union([z.int(), z.string()]).transform((value, context) => {
  const text = String(value);
  if (isResourceId(text)) return text;
  context.addIssue({ code: 'custom', message: 'not an int64 id' });
  return z.NEVER;
});

/** maxLength of an error in the OpenAPI document. */
const MAX_ERROR_LENGTH = 1_000;

const int32 = z.int().min(0).max(2_147_483_647);

const time = z.string().transform((value, context) => {
  const utc = toUtc(value);
  if (utc !== undefined) return utc;
  context.addIssue({ code: 'custom', message: 'not an RFC 3339 time' });
  return z.NEVER;
});

const absentAsNull = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? null);

function cut(text: string): string {
  return text.length <= MAX_ERROR_LENGTH ? text : copied(text.slice(0, MAX_ERROR_LENGTH));
}

const backfillRunErrorRecord = z
  .object({ transfer_run_date: z.iso.date(), error: z.string().transform(cut) })
  .readonly();

export const backfillRecord = z
  .object({
    transfer_backfill_id: int64,
    transfer_id: int64,
    range_start_date: z.iso.date(),
    range_end_date: z.iso.date(),
    created_time: time,
    created_user_id: int64,
    removed_time: absentAsNull(time),
    removed_user_id: absentAsNull(int64),
    start_time: absentAsNull(time),
    end_time: absentAsNull(time),
    // Not an enum: new values may come, and one must not cost the client the other fields.
    status: z.string(),
    transfer_runs_total: int32,
    transfer_runs_created: int32,
    transfer_runs_completed: int32,
    transfer_runs_failed: int32,
    error_report: z
      .array(backfillRunErrorRecord)
      .nullish()
      .transform((report) => report ?? []),
  })
  .readonly();

export type BackfillRecord = z.output<typeof backfillRecord>;
export type BackfillRunErrorRecord = z.output<typeof backfillRunErrorRecord>;
