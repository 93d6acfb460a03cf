import { DAY_MS, MINUTE_MS, SECOND_MS, addDays, dateText, daysInRange } from './calendar.ts';
import { isInt64Id } from './int64.ts';
import type { BackfillPlan, BackfillStatus } from './lifecycle.ts';

/** A plan without the parts that a test does not care about. */
export interface NewBackfill extends Partial<Omit<BackfillPlan, 'transferId'>> {
  readonly transferId: string;
  /** The backfill has this status from the start until it is cancelled, whatever the clock says. */
  readonly status?: BackfillStatus;
}

const ERROR_TEXTS: readonly string[] = ['Connection timeout to data source'];

export function completePlan(given: NewBackfill, id: string, now: number): BackfillPlan {
  const { status, ...own } = given;
  const rangeEnd = own.rangeEnd ?? own.rangeStart ?? dateText(now - DAY_MS);
  const rangeStart = own.rangeStart ?? addDays(rangeEnd, -29);
  const plan: BackfillPlan = {
    id,
    teamId: '1',
    rangeStart,
    rangeEnd,
    createdAt: now,
    createdUserId: '789',
    scheduleDelayMs: 3 * SECOND_MS,
    startDelayMs: 5 * SECOND_MS,
    msPerRun: SECOND_MS,
    runs: daysInRange(rangeStart, rangeEnd),
    failingRuns: [],
    errorTexts: ERROR_TEXTS,
    outcome: 'COMPLETED',
    ...(status === undefined ? {} : steady(status, now)),
    ...own,
  };
  for (const name of ['id', 'teamId', 'transferId', 'createdUserId'] as const) {
    if (!isInt64Id(plan[name])) {
      throw new RangeError(`${name} of a backfill must be a positive int64 in digits, got "${plan[name]}".`);
    }
  }
  return plan;
}

/** The parts of a plan that is in `status` at `now` and never leaves it. */
function steady(status: BackfillStatus, now: number): Partial<BackfillPlan> {
  const past = { createdAt: now - MINUTE_MS };
  switch (status) {
    case 'CREATED':
      return { scheduleDelayMs: Infinity };
    case 'SCHEDULED':
      return { ...past, startDelayMs: Infinity };
    case 'RUNNING':
      return { ...past, msPerRun: Infinity };
    case 'COMPLETED':
      return { ...past, msPerRun: 0 };
    case 'FAILED':
      return { ...past, msPerRun: 0, failingRuns: [0], outcome: 'FAILED' };
    case 'CANCELLED':
      return { ...past, msPerRun: Infinity, cancelled: { at: now - SECOND_MS, userId: '790' } };
  }
}
