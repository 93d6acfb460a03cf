import { addDays, timeText } from './calendar.ts';
import { stateAt } from './lifecycle.ts';
import type { BackfillPlan } from './lifecycle.ts';

/** A backfill as the API sends it, but with ids as strings of digits: int64 does not survive as a number. */
export interface WireBackfill {
  readonly transfer_backfill_id: string;
  readonly transfer_id: string;
  readonly range_start_date: string;
  readonly range_end_date: string;
  readonly created_time: string;
  readonly created_user_id: string;
  readonly removed_time?: string | null;
  readonly removed_user_id?: string | null;
  readonly start_time?: string | null;
  readonly end_time?: string | null;
  readonly status: string;
  readonly transfer_runs_total: number;
  readonly transfer_runs_created: number;
  readonly transfer_runs_completed: number;
  readonly transfer_runs_failed: number;
  readonly error_report?: readonly WireRunError[] | null;
}

export interface WireRunError {
  readonly transfer_run_date: string;
  readonly error: string;
}

/** Fields to send instead of the computed ones; `undefined` leaves the field out of the answer. */
export type WireOverride = { readonly [Key in keyof WireBackfill]?: WireBackfill[Key] | undefined };

const ID_FIELDS: ReadonlySet<string> = new Set([
  'transfer_backfill_id',
  'transfer_id',
  'created_user_id',
  'removed_user_id',
]);

const MAX_ERROR_LENGTH = 1000;

export function toWire(plan: BackfillPlan, now: number): WireBackfill {
  const state = stateAt(plan, now);
  const habit = emptyHabit(plan.id);
  const noTime = habit.times === 'null' ? null : undefined;
  const start = state.startedAt === undefined ? noTime : timeText(state.startedAt);
  const end = state.endedAt === undefined ? noTime : timeText(state.endedAt);
  const report = state.failedRuns.map((run, n) => ({
    transfer_run_date: addDays(plan.rangeStart, run),
    error: (plan.errorTexts[n % plan.errorTexts.length] ?? 'Unknown error').slice(0, MAX_ERROR_LENGTH),
  }));
  return {
    transfer_backfill_id: plan.id,
    transfer_id: plan.transferId,
    range_start_date: plan.rangeStart,
    range_end_date: plan.rangeEnd,
    created_time: timeText(plan.createdAt),
    created_user_id: plan.createdUserId,
    ...(state.cancelled
      ? { removed_time: timeText(state.cancelled.at), removed_user_id: state.cancelled.userId }
      : habit.removed === 'null'
        ? { removed_time: null, removed_user_id: null }
        : {}),
    ...(start === undefined ? {} : { start_time: start }),
    ...(end === undefined ? {} : { end_time: end }),
    status: state.status,
    transfer_runs_total: plan.runs,
    transfer_runs_created: state.runsCreated,
    transfer_runs_completed: state.runsCompleted,
    transfer_runs_failed: state.failedRuns.length,
    ...(report.length > 0 || habit.report === 'empty' ? { error_report: report } : {}),
  };
}

/** The JSON text of a backfill. Ids are bare integers, which `JSON.stringify` could not write exactly. */
export function wireJson(row: WireBackfill): string {
  const fields = Object.entries(row).map(
    ([name, value]) =>
      `${JSON.stringify(name)}:${ID_FIELDS.has(name) && value !== null ? String(value) : JSON.stringify(value)}`,
  );
  return `{${fields.join(',')}}`;
}

export function withOverride(row: WireBackfill, override: WireOverride | undefined): WireBackfill {
  if (override === undefined) return row;
  const shown = Object.entries({ ...row, ...override }).filter(([, value]) => value !== undefined);
  // A required field may be missing now, against the type: overrides exist for such answers.
  return Object.fromEntries<unknown>(shown) as Partial<WireBackfill> as WireBackfill;
}

/**
 * The API sends an optional field without a value as null or not at all, by no known rule, so a client must accept
 * both. Here the id decides, so that one backfill always looks the same.
 */
function emptyHabit(id: string): {
  readonly removed: 'null' | 'absent';
  readonly times: 'null' | 'absent';
  readonly report: 'empty' | 'absent';
} {
  const rest = BigInt(id) % 3n;
  return {
    removed: rest === 0n ? 'null' : 'absent',
    times: rest === 2n ? 'absent' : 'null',
    report: BigInt(id) % 7n === 0n ? 'absent' : 'empty',
  };
}
