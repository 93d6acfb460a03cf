import type { MinuteCounter } from './minute-counter.ts';

const MINUTE_MS = 60_000;
const MINUTES = 60;

/**
 * The greatest even pace, in calls an hour, that keeps every sliding hour of the coming one within the budget. The REST
 * API does not say whether its hour slides or begins anew; calls that fit into every sliding hour fit into any other.
 * @param calls the calls made so far
 * @param now monotonic milliseconds
 * @param budget calls an hour
 */
export function greatestPace(calls: MinuteCounter, now: number, budget: number): number {
  const counts = calls.counts(now);
  const intoMinute = (now % MINUTE_MS) / MINUTE_MS;
  let stillCounted = counts.slice(0, MINUTES).reduce((total, count) => total + count, 0);
  // This minute and the next share one budget: the seconds left of this one are too few to pace by.
  let pace = (budget + budget / MINUTES - stillCounted) / (2 - intoMinute);
  for (let ahead = 1; ahead <= MINUTES; ahead++) {
    if (ahead > 1) pace = Math.min(pace, (budget - stillCounted) / (ahead - intoMinute));
    stillCounted -= counts[MINUTES - ahead] ?? 0;
  }
  return Math.max(0, pace * MINUTES);
}

/** Milliseconds until the oldest counted call is an hour old; 0 where no call is counted. */
export function timeUntilRelief(calls: MinuteCounter, now: number): number {
  const oldest = calls.counts(now).findLastIndex((count) => count > 0);
  return oldest < 0 ? 0 : (MINUTES + 1 - oldest) * MINUTE_MS - (now % MINUTE_MS);
}
