import { DAY_MS, addDays, dateText } from './calendar.ts';
import { endOf } from './lifecycle.ts';
import type { BackfillPlan } from './lifecycle.ts';
import { completePlan } from './plans.ts';

/**
 * A transfer that is backfilled again and again, for ever. Its n-th backfill is computed from n, and n from the clock
 * or from the id, so a demo that runs for days stores none of its thousands of past backfills.
 */
export interface BackfillSeries {
  readonly teamId: string;
  readonly transferId: string;
  /** Id of backfill 0; the ids of the others count up from it. `SERIES_IDS` ids belong to this series. */
  readonly firstId: string;
  readonly firstCreatedAt: number;
  readonly periodMs: number;
  readonly scheduleDelayMs: number;
  readonly startDelayMs: number;
  readonly msPerRun: number;
  readonly runs: number;
  /** Every `failEvery`-th backfill fails, and is cancelled when the next one is created; by default none fails. */
  readonly failEvery?: number;
}

/** Enough for three years with a backfill every second. */
const SERIES_IDS = 100_000_000n;

export function planOfSeries(series: BackfillSeries, n: number): BackfillPlan {
  const createdAt = series.firstCreatedAt + n * series.periodMs;
  const rangeEnd = dateText(createdAt - DAY_MS);
  const fails = series.failEvery !== undefined && n % series.failEvery === series.failEvery - 1;
  const middle = Math.floor(series.runs / 2);
  return completePlan(
    {
      teamId: series.teamId,
      transferId: series.transferId,
      rangeStart: addDays(rangeEnd, 1 - series.runs),
      rangeEnd,
      createdAt,
      scheduleDelayMs: series.scheduleDelayMs,
      startDelayMs: series.startDelayMs,
      msPerRun: series.msPerRun,
      ...(fails
        ? {
            failingRuns: [middle, middle + 1],
            outcome: 'FAILED' as const,
            cancelled: { at: createdAt + series.periodMs, userId: '790' },
          }
        : {}),
    },
    String(BigInt(series.firstId) + BigInt(n)),
    createdAt,
  );
}

/** Number of backfills of the series at `now`; the latest has the index one below. */
export function sizeOfSeries(series: BackfillSeries, now: number): number {
  return now < series.firstCreatedAt ? 0 : Math.floor((now - series.firstCreatedAt) / series.periodMs) + 1;
}

/** The backfills that may still be incomplete, newest first. All older ones have ended or been cancelled. */
export function recentOfSeries(series: BackfillSeries, now: number): BackfillPlan[] {
  const first = planOfSeries(series, 0);
  const longest = Math.max(endOf(first) - first.createdAt, series.periodMs);
  const kept = Math.ceil(longest / series.periodMs) + 1;
  const size = sizeOfSeries(series, now);
  const plans: BackfillPlan[] = [];
  for (let n = size - 1; n >= 0 && n >= size - kept; n -= 1) plans.push(planOfSeries(series, n));
  return plans;
}

export function findInSeries(series: BackfillSeries, id: string, now: number): BackfillPlan | undefined {
  const n = BigInt(id) - BigInt(series.firstId);
  if (n < 0n || n >= SERIES_IDS || n >= BigInt(sizeOfSeries(series, now))) return undefined;
  return planOfSeries(series, Number(n));
}
