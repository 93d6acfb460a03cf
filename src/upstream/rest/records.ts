import { isResourceId, type ResourceId } from '../../ids.ts';
import { shownText } from './shown-text.ts';
import { isDate, toUtc } from './timestamps.ts';

/**
 * Shapes of the REST API's JSON, after its OpenAPI document, read tolerantly: ids may come as numbers or strings,
 * an optional value may be null, absent or odd, unknown keys are ignored. Names stay those of the REST API.
 *
 * They are read by hand: a schema's parser took a sixth of the time and of the memory of a read.
 */
export interface BackfillRecord {
  readonly transfer_backfill_id: ResourceId;
  readonly transfer_id: ResourceId;
  /** `YYYY-MM-DD`, as all dates. */
  readonly range_start_date: string;
  readonly range_end_date: string;
  /** RFC 3339 in UTC, as all times. */
  readonly created_time: string;
  readonly created_user_id: ResourceId;
  readonly removed_time: string | null;
  readonly removed_user_id: ResourceId | null;
  readonly start_time: string | null;
  readonly end_time: string | null;
  /** Not a closed set: new values may come, and one must not cost the client the other fields. */
  readonly status: string;
  readonly transfer_runs_total: number;
  readonly transfer_runs_created: number;
  readonly transfer_runs_completed: number;
  readonly transfer_runs_failed: number;
  /** A row that makes no sense is left out. */
  readonly error_report: readonly BackfillRunErrorRecord[];
}

export interface BackfillRunErrorRecord {
  readonly transfer_run_date: string;
  readonly error: string;
}

const AN_ID = 'not an int64 id';
const A_DATE = 'not a date';
const A_COUNT = 'not an int32 count';

/** What is wrong with a required value that makes no sense. */
const REQUIRED = {
  transfer_backfill_id: AN_ID,
  transfer_id: AN_ID,
  range_start_date: A_DATE,
  range_end_date: A_DATE,
  created_time: 'not an RFC 3339 time',
  created_user_id: AN_ID,
  status: 'not a text',
  transfer_runs_total: A_COUNT,
  transfer_runs_created: A_COUNT,
  transfer_runs_completed: A_COUNT,
  transfer_runs_failed: A_COUNT,
} as const satisfies Partial<Record<keyof BackfillRecord, string>>;

type RequiredKey = keyof typeof REQUIRED;
const REQUIRED_KEYS = Object.keys(REQUIRED) as readonly RequiredKey[];
/** A record of which required values may be missing. */
type Read = Omit<BackfillRecord, RequiredKey> & {
  readonly [Key in RequiredKey]: BackfillRecord[Key] | undefined;
};

const MAX_INT32 = 2_147_483_647;
/** maxLength of an error in the OpenAPI document. */
const MAX_ERROR_LENGTH = 1_000;
/** As many faults say enough. */
const MAX_FAULTS = 5;

/** Undefined for what is no backfill; {@link faultsIn} says why. */
export function readRecord(data: unknown): BackfillRecord | undefined {
  const record = read(data);
  return record !== undefined && isWhole(record) ? record : undefined;
}

/** Says where data that is no backfill is wrong and how, never what stood there. */
export function faultsIn(data: unknown): string {
  const record = read(data);
  if (record === undefined) return 'not an object';
  const faults = REQUIRED_KEYS.filter((key) => record[key] === undefined);
  return faults
    .slice(0, MAX_FAULTS)
    .map((key) => `${key}: ${REQUIRED[key]}`)
    .join(', ');
}

function isWhole(record: Read): record is BackfillRecord {
  return REQUIRED_KEYS.every((key) => record[key] !== undefined);
}

function read(data: unknown): Read | undefined {
  if (!isObject(data)) return undefined;
  return {
    transfer_backfill_id: toId(data['transfer_backfill_id']),
    transfer_id: toId(data['transfer_id']),
    range_start_date: toDate(data['range_start_date']),
    range_end_date: toDate(data['range_end_date']),
    created_time: toTime(data['created_time']),
    created_user_id: toId(data['created_user_id']),
    removed_time: toTime(data['removed_time']) ?? null,
    removed_user_id: toId(data['removed_user_id']) ?? null,
    start_time: toTime(data['start_time']) ?? null,
    end_time: toTime(data['end_time']) ?? null,
    status: typeof data['status'] === 'string' ? data['status'] : undefined,
    transfer_runs_total: toCount(data['transfer_runs_total']),
    transfer_runs_created: toCount(data['transfer_runs_created']),
    transfer_runs_completed: toCount(data['transfer_runs_completed']),
    transfer_runs_failed: toCount(data['transfer_runs_failed']),
    error_report: toReport(data['error_report']),
  };
}

function toId(value: unknown): ResourceId | undefined {
  if (typeof value === 'number' ? !Number.isSafeInteger(value) : typeof value !== 'string') return undefined;
  const text = String(value);
  return isResourceId(text) ? text : undefined;
}

function toDate(value: unknown): string | undefined {
  return typeof value === 'string' && isDate(value) ? value : undefined;
}

function toTime(value: unknown): string | undefined {
  return typeof value === 'string' ? toUtc(value) : undefined;
}

function toCount(value: unknown): number | undefined {
  const isCount = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_INT32;
  return isCount ? value : undefined;
}

function toReport(value: unknown): readonly BackfillRunErrorRecord[] {
  const rows: BackfillRunErrorRecord[] = [];
  if (!Array.isArray(value)) return rows;
  for (const row of value as readonly unknown[]) {
    if (!isObject(row)) continue;
    const transfer_run_date = toDate(row['transfer_run_date']);
    const { error } = row;
    if (transfer_run_date === undefined || typeof error !== 'string') continue;
    rows.push({ transfer_run_date, error: shownText(error, MAX_ERROR_LENGTH) });
  }
  return rows;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
