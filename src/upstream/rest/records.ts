import * as z from 'zod';
import { isResourceId } from '../../ids.ts';
import { shownText } from './shown-text.ts';
import { toUtc } from './timestamps.ts';

/**
 * Shapes of the REST API's JSON, after its OpenAPI document, read tolerantly: ids may come as numbers or strings,
 * an optional value may be null, absent or odd, unknown keys are ignored. Names stay those of the REST API.
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

/** An optional value: null where it is absent or makes no sense. */
const optional = <Schema extends z.ZodType>(schema: Schema) =>
  schema
    .nullish()
    .transform((value) => value ?? null)
    .catch(null);

const backfillRunErrorRecord = z
  .object({
    transfer_run_date: z.iso.date(),
    error: z.string().transform((text) => shownText(text, MAX_ERROR_LENGTH)),
  })
  .readonly();
export type BackfillRunErrorRecord = z.output<typeof backfillRunErrorRecord>;

export const backfillRecord = z
  .object({
    transfer_backfill_id: int64,
    transfer_id: int64,
    range_start_date: z.iso.date(),
    range_end_date: z.iso.date(),
    created_time: time,
    created_user_id: int64,
    removed_time: optional(time),
    removed_user_id: optional(int64),
    start_time: optional(time),
    end_time: optional(time),
    // Not an enum: new values may come, and one must not cost the client the other fields.
    status: z.string(),
    transfer_runs_total: int32,
    transfer_runs_created: int32,
    transfer_runs_completed: int32,
    transfer_runs_failed: int32,
    // A row that makes no sense is left out.
    error_report: z
      .array(backfillRunErrorRecord.nullable().catch(null))
      .catch([])
      .transform((rows) => rows.filter((row): row is BackfillRunErrorRecord => row !== null)),
  })
  .readonly();

export type BackfillRecord = z.output<typeof backfillRecord>;
