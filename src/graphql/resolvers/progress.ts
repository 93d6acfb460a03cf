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
 * When the last run will end, RFC 3339 in UTC, if the runs go on at the pace of those done from the start to the moment
 * at which as many as now were first seen done: the time since then says nothing yet of the pace, and would push the
 * end away until the next run is done. Once that end is past, it does say something. Failed runs are done too: nothing
 * waits for them any more. Null where there is nothing to go by. Never before `now`.
 * @param now milliseconds since the epoch
 */
export function estimateEndTime({ record, progressedAt }: BackfillSnapshot, now: number): string | null {
  const done = runsDone(record);
  const total = record.transfer_runs_total;
  if (record.status !== 'RUNNING' || record.start_time === null || done === 0 || total === 0) return null;
  const start = Date.parse(record.start_time);
  // The two clocks are not one: a start in our future says nothing about the pace.
  if (progressedAt <= start) return null;
  const endAtPace = (seenAt: number): number => start + (seenAt - start) * Math.max(1, total / done);
  const steady = endAtPace(progressedAt);
  return formatUtc(roundUp(steady < now ? endAtPace(Math.max(now, progressedAt)) : steady, now));
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const STEPS = [1, 5, 10, 30].flatMap((step) => [step * SECOND, step * MINUTE]).sort((a, b) => b - a);
/** Digits that change at each look, and mean nothing at this distance, are not worth showing. */
const STEP_SHARE = 0.05;

function roundUp(moment: number, now: number): number {
  const step = STEPS.find((one) => one <= (moment - now) * STEP_SHARE) ?? SECOND;
  return Math.ceil(moment / step) * step;
}
