import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, dateText, timeText } from './calendar.ts';
import { demoGrants } from './tokens.ts';
import { createWorld } from './world.ts';
import type { World } from './world.ts';

export const DEMO_TEAM_ID = '936506';
export const OTHER_DEMO_TEAM_ID = '424242';

const LIVELY = ids(456789, 12);
const RUNNING = ids(456801, 6);
const COMPLETED = ids(456807, 34);

/** Transfers of the demo team, by the state of their latest backfill. */
export const DEMO_TRANSFER_IDS = {
  /** A new backfill every few minutes, for ever. */
  lively: LIVELY,
  /** RUNNING for two to five hours after the start. */
  running: RUNNING,
  completed: COMPLETED,
  /** COMPLETED with some failed runs. */
  partlyFailed: '456841',
  /** FAILED with an error report, one error of it as long as errors get. */
  failed: '456842',
  cancelled: '456843',
  /** SCHEDULED for hours, its runs being made one by one. */
  scheduled: '456844',
  neverRun: '456845',
  /** COMPLETED, with a time in an undocumented form: `+0000` instead of `Z`. */
  oddTime: '456846',
  /** The id does not survive as a JavaScript number. */
  huge: '9007199254740993',
  /** The fifty transfers of a dashboard. */
  dashboard: [
    ...LIVELY,
    ...RUNNING,
    ...COMPLETED.slice(0, 26),
    '456841',
    '456842',
    '456843',
    '456844',
    '456845',
    '456846',
  ],
} as const;

/** Backfills of the demo team that exist from the start. */
export const DEMO_BACKFILL_IDS = {
  running: '12345',
  completed: '12307',
  partlyFailed: '12341',
  failed: '12342',
  cancelled: '12343',
  scheduled: '12344',
  oddTime: '12346',
  huge: '9223372036854775807',
} as const;

/** Transfers of the other demo team. */
export const OTHER_DEMO_TRANSFER_IDS = {
  lively: '700001',
  running: '700002',
  completed: '700003',
  neverRun: '700004',
} as const;

/** The first id of the lively transfers' backfills; each transfer owns a hundred million ids. */
const FIRST_SERIES_ID = 7_000_000_001n;

/** The lively transfers in {@link addLively}'s shared rhythm whose backfills never fail. */
const NEVER_FAILING = [0, 1, 2, 4, 5, 6].map((n) => LIVELY[n] ?? '');

/** The lively backfill that was created last, at most half a minute ago, of those that never fail. */
export function newbornBackfillId(world: World): string {
  const latest = NEVER_FAILING.flatMap((id) => world.latest(DEMO_TEAM_ID, id) ?? []);
  const [newest] = latest.sort((a, b) => b.created_time.localeCompare(a.created_time));
  if (newest === undefined) throw new Error('the demo world has no lively backfills');
  return newest.transfer_backfill_id;
}

/** A world for demos: two teams and some sixty transfers, with something going on at any moment. */
export function createDemoWorld({ now = Date.now }: { readonly now?: () => number } = {}): World {
  const world = createWorld({ now });
  const start = Math.floor(now() / SECOND_MS) * SECOND_MS;
  for (const [token, grant] of demoGrants([DEMO_TEAM_ID, OTHER_DEMO_TEAM_ID], [DEMO_TEAM_ID])) {
    world.addToken(token, grant);
  }
  addLively(world, start);
  addRunning(world, start);
  addCompleted(world, start);
  addSpecial(world, start);
  addOtherTeam(world, start);
  return world;
}

/**
 * The first eight share one rhythm of two minutes, a quarter of a minute apart from each other. Each is CREATED
 * for 15 s, SCHEDULED for 20 s, RUNNING for 60 s and ended for 25 s: so at every moment one of them is CREATED
 * and at least one each SCHEDULED, RUNNING and ended. The others have rhythms of their own.
 */
function addLively(world: World, start: number): void {
  const shared = { periodMs: 120 * SECOND_MS, scheduleDelayMs: 15 * SECOND_MS, startDelayMs: 20 * SECOND_MS };
  const steps = [
    { runs: 60, msPerRun: 1000 },
    { runs: 40, msPerRun: 1500 },
    { runs: 30, msPerRun: 2000 },
    { runs: 60, msPerRun: 1000, failEvery: 3 },
  ];
  const own = [
    { periodMs: 90 * SECOND_MS, scheduleDelayMs: 8000, startDelayMs: 10_000, runs: 56, msPerRun: 1000 },
    { periodMs: 200 * SECOND_MS, scheduleDelayMs: 10_000, startDelayMs: 15_000, runs: 90, msPerRun: 1500 },
    {
      periodMs: 240 * SECOND_MS,
      scheduleDelayMs: 20_000,
      startDelayMs: 30_000,
      runs: 90,
      msPerRun: 2000,
      failEvery: 2,
    },
    { periodMs: 300 * SECOND_MS, scheduleDelayMs: 15_000, startDelayMs: 45_000, runs: 180, msPerRun: 1000 },
  ];
  LIVELY.forEach((transferId, n) => {
    const rhythm = own[n - 8] ?? { ...shared, ...(steps[n % steps.length] ?? { runs: 60, msPerRun: 1000 }) };
    world.addSeries({
      teamId: DEMO_TEAM_ID,
      transferId,
      firstId: seriesId(n),
      // Each has two backfills before the demo starts.
      firstCreatedAt: start - 2 * rhythm.periodMs + n * 15 * SECOND_MS,
      ...rhythm,
    });
  });
}

function addRunning(world: World, start: number): void {
  // The first one moves fast enough to be seen from one look to the next.
  const years = [1985, 2006, 2010, 2014, 2016, 2016];
  RUNNING.forEach((transferId, n) => {
    world.addBackfill({
      teamId: DEMO_TEAM_ID,
      transferId,
      id: n === 0 ? DEMO_BACKFILL_IDS.running : String(12_350 + n),
      rangeStart: `${years[n] ?? 2016}-01-01`,
      rangeEnd: '2025-12-31',
      createdAt: start - (2 + 3 * n) * MINUTE_MS,
      msPerRun: n === 0 ? 1000 : n % 2 === 0 ? 2000 : 1500,
      failingRuns: n === 2 ? [7, 21] : [],
    });
  });
}

function addCompleted(world: World, start: number): void {
  COMPLETED.forEach((transferId, n) => {
    const createdAt = start - (n + 1) * DAY_MS - n * 37 * MINUTE_MS;
    world.addBackfill({
      teamId: DEMO_TEAM_ID,
      transferId,
      id: String(12_307 + n),
      rangeStart: dateText(createdAt - (8 + n) * DAY_MS),
      rangeEnd: dateText(createdAt - DAY_MS),
      createdAt,
      msPerRun: 20 * SECOND_MS,
    });
  });
}

function addSpecial(world: World, start: number): void {
  const month = { teamId: DEMO_TEAM_ID, rangeStart: '2024-01-01', rangeEnd: '2024-01-31' };
  const { partlyFailed, failed, cancelled, scheduled, neverRun, oddTime, huge } = DEMO_TRANSFER_IDS;
  world.addBackfill({
    ...month,
    transferId: partlyFailed,
    id: DEMO_BACKFILL_IDS.partlyFailed,
    createdAt: start - 5 * HOUR_MS,
    msPerRun: 10 * SECOND_MS,
    failingRuns: [4, 17],
    errorTexts: ['Connection timeout to data source', 'The data source answered with status 503'],
  });
  world.addBackfill({
    ...month,
    transferId: failed,
    id: DEMO_BACKFILL_IDS.failed,
    createdAt: start - 3 * HOUR_MS,
    msPerRun: 30 * SECOND_MS,
    failingRuns: [11, 12, 13],
    errorTexts: [
      'The connection to the data source has expired: sign in to it again',
      'Schema mismatch: column "cost_micros" is STRING in the destination and INT64 in the source',
      'Query failed: '.padEnd(1000, 'SELECT date, campaign, impressions, clicks, cost FROM ads; '),
    ],
    outcome: 'FAILED',
  });
  world.addBackfill({
    ...month,
    transferId: cancelled,
    id: DEMO_BACKFILL_IDS.cancelled,
    createdAt: start - 2 * HOUR_MS,
    msPerRun: MINUTE_MS,
    cancelled: { at: start - 110 * MINUTE_MS, userId: '790' },
  });
  world.addBackfill({
    ...month,
    transferId: scheduled,
    id: DEMO_BACKFILL_IDS.scheduled,
    rangeStart: '2020-01-01',
    createdAt: start - 10 * MINUTE_MS,
    startDelayMs: 12 * HOUR_MS,
  });
  world.addTransfer(DEMO_TEAM_ID, neverRun);
  const oddStart = start - 50 * HOUR_MS;
  world.addBackfill({
    ...month,
    transferId: oddTime,
    id: DEMO_BACKFILL_IDS.oddTime,
    createdAt: oddStart,
    msPerRun: 10 * SECOND_MS,
  });
  world.set(DEMO_BACKFILL_IDS.oddTime, {
    start_time: timeText(oddStart + 8 * SECOND_MS).replace('Z', '+0000'),
  });
  world.addBackfill({
    teamId: DEMO_TEAM_ID,
    transferId: huge,
    id: DEMO_BACKFILL_IDS.huge,
    rangeStart: '2018-01-01',
    rangeEnd: '2025-12-31',
    createdAt: start - 4 * MINUTE_MS,
    createdUserId: '9007199254740995',
    msPerRun: 2000,
  });
}

function addOtherTeam(world: World, start: number): void {
  const { lively, running, completed, neverRun } = OTHER_DEMO_TRANSFER_IDS;
  const teamId = OTHER_DEMO_TEAM_ID;
  world.addSeries({
    teamId,
    transferId: lively,
    firstId: seriesId(LIVELY.length),
    firstCreatedAt: start - 3 * MINUTE_MS,
    periodMs: 2 * MINUTE_MS,
    scheduleDelayMs: 10 * SECOND_MS,
    startDelayMs: 10 * SECOND_MS,
    msPerRun: 1000,
    runs: 80,
  });
  const range = { rangeStart: '2016-01-01', rangeEnd: '2025-12-31' };
  world.addBackfill({ teamId, transferId: running, id: '22345', ...range, createdAt: start - MINUTE_MS });
  world.addBackfill({ teamId, transferId: completed, id: '22346', createdAt: start - DAY_MS });
  world.addTransfer(teamId, neverRun);
}

function seriesId(n: number): string {
  return String(FIRST_SERIES_ID + BigInt(n) * 100_000_000n);
}

function ids(first: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => String(first + n));
}
