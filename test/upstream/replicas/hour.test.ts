import { describe, expect, it } from 'vitest';
import { type GroupStack, startGroup } from '../../support/group.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const POLL_MS = 3 * SECOND_MS;
const TRANSFERS = 40;
const RUNNING = 15;
const DASHBOARD = 10;
const QUERY = 'query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { id status } } }';

/** The stretch is looked at in so many seconds of so many minutes. */
const LOOKS = 3;
const LOOK_EVERY_MS = 3 * MINUTE_MS;
/** After it was away, replicas may differ for as long. */
const BACK_MS = 10 * SECOND_MS;

/** What happens to the store at a moment of the hour. */
interface Happening {
  readonly atMs: number;
  readonly what: 'goes' | 'stalls' | 'comes back' | 'is emptied';
}

interface Hour {
  /** How answers failed, and when. */
  readonly failures: readonly string[];
  readonly calls: number;
  /** Calls that were refused. */
  readonly refused: number;
  /** The stretch of each replica, second by second, where the store was there. */
  readonly looks: readonly (readonly (readonly string[])[])[];
}

/** Polls dashboards at the replicas in turn for an hour of the injected clock. */
async function pollForAnHour(size: number, quota: number, happenings: readonly Happening[]): Promise<Hour> {
  const stack = await startGroup(size, { UPSTREAM_HOURLY_QUOTA: String(quota) }, { hourlyQuota: quota });
  const { clock, world, sandbox, replicas } = stack;
  const transfers = Array.from({ length: TRANSFERS }, (_, n) => String(1_000 + n));
  const backfills = transfers.map((transferId, n) =>
    world.addBackfill({ transferId, status: n < RUNNING ? 'RUNNING' : 'COMPLETED' }),
  );
  const failures: string[] = [];
  const looks: (readonly string[])[][] = [];
  let [calls, refused, awaySince, backAt] = [0, 0, Infinity, -BACK_MS];
  for (let atMs = 0; atMs < HOUR_MS; atMs += SECOND_MS) {
    for (const { what } of happenings.filter((happening) => happening.atMs === atMs)) {
      happen(stack, what);
      if (what === 'goes' || what === 'stalls') awaySince = atMs;
      else [awaySince, backAt] = [Infinity, atMs];
    }
    // Every five minutes a backfill ends.
    const ended = atMs > 0 ? backfills[atMs / (5 * MINUTE_MS)] : undefined;
    if (ended !== undefined) world.set(ended, { status: 'COMPLETED' });
    if (atMs % POLL_MS === 0) {
      const poll = atMs / POLL_MS;
      const ids = Array.from({ length: DASHBOARD }, (_, n) => transfers[(poll * 7 + n * 3) % TRANSFERS]);
      const asked = replicas[poll % size]?.query(QUERY, { variables: { ids } });
      // Whoever meets a store that stalls waits for it on this clock.
      if (atMs === awaySince) await passUntil(stack, asked);
      const answer = await asked;
      if (answer?.status !== 200 || answer.errors !== undefined)
        failures.push(`${atMs / SECOND_MS} s: ${answer?.body.slice(0, 200) ?? 'no answer'}`);
    }
    clock.advance(SECOND_MS);
    await settled();
    calls += sandbox.calls.all.length;
    refused += sandbox.calls.all.filter(({ status }) => status === 429).length;
    sandbox.calls.reset();
    const second = (atMs % LOOK_EVERY_MS) / SECOND_MS;
    if (second >= LOOKS || atMs >= awaySince || atMs < backAt + BACK_MS) continue;
    if (second === 0) looks.push([]);
    looks.at(-1)?.push(await stretchesOf(stack));
  }
  return { failures, calls, refused, looks };
}

function happen({ shared, trouble }: GroupStack, what: Happening['what']): void {
  if (what === 'is emptied') shared.empty();
  else if (what === 'comes back') trouble.end();
  else trouble.begin(what === 'goes' ? 'gone' : 'stalled');
}

function stretchesOf({ replicas }: GroupStack): Promise<readonly string[]> {
  return Promise.all(
    replicas.map(async ({ origin }) => {
      const metrics = await (await fetch(`${origin}/metrics`)).text();
      return /^backfill_gateway_quota_stretch_greatest (\S+)$/m.exec(metrics)?.[1] ?? 'none';
    }),
  );
}

/** Whether what each replica has in a second each other one has in that second or in one beside it. */
function areTheSame(seconds: readonly (readonly string[])[]): boolean {
  return seconds.every((stretches, second) =>
    stretches.every((stretch) =>
      stretches.every((_, other) =>
        [second - 1, second, second + 1].some((beside) => seconds[beside]?.[other] === stretch),
      ),
    ),
  );
}

/** Lets the time pass, a little at a time, until something has ended. */
async function passUntil({ clock }: GroupStack, ended: Promise<unknown> | undefined): Promise<void> {
  const over = Promise.resolve(ended).then(() => true);
  while ((await Promise.race([over, settled()])) !== true) clock.advance(5);
}

/** Lets what is under way between the replicas arrive. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const minute = (atMinute: number, what: Happening['what']): Happening => ({
  atMs: atMinute * MINUTE_MS,
  what,
});

describe('replicas whose dashboards would spend the hour several times', () => {
  it.each<[size: number, quota: number, what: string, happenings: readonly Happening[]]>([
    [4, 1_000, 'is there all the time', []],
    [3, 1_000, 'is gone for ten minutes', [minute(20, 'goes'), minute(30, 'comes back')]],
    [2, 2_000, 'is emptied twice', [minute(15, 'is emptied'), minute(40, 'is emptied')]],
    [4, 1_000, 'stalls for ten minutes', [minute(25, 'stalls'), minute(35, 'comes back')]],
  ])(
    '%d of them make it last, at %d calls, where the store %s',
    async (size, quota, _what, happenings) => {
      const { failures, calls, refused, looks } = await pollForAnHour(size, quota, happenings);
      expect(failures.slice(0, 3)).toEqual([]);
      expect(refused).toBe(0);
      // What they may make is used, too.
      expect(calls).toBeGreaterThan(quota * 0.7);
      expect(looks.length).toBeGreaterThan(12);
      expect(looks.filter((seconds) => !areTheSame(seconds))).toEqual([]);
    },
    120_000,
  );
});
