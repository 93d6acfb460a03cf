import { createManualClock } from '../../support/manual-clock.ts';
import { type Claim, claim, type Findings, histogram } from '../faults/claims.ts';
import { drive } from './drive.ts';
import { CLIENTS, DASHBOARD, planFleet, POLL_MS } from './fleet.ts';
import { inSeconds, table, whole } from '../format.ts';
import { Observer, ROW_MS } from './observer.ts';
import type { Spread } from './spread.ts';

interface Variant {
  readonly transfers: number;
  readonly running: number;
  readonly quota: number;
  /** More than one where it matters how the next begins. */
  readonly hours: number;
}

const VARIANTS: readonly Variant[] = [
  { transfers: 200, running: 40, quota: 5_000, hours: 1 },
  { transfers: 400, running: 80, quota: 1_000, hours: 2 },
];
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** So long the fleet is measured without a quota that matters, after its cold start, to tell what an hour would cost. */
const UNGOVERNED_MS = 4 * MINUTE_MS;
const COLD_MS = MINUTE_MS;
const NO_QUOTA = 1_000_000;

/** The fleet for an hour and more, against a quota that it would use up many times over. */
export async function hour(progress: (text: string) => void): Promise<Findings> {
  const reports: string[] = [];
  const claims: Claim[] = [];
  for (const variant of VARIANTS) {
    const startsAt = createManualClock().now();
    const fleet = planFleet({ ...variant, startsAt });
    progress(`economy: ${variant.hours} h of ${nameOf(variant)}`);
    const startedAt = performance.now();
    const observer = new Observer(fleet, startsAt);
    await drive(fleet, { quota: variant.quota, forMs: variant.hours * HOUR_MS }, (dashboard) => {
      observer.see(dashboard);
    });
    let ungoverned = 0;
    await drive(fleet, { quota: NO_QUOTA, forMs: COLD_MS + UNGOVERNED_MS }, ({ now, calls }) => {
      if (now >= startsAt + COLD_MS) ungoverned += calls.length;
    });
    reports.push(reportOf(variant, observer, ungoverned, performance.now() - startedAt));
    claims.push(...claimsOf(variant, observer));
  }
  return { report: reports.join('\n\n'), claims };
}

function nameOf({ transfers, running, quota }: Variant): string {
  return `${transfers} transfers, ${running} running, ${whole(quota)} calls an hour`;
}

function reportOf(variant: Variant, observer: Observer, ungoverned: number, tookMs: number): string {
  const { transfers, running, quota, hours } = variant;
  const spread = (name: string, found: Spread): readonly string[] => [
    name,
    ...[0.5, 0.95, 0.99].map((share) => inSeconds(found.percentile(share))),
    inSeconds(found.greatest),
  ];
  const hourly = (ungoverned * HOUR_MS) / UNGOVERNED_MS;
  const operations = [...histogram(observer.operations)].map(([name, count]) => `${whole(count)} ${name}`);
  return [
    `### ${CLIENTS} clients for ${hours === 1 ? 'an hour' : `${hours} hours`}: ${nameOf(variant)}`,
    '',
    table(
      ['minutes', 'calls', 'left', 'stretch', 'oldest running data', 'longest unverified'],
      observer.rows.map((row, n) => [
        `${(n * ROW_MS) / MINUTE_MS}–${((n + 1) * ROW_MS) / MINUTE_MS}`,
        whole(row.calls),
        whole(row.remaining),
        `${row.leastStretch.toFixed(1)} – ${row.greatestStretch.toFixed(1)}`,
        inSeconds(row.oldestMs),
        inSeconds(row.oldestFinalMs),
      ]),
    ),
    '',
    table(
      ['', 'p50', 'p95', 'p99', 'max'],
      [
        spread('age of running data', observer.ages),
        spread('its lifetime (`CACHE_TTL_MS` stretched)', observer.lifetimes),
        spread('since asked at its own endpoint', observer.finalAges),
        spread('its lifetime (`CACHE_FINAL_TTL_MS` stretched)', observer.finalLifetimes),
      ],
    ),
    '',
    `${whole(observer.answers)} values in dashboards of ${DASHBOARD} transfers, polled every ${POLL_MS / 1000} s by each ` +
      `client, of one team of ${transfers} transfers with ${running} backfills running at any moment. Calls: ` +
      `${operations.join(', ')}; at most ${busiest(observer.callsAt.slice(transfers), SECOND_MS)} in a second once the ` +
      `transfers were known. Older than the lifetime at its own moment, because that had fallen since the data was read: ` +
      `${((observer.olderThanNow / observer.ages.count) * 100).toFixed(1)} % of running data. Without a governor it would ` +
      `be ${whole(hourly)} calls an hour (measured so for ${UNGOVERNED_MS / MINUTE_MS} minutes), ` +
      `${(hourly / quota).toFixed(1)} times the quota; without sharing, ` +
      `${whole((CLIENTS * DASHBOARD * HOUR_MS) / POLL_MS)}. It took ${inSeconds(tookMs)}.`,
  ].join('\n');
}

function claimsOf(variant: Variant, observer: Observer): readonly Claim[] {
  const { answers, stale, errors, tooOld, tooOldFinal, late, untrue } = observer;
  const statuses = histogram(observer.statuses);
  const inAnHour = busiest(observer.callsAt, HOUR_MS);
  const name = `${whole(variant.quota)}/h`;
  const of = (count: number): string => `${whole(count)} of ${whole(answers)}`;
  return [
    claim(
      `${name}: never a 429`,
      [...statuses].map(([status, count]) => `${whole(count)} × ${status}`).join(', '),
      !statuses.has('429'),
    ),
    claim(
      `${name}: at most ${whole(variant.quota)} calls in any sliding hour`,
      whole(inAnHour),
      inAnHour <= variant.quota,
    ),
    claim(
      `${name}: no error, and nothing stale`,
      `${of(errors.length)}, ${of(stale)}`,
      errors.length + stale === 0,
    ),
    claim(
      `${name}: running data is never older than the lifetime the governor gave it, and was true when it was read`,
      `${of(tooOld)} older, at most ${inSeconds(observer.ages.greatest)}; ${untrue} untrue`,
      tooOld + untrue === 0,
    ),
    claim(`${name}: a backfill that begins is shown within that lifetime`, `${of(late)} later`, late === 0),
    claim(
      `${name}: everything is asked at its own endpoint within the final lifetime`,
      `${of(tooOldFinal)} later, at most ${inSeconds(observer.finalAges.greatest)}`,
      tooOldFinal === 0,
    ),
  ];
}

/** The most that came within a sliding time. */
function busiest(moments: readonly number[], withinMs: number): number {
  let [first, most] = [0, 0];
  moments.forEach((at, index) => {
    while ((moments[first] ?? at) <= at - withinMs) first++;
    most = Math.max(most, index - first + 1);
  });
  return most;
}
