import type { BackfillRecord } from '../../upstream/rest/records.ts';
import { type BackfillSnapshot, runsDone } from '../../upstream/cache/snapshots.ts';
import { formatUtc } from '../../upstream/rest/timestamps.ts';

/** Share of the runs that completed, from 0 to 1. */
export function progressOf(record: BackfillRecord): number {
  if (record.status === 'COMPLETED') return 1;
  if (record.transfer_runs_total === 0) return 0;
  return Math.min(1, record.transfer_runs_completed / record.transfer_runs_total);
}

/**
 * Estimates the end of the last run from the pace of the runs done so far. The pace is measured up to `progressedAt`,
 * when this number of runs was first seen done: time since then would push the end away until the next run is done.
 * Once the end estimated so is past, the time since then counts too. Failed runs are done as well.
 * @param now milliseconds since the epoch
 * @returns RFC 3339 in UTC, never before `now`; null when the backfill is not running, has no pace yet, or would end
 *   after the year 9999
 */
export function estimateEndTime(backfill: BackfillSnapshot, now: number): string | null {
  const { record, progressedAt } = backfill;
  const done = runsDone(record);
  const total = record.transfer_runs_total;
  if (record.status !== 'RUNNING' || record.start_time === null || done === 0 || total === 0) return null;
  const before = latest.get(backfill);
  const start = before?.start ?? Date.parse(record.start_time);
  // The REST API's clock may be ahead of ours, and a start in our future gives no pace.
  if (progressedAt <= start) return null;
  const endAtPace = (seenAt: number): number => start + (seenAt - start) * Math.max(1, total / done);
  const steady = endAtPace(progressedAt);
  const end = roundUp(steady < now ? endAtPace(Math.max(now, progressedAt)) : steady, now);
  if (end > LAST_MOMENT) return null;
  if (before?.end === end) return before.text;
  const text = formatUtc(end);
  latest.set(backfill, { start, end, text });
  return text;
}

/** The last estimate of each backfill. It is rounded, so that it mostly stays, and reading and writing times takes longest. */
const latest = new WeakMap<BackfillSnapshot, Estimate>();

interface Estimate {
  /** Milliseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** RFC 3339 has no later year. */
const LAST_MOMENT = Date.parse('9999-12-31T23:59:59Z');
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const STEPS = [1, 5, 10, 30].flatMap((step) => [step * SECOND, step * MINUTE]).sort((a, b) => b - a);
/** Rounding step as a share of the time left: finer digits would change with each read and mean nothing. */
const STEP_SHARE = 0.05;

function roundUp(moment: number, now: number): number {
  const step = STEPS.find((one) => one <= (moment - now) * STEP_SHARE) ?? SECOND;
  return Math.ceil(moment / step) * step;
}
