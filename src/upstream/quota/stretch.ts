import { type Demand, type Foreseen, MAX_FINAL_STRETCH, MAX_STRETCH, type Stretch } from './demand.ts';
import type { MinuteCounter } from './minute-counter.ts';
import { greatestPace } from './pacing.ts';

/** The part of a credential's account from which its stretch follows. */
export interface Stretched {
  readonly calls: MinuteCounter;
  readonly demand: Demand;
  /** Calls an hour that other replicas foresee, where they share the hour. */
  readonly others: Foreseen;
  /** Calls an hour that may be made. */
  readonly limit: number;
  /** `s` for what changes, `s²` for what is as good as final. */
  stretch: Stretch;
  /** Whether anything has happened that could raise the stretch since it was revised. */
  hasNews: boolean;
  /** Monotonic milliseconds. */
  revisedAt: number;
}

export const UNSTRETCHED: Stretch = { changing: 1, final: 1 };

/** The share of the hour's calls that lifetimes are stretched to fit into. The rest is for reads that cannot wait. */
const PACED_SHARE = 0.95;
/** The stretch is revised no more often than this, in milliseconds. */
const REVISION_INTERVAL_MS = 1_000;
/**
 * Half-life of a falling stretch. Every drop makes more values due; falling slowly lets those calls push it up again in
 * time.
 */
const STRETCH_HALF_LIFE_MS = 5 * 60_000;
/** Sets the stretch that the forecast needs, where it is time to. It rises at once and falls slowly. */
export function reviseStretch(account: Stretched, now: number): void {
  const { calls, demand, others, limit, stretch, revisedAt, hasNews } = account;
  // The many credentials that a survey finds idle have nothing to revise.
  const canChange = hasNews || stretch.changing > 1;
  if (!canChange || now - revisedAt < REVISION_INTERVAL_MS) return;
  const own = demand.foresee(now, stretch);
  const available = greatestPace(calls, now, limit * PACED_SHARE) - own.misses - others.misses;
  const needed = leastStretch(available, own.refreshes + others.refreshes, own.resyncs + others.resyncs);
  const fallen = stretch.changing * 0.5 ** ((now - revisedAt) / STRETCH_HALF_LIFE_MS);
  const changing = Math.max(1, needed, fallen);
  account.stretch = { changing, final: finalStretch(changing) };
  account.hasNews = false;
  account.revisedAt = now;
}

/** The least stretch, to within 0.2 %, with which so many refreshes and resyncs an hour fit into the available calls. */
function leastStretch(available: number, refreshes: number, resyncs: number): number {
  for (let s = 1; s < MAX_STRETCH; s *= 1.002) {
    if (refreshes / s + resyncs / finalStretch(s) <= available) return s;
  }
  return MAX_STRETCH;
}

/** The factor for what is as good as final, where that for what changes is this. */
export function finalStretch(changing: number): number {
  return Math.min(MAX_FINAL_STRETCH, changing ** 2);
}
