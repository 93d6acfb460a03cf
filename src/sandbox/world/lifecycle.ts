export type BackfillStatus = 'CREATED' | 'SCHEDULED' | 'RUNNING' | 'FAILED' | 'COMPLETED' | 'CANCELLED';

export interface Cancellation {
  readonly at: number;
  readonly userId: string;
}

/**
 * A backfill as a plan: everything that will ever happen to it. Its state at some moment is computed from the plan, so
 * nothing in the sandbox ticks, and a test moves a clock instead of waiting. A delay of `Infinity` keeps the backfill
 * in the status before it for ever. All moments are epoch milliseconds.
 */
export interface BackfillPlan {
  readonly id: string;
  readonly teamId: string;
  readonly transferId: string;
  readonly rangeStart: string;
  readonly rangeEnd: string;
  readonly createdAt: number;
  readonly createdUserId: string;
  /** Time as CREATED. */
  readonly scheduleDelayMs: number;
  /** Time as SCHEDULED, in which its runs are created. */
  readonly startDelayMs: number;
  /** Duration of each run; runs go one after another. */
  readonly msPerRun: number;
  readonly runs: number;
  /** The indexes of the runs that fail, from 0. */
  readonly failingRuns: readonly number[];
  /** The errors of the failing runs, in turn; repeated from the start when there are more failing runs. */
  readonly errorTexts: readonly string[];
  /** FAILED ends right after the last failing run; COMPLETED goes through all runs whatever fails. */
  readonly outcome: 'COMPLETED' | 'FAILED';
  readonly cancelled?: Cancellation;
}

export interface BackfillState {
  readonly status: BackfillStatus;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly cancelled: Cancellation | undefined;
  readonly runsCreated: number;
  readonly runsCompleted: number;
  /** The indexes of the runs that have failed so far, from 0. */
  readonly failedRuns: readonly number[];
}

export function stateAt(plan: BackfillPlan, now: number): BackfillState {
  const cancelled = plan.cancelled !== undefined && plan.cancelled.at <= now ? plan.cancelled : undefined;
  // Cancelling stops runs that have not begun; one under way at that moment still ends, later than `end_time`.
  const workUntil = cancelled?.at ?? now;
  const ended = Math.min(runsEnded(plan, now), runsBegun(plan, workUntil));
  const failedRuns = plan.failingRuns.filter((run) => run < ended);
  const start = startOf(plan);
  const end = endOf(plan);
  return {
    status: cancelled ? 'CANCELLED' : statusAt(plan, now),
    startedAt: start <= workUntil ? start : undefined,
    endedAt: cancelled?.at ?? (end <= now ? end : undefined),
    cancelled,
    runsCreated: runsCreated(plan, workUntil),
    runsCompleted: ended - failedRuns.length,
    failedRuns,
  };
}

/** The moment at which the backfill ends by itself. */
export function endOf(plan: BackfillPlan): number {
  const attempted = runsAttempted(plan);
  return startOf(plan) + (attempted === 0 ? 0 : attempted * plan.msPerRun);
}

function statusAt(plan: BackfillPlan, now: number): BackfillStatus {
  if (now < scheduledOf(plan)) return 'CREATED';
  if (now < startOf(plan)) return 'SCHEDULED';
  if (now < endOf(plan)) return 'RUNNING';
  return plan.outcome;
}

function scheduledOf(plan: BackfillPlan): number {
  return plan.createdAt + plan.scheduleDelayMs;
}

function startOf(plan: BackfillPlan): number {
  return scheduledOf(plan) + plan.startDelayMs;
}

function runsAttempted(plan: BackfillPlan): number {
  if (plan.outcome === 'COMPLETED' || plan.failingRuns.length === 0) return plan.runs;
  return Math.min(plan.runs, Math.max(...plan.failingRuns) + 1);
}

function runsCreated(plan: BackfillPlan, now: number): number {
  if (now >= startOf(plan)) return plan.runs;
  if (now < scheduledOf(plan)) return 0;
  return Math.floor((plan.runs * (now - scheduledOf(plan))) / plan.startDelayMs);
}

function runsBegun(plan: BackfillPlan, now: number): number {
  if (now < startOf(plan)) return 0;
  if (plan.msPerRun === 0) return runsAttempted(plan);
  return Math.min(runsAttempted(plan), Math.floor((now - startOf(plan)) / plan.msPerRun) + 1);
}

function runsEnded(plan: BackfillPlan, now: number): number {
  if (now < startOf(plan)) return 0;
  if (plan.msPerRun === 0) return runsAttempted(plan);
  return Math.min(runsAttempted(plan), Math.floor((now - startOf(plan)) / plan.msPerRun));
}
