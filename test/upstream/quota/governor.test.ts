import { describe, expect, it } from 'vitest';
import type { ResourceId } from '../../../src/ids.ts';
import { UpstreamError } from '../../../src/upstream/errors.ts';
import type { HttpResponse } from '../../../src/upstream/transport/http.ts';
import { createGovernor } from '../../../src/upstream/quota/governor.ts';
import { MAX_FINAL_STRETCH, MAX_STRETCH } from '../../../src/upstream/quota/demand.ts';
import { createFreshness } from '../../../src/upstream/cache/freshness.ts';
import { Interest } from '../../../src/upstream/cache/interest.ts';
import { MinuteCounter } from '../../../src/upstream/quota/minute-counter.ts';
import { greatestPace, timeUntilRelief } from '../../../src/upstream/quota/pacing.ts';
import type { Known, Resource } from '../../../src/upstream/cache/snapshots.ts';
import { isDue } from '../../../src/upstream/cache/team-list.ts';
import { codesOf, createManualClock, type Stack, startStack } from '../../harness.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DASHBOARD = 'query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { id isStale } } }';
const IDS = ['5', '6'];
const SETTINGS = { finalTtlMs: MINUTE, hourlyQuota: 5_000, replicas: 1 };

/** Has the REST API tell these quota headers with a 404, of an id that no read before had. */
async function told({ sandbox, query }: Stack, limit: number, remaining: number): Promise<void> {
  const id = String(404_000 + sandbox.calls.count());
  sandbox.faults.add({
    when: { id },
    answer: {
      kind: 'status',
      status: 404,
      body: { meta: { request_id: 'r' }, error: { code: 'NOT_FOUND', message: 'No' } },
      headers: { 'x-ratelimit-limit': String(limit), 'x-ratelimit-remaining': String(remaining) },
    },
  });
  await query(`{ backfill(id: "${id}") { id } }`);
}

async function remaining({ query }: Stack): Promise<number | null> {
  const { body } = await query('{ transfer(id: "1") { id } }', { headers: { 'x-explain-cost': '1' } });
  return (JSON.parse(body) as { extensions: { upstream: { quotaRemaining: number | null } } }).extensions
    .upstream.quotaRemaining;
}

async function knownPage(env: Readonly<Record<string, string>> = {}): Promise<Stack> {
  const stack = await startStack(env);
  for (const transferId of IDS) stack.world.addBackfill({ transferId, status: 'RUNNING' });
  await page(stack);
  return stack;
}

async function page(stack: Stack): Promise<{ calls: number; stale: boolean; codes: readonly string[] }> {
  const before = stack.sandbox.calls.count();
  const result = await stack.query(DASHBOARD, { variables: { ids: IDS } });
  const { transfers } = result.data as { transfers: { latestBackfill: { isStale: boolean } | null }[] };
  return {
    calls: stack.sandbox.calls.count() - before,
    stale: transfers.some(({ latestBackfill }) => latestBackfill?.isStale === true),
    codes: codesOf(result),
  };
}

describe('the remaining quota', () => {
  it("is 5,000 less the gateway's own calls until the REST API sends its headers", async () => {
    const stack = await knownPage();
    expect(await remaining(stack)).toBe(4_998);
    await told(stack, 1_000, 600);
    expect(await remaining(stack)).toBe(600);
    await stack.query('{ backfill(id: 405) { id } }');
    expect(await remaining(stack)).toBe(599);
  });

  it('is UPSTREAM_HOURLY_QUOTA less the calls made until the REST API tells its limit, and then what that says', async () => {
    const stack = await startStack({ UPSTREAM_HOURLY_QUOTA: '200' });
    const metrics = async (): Promise<string> => (await fetch(`${stack.origin}/metrics`)).text();
    expect(await metrics()).toContain('backfill_gateway_quota_remaining_least 200\n');
    await stack.query('{ backfill(id: 405) { id } }');
    expect(await remaining(stack)).toBe(199);
    await told(stack, 1_000, 600);
    expect(await remaining(stack)).toBe(600);
  });

  it('is the part of one of REPLICAS, whether the whole is assumed or told, and never more than is left to all', async () => {
    const stack = await startStack({ UPSTREAM_HOURLY_QUOTA: '200', REPLICAS: '3' });
    expect(await remaining(stack)).toBe(66);
    await stack.query('{ backfill(id: 405) { id } }');
    expect(await remaining(stack)).toBe(65);
    // The other replicas have made 298 calls. That does not cost this one of its 333, of which two are made.
    await told(stack, 1_000, 700);
    expect(await remaining(stack)).toBe(331);
    await told(stack, 1_000, 300);
    expect(await remaining(stack)).toBe(300);
    // The hour of the REST API began anew.
    await told(stack, 1_000, 999);
    expect(await remaining(stack)).toBe(332);
  });

  it.each([9_999_999_999, 999_999_999_999_999])('may be told as %i', async (quota) => {
    const stack = await knownPage();
    await told(stack, quota, quota - 7);
    expect(await remaining(stack)).toBe(quota - 7);
    stack.clock.advance(2_001);
    expect(await page(stack)).toEqual({ calls: 1, stale: false, codes: [] });
  });

  it('is not read from a number that cannot be exact', async () => {
    const stack = await startStack();
    await told(stack, 1_000, 600);
    await told(stack, 10 ** 15, 10 ** 15);
    expect(await remaining(stack)).toBe(599);
  });

  it('is counted for each credential on its own', async () => {
    const stack = await knownPage();
    await told(stack, 1_000, 600);
    await stack.query(DASHBOARD, { variables: { ids: IDS }, token: 'sandbox-viewer' });
    expect(await remaining(stack)).toBe(600);
  });

  it('gets a call back an hour after it was made', async () => {
    const stack = await knownPage();
    stack.clock.advance(HOUR - 1);
    expect(await remaining(stack)).toBe(4_998);
    stack.clock.advance(MINUTE + 1);
    expect(await remaining(stack)).toBe(5_000);
  });

  it('counts every retry as a call, as the REST API does', async () => {
    const stack = await startStack();
    stack.sandbox.faults.add({ answer: { kind: 'status', status: 503 } });
    await stack.query('{ backfill(id: 7) { id } }');
    expect(stack.sandbox.calls.count()).toBe(2);
    expect(await remaining(stack)).toBe(4_998);
  });
});

describe('plenty of quota', () => {
  it('leaves the lifetimes as they are configured', async () => {
    const stack = await knownPage();
    for (let round = 0; round < 5; round++) {
      stack.clock.advance(2_001);
      expect(await page(stack)).toEqual({ calls: 1, stale: false, codes: [] });
    }
  });
});

describe('less quota than demand', () => {
  it('stretches lifetimes so that the quota lasts the hour, and Cache-Control has the stretched lifetime', async () => {
    const stack = await knownPage();
    await told(stack, 5_000, 500);
    let calls = 0;
    const ages = new Set<string>();
    for (let seconds = 0; seconds < 3_600; seconds += 2) {
      stack.clock.advance(2_000);
      const result = await stack.query(DASHBOARD, { variables: { ids: IDS } });
      expect(result.errors).toBeUndefined();
      expect(JSON.stringify(result.data)).not.toContain('"isStale":true');
      ages.add(result.headers.get('cache-control') ?? '');
      calls = stack.sandbox.calls.count();
    }
    // A call every two seconds would be 1,800.
    expect(calls).toBeLessThan(500);
    expect(calls).toBeGreaterThan(200);
    expect([...ages].some((age) => Number(age.replace('private, max-age=', '')) >= 8)).toBe(true);
  });
});

describe('UPSTREAM_HOURLY_QUOTA', () => {
  it('makes the calls last from the first one on, before the REST API has told anything', async () => {
    const callsOf = async (env: Readonly<Record<string, string>>): Promise<number> => {
      const stack = await knownPage(env);
      for (let seconds = 0; seconds < 600; seconds += 2) {
        stack.clock.advance(2_001);
        await page(stack);
      }
      return stack.sandbox.calls.count();
    };
    expect(await callsOf({})).toBeGreaterThan(300);
    expect(await callsOf({ UPSTREAM_HOURLY_QUOTA: '300' })).toBeLessThan(100);
  });
});

describe('nearly no quota left', () => {
  it('answers known backfills with stale values, and still reads unknown ones', async () => {
    const stack = await knownPage();
    await told(stack, 5_000, 150);
    stack.clock.advance(59_000);
    expect(await page(stack)).toEqual({ calls: 0, stale: true, codes: [] });
    const unknown = stack.world.addBackfill({ transferId: '7', status: 'RUNNING' });
    expect((await stack.query(`{ backfill(id: "${unknown}") { isStale } }`)).data).toEqual({
      backfill: { isStale: false },
    });
  });

  it('spends one call a minute to find out whether the credential may still read', async () => {
    const stack = await knownPage();
    await told(stack, 5_000, 150);
    for (const seconds of [61, 30, 29, 2]) {
      stack.clock.advance(seconds * 1_000);
      const { calls, codes } = await page(stack);
      expect({ seconds, calls, codes }).toEqual({
        seconds,
        calls: seconds === 61 || seconds === 2 ? 1 : 0,
        codes: [],
      });
    }
  });

  it('reads a known backfill again once its value is older than CACHE_STALE_MS', async () => {
    const stack = await knownPage({ CACHE_STALE_MS: '90000' });
    await told(stack, 5_000, 150);
    stack.clock.advance(90_001);
    expect(await page(stack)).toMatchObject({ stale: false, codes: [] });
  });
});

describe('no quota left', () => {
  it('allows one call in half a minute, which finds out whether there is quota again', async () => {
    const stack = await startStack();
    await told(stack, 5_000, 0);
    const ask = (n: number) => stack.query(`{ backfill(id: ${n}) { id } }`);
    const before = stack.sandbox.calls.count();
    expect(codesOf(await ask(1))).toEqual(['NOT_FOUND']);
    // That call was answered, so there is quota again.
    expect(await remaining(stack)).toBeGreaterThan(0);
    await told(stack, 5_000, 0);
    expect((await ask(2)).errors).toMatchObject([
      { extensions: { code: 'RATE_LIMITED', retryable: true, retryAfterSeconds: expect.any(Number) } },
    ]);
    expect(stack.sandbox.calls.count()).toBe(before + 2);
    stack.clock.advance(30_000);
    expect(codesOf(await ask(3))).toEqual(['NOT_FOUND']);
    expect(stack.sandbox.calls.count()).toBe(before + 3);
  });

  it('does not end because the REST API refuses a call', () => {
    const governor = createGovernor(createManualClock(), SETTINGS);
    const answered = (status: number, headers: HttpResponse['headers']): void => {
      governor.callBegan('a')({ status, headers, text: '' });
    };
    answered(404, { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '0' });
    for (const status of [429, 500, 503]) {
      answered(status, {});
      expect(governor.remaining('a')).toBe(0);
    }
    answered(200, {});
    expect(governor.remaining('a')).toBe(200);
  });

  it('does not end by answers to the calls that used it up', () => {
    const governor = createGovernor(createManualClock(), SETTINGS);
    const told = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '3' };
    governor.callBegan('a')({ status: 404, headers: told, text: '' });
    const under = ['first', 'second', 'third'].map(() => governor.callBegan('a'));
    expect(governor.remaining('a')).toBe(0);
    for (const ended of under) ended({ status: 200, headers: {}, text: '' });
    expect(governor.remaining('a')).toBe(0);
  });

  it('follows from the headers of the REST API only, never from the assumed limit', () => {
    const clock = createManualClock();
    const governor = createGovernor(clock, SETTINGS);
    for (let n = 0; n < 6_000; n++) {
      governor.callBegan('a')({ status: 200, headers: {}, text: '' });
    }
    expect(governor.remaining('a')).toBe(0);
    expect(() => {
      governor.assertAffordable('a', 'essential');
    }).not.toThrow();
    expect(() => {
      governor.assertAffordable('a', 'sheddable');
    }).toThrow('nearly_out');
  });
});

describe('the governor', () => {
  it('lets the stretch fall by at most half in five minutes', () => {
    const clock = createManualClock();
    const governor = createGovernor(clock, SETTINGS);
    const left = (remaining: string): void => {
      const headers = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': remaining };
      governor.expectCall('a', 'refresh');
      governor.callBegan('a')({ status: 404, headers, text: '' });
      clock.advance(1_000);
    };
    left('100');
    expect(governor.stretch('a').changing).toBe(MAX_STRETCH);
    left('5000');
    const fallen: number[] = [];
    for (let minutes = 0; minutes < 60; minutes += 5) {
      clock.advance(5 * MINUTE);
      fallen.push(governor.stretch('a').changing);
    }
    expect(fallen.slice(0, 2).map(Math.round)).toEqual([15, 7]);
    expect(fallen.at(-1)).toBe(1);
  });

  it('pauses polls of subscriptions after refreshes that have a stale value, and before essential reads', () => {
    const governor = createGovernor(createManualClock(), SETTINGS);
    const left = (remaining: string): void => {
      const headers = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': remaining };
      governor.callBegan('a')({ status: 404, headers, text: '' });
    };
    const affords = (reader: 'essential' | 'sheddable' | 'poll'): boolean => {
      try {
        governor.assertAffordable('a', reader);
        return true;
      } catch {
        return false;
      }
    };
    const all = (): readonly boolean[] => [affords('essential'), affords('poll'), affords('sheddable')];
    left('201');
    expect(all()).toEqual([true, true, true]);
    left('199');
    expect(all()).toEqual([true, true, false]);
    left('49');
    expect(all()).toEqual([true, false, false]);
  });

  it('stretches the lifetime of running backfills further once that of final ones is at its maximum', () => {
    const clock = createManualClock();
    const governor = createGovernor(clock, SETTINGS);
    const headers = { 'x-ratelimit-limit': '1000', 'x-ratelimit-remaining': '1000' };
    governor.callBegan('a')({ status: 404, headers, text: '' });
    for (let second = 0; second < 600; second += 2) {
      clock.advance(2_000);
      governor.expectCall('a', 'refresh');
    }
    for (let n = 0; n < 1_700; n++) governor.expectCall('a', 'resync');
    // 1,700 resyncs at the maximum stretch take 850 of 950 calls, which leaves 100 for 1,800 refreshes.
    const { changing, final } = governor.stretch('a');
    expect(final).toBe(MAX_FINAL_STRETCH);
    expect(changing).toBeGreaterThan(15);
    expect(changing).toBeLessThan(21);
  });

  it('never stretches beyond MAX_STRETCH and MAX_FINAL_STRETCH', () => {
    const clock = createManualClock();
    const governor = createGovernor(clock, SETTINGS);
    for (let minute = 0; minute < 120; minute++) {
      for (let n = 0; n < 500; n++) {
        governor.expectCall('a', n % 2 === 0 ? 'refresh' : 'resync');
        governor.callBegan('a')(undefined);
      }
      clock.advance(MINUTE);
      const { changing, final } = governor.stretch('a');
      expect(changing).toBeLessThanOrEqual(MAX_STRETCH);
      expect(final).toBeLessThanOrEqual(MAX_FINAL_STRETCH);
    }
    expect(governor.stretch('a')).toEqual({ changing: MAX_STRETCH, final: MAX_FINAL_STRETCH });
  });

  it('reports the smallest remaining quota of all credentials, even above the assumed limit', () => {
    const governor = createGovernor(createManualClock(), SETTINGS);
    expect(governor.survey().leastRemaining).toBe(5_000);
    const headers = { 'x-ratelimit-limit': '20000', 'x-ratelimit-remaining': '19000' };
    governor.callBegan('a')({ status: 404, headers, text: '' });
    expect(governor.survey().leastRemaining).toBe(19_000);
  });

  it('exports the quota level of its credentials as metrics', async () => {
    const stack = await knownPage();
    await told(stack, 5_000, 150);
    await stack.query(DASHBOARD, { variables: { ids: IDS }, token: 'sandbox-viewer' });
    const metrics = await (await fetch(`${stack.origin}/metrics`)).text();
    expect(metrics).toContain('backfill_gateway_quota_credentials{level="nearly_out"} 1');
    expect(metrics).toContain('backfill_gateway_quota_credentials{level="plenty"} 1');
    expect(metrics).toContain('backfill_gateway_quota_remaining_least 150');
    expect(metrics).toContain('backfill_gateway_quota_stretch_greatest ');
  });
});

function resource(n: number): Resource {
  return { kind: 'latest', teamId: '1' as ResourceId, id: String(5_000 + n) as ResourceId };
}

function verified(at: number): Known {
  const answer = new UpstreamError('notFound', 'none yet');
  return { outcome: answer, verifiedAt: at, confirmedAt: at, freshUntil: at, interest: new Interest(at) };
}

interface Minute {
  readonly calls: number;
  readonly busiestSecond: number;
  readonly remaining: number;
  /** At the end of the minute. */
  readonly stretch: number;
}

/**
 * Simulates transfers of one team that are all read at the same time first, and every second from then on. The team
 * list is read once per lifetime; each transfer is resynced once per final lifetime.
 */
function ofAPage(transfers: number, limit: number, minutes: number): readonly Minute[] {
  const clock = createManualClock();
  const governor = createGovernor(clock, SETTINGS);
  const lifetimes = createFreshness({ ttlMs: 2_000, finalTtlMs: MINUTE }, governor);
  const call = (reason: 'miss' | 'refresh' | 'resync', headers = {}): void => {
    governor.expectCall('a', reason);
    governor.callBegan('a')({ status: 200, headers, text: '' });
  };
  call('miss', { 'x-ratelimit-limit': String(limit), 'x-ratelimit-remaining': String(limit - 1) });
  for (let n = 1; n < transfers; n++) call('miss');
  const known = Array.from({ length: transfers }, () => verified(clock.monotonic()));
  let listedAt = clock.monotonic();

  return Array.from({ length: minutes }, () => {
    const seconds = Array.from({ length: 60 }, () => {
      clock.advance(1_000);
      const now = clock.monotonic();
      const current = lifetimes('a');
      const due = known.flatMap((last, n) => (isDue(resource(n), last, now, current) ? [n] : []));
      for (const n of due) {
        call('resync');
        known[n] = verified(now);
      }
      const isListDue = now - listedAt >= current.changingMs;
      if (isListDue) {
        call('refresh');
        listedAt = now;
      }
      return due.length + Number(isListDue);
    });
    return {
      calls: seconds.reduce((a, b) => a + b, 0),
      busiestSecond: Math.max(...seconds),
      remaining: governor.remaining('a'),
      stretch: governor.stretch('a').changing,
    };
  });
}

describe('a page with several times the demand of the quota', () => {
  const hours = ofAPage(200, 5_000, 130);
  const settled = hours.slice(10);

  it('spends the quota evenly over the hour, and never to the end', () => {
    for (let minute = 10; minute < 130; minute += 10) {
      const tenMinutes = hours.slice(minute, minute + 10);
      const calls = tenMinutes.reduce((all, one) => all + one.calls, 0);
      // A sixth of 4,750 is 792.
      expect(calls).toBeGreaterThan(700);
      expect(calls).toBeLessThan(850);
    }
    const left = hours.map(({ remaining }) => remaining);
    expect(Math.min(...left)).toBeGreaterThan(200);
    expect(Math.min(...left)).toBeLessThan(350);
  });

  it('keeps the stretch steady', () => {
    const stretches = settled.map(({ stretch }) => stretch);
    expect(Math.max(...stretches) / Math.min(...stretches)).toBeLessThan(1.3);
  });

  it('spreads the resyncs of values that were read at the same time', () => {
    expect(Math.max(...settled.map(({ busiestSecond }) => busiestSecond))).toBeLessThan(30);
  });

  it('forecasts the first resync of all values, so that it does not use up a small quota', () => {
    for (const { remaining } of ofAPage(400, 1_000, 130)) expect(remaining).toBeGreaterThanOrEqual(40);
  });
});

describe('a resync', () => {
  const due = (finalMs: number, finalSpreadMs: number, age: number): number =>
    Array.from({ length: 200 }, (_, n) => resource(n)).filter((one) =>
      isDue(one, verified(1_000), 1_000 + age, { changingMs: 2_000, finalMs, finalSpreadMs }),
    ).length;

  it('is due when the final lifetime has passed, and no sooner', () => {
    expect(due(60_000, 0, 59_999)).toBe(0);
    expect(due(60_000, 0, 60_000)).toBe(200);
  });

  it('is spread evenly over the end of a stretched lifetime', () => {
    expect(due(240_000, 45_000, 195_000)).toBe(0);
    expect(due(240_000, 45_000, 217_500)).toBeGreaterThan(90);
    expect(due(240_000, 45_000, 217_500)).toBeLessThan(110);
    expect(due(240_000, 45_000, 240_000)).toBe(200);
  });

  it('is due after the configured lifetime while there is plenty of quota', () => {
    const governor = createGovernor(createManualClock(), SETTINGS);
    const lifetimes = createFreshness({ ttlMs: 2_000, finalTtlMs: MINUTE }, governor)('a');
    expect(lifetimes).toEqual({ changingMs: 2_000, finalMs: MINUTE, finalSpreadMs: 0 });
  });
});

describe('MinuteCounter', () => {
  it('has a pace at which no coming hour exceeds the limit', () => {
    const hour = new MinuteCounter(0);
    expect(greatestPace(hour, 0, 600)).toBeCloseTo(600, -1);
    // Calls that were all made at once have to leave the hour first.
    hour.add(0, 600);
    expect(greatestPace(hour, 30 * MINUTE, 600)).toBe(0);
    expect(greatestPace(hour, 61 * MINUTE, 600)).toBeCloseTo(600, -1);
  });

  it('keeps the pace steady while calls are made at that pace', () => {
    const hour = new MinuteCounter(0);
    for (let minute = 0; minute < 200; minute++) hour.add(minute * MINUTE, 10);
    expect(greatestPace(hour, 199.99 * MINUTE, 600)).toBeGreaterThan(560);
    expect(greatestPace(hour, 199.99 * MINUTE, 600)).toBeLessThan(640);
  });

  it('drops the oldest calls first when it is corrected downwards', () => {
    const hour = new MinuteCounter(0);
    hour.add(0, 100);
    hour.add(30 * MINUTE, 50);
    hour.correctTo(30 * MINUTE, 60);
    expect(hour.total(30 * MINUTE)).toBe(60);
    expect(hour.total(61 * MINUTE)).toBe(50);
    hour.correctTo(61 * MINUTE, 80);
    expect(hour.total(91 * MINUTE)).toBe(30);
  });

  it('measures the rate of calls without a jump at the end of a minute', () => {
    const hour = new MinuteCounter(0);
    for (let second = 0; second < 90; second++) hour.add(second * 1_000, 2);
    expect(hour.rate(90_000, 5)).toBeCloseTo(7_200);
    for (let second = 90; second < 900; second++) {
      hour.add(second * 1_000, 2);
      expect(hour.rate(second * 1_000 + 999, 5)).toBeGreaterThan(7_000);
      expect(hour.rate(second * 1_000 + 999, 5)).toBeLessThan(7_400);
    }
    expect(hour.within(15 * MINUTE, 2.5)).toBeCloseTo(300);
  });

  it('remembers as many minutes as it is created with', () => {
    const long = new MinuteCounter(0, 120);
    long.add(0, 7);
    expect(long.within(110 * MINUTE, 120)).toBe(7);
    expect(long.within(110 * MINUTE, 60)).toBe(0);
    expect(long.within(130 * MINUTE, 120)).toBe(0);
  });

  it('tells when the next call leaves the hour', () => {
    const hour = new MinuteCounter(0);
    expect(timeUntilRelief(hour, 0)).toBe(0);
    hour.add(10 * MINUTE, 1);
    expect(timeUntilRelief(hour, 20 * MINUTE)).toBe(51 * MINUTE);
    expect(timeUntilRelief(hour, 71 * MINUTE)).toBe(0);
  });
});
