import { describe, expect, it } from 'vitest';
import { createGovernor, MAX_FINAL_STRETCH, MAX_STRETCH } from '../src/upstream/governor.ts';
import { QuotaHour } from '../src/upstream/quota-hour.ts';
import { codesOf, createManualClock, type Stack, startStack } from './harness.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DASHBOARD = 'query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { id isStale } } }';
const IDS = ['5', '6'];

/** Has the next call answered with these headers, as 4xx answers are. */
function tell({ sandbox }: Stack, limit: number, remaining: number): void {
  sandbox.faults.add({
    when: { id: '404' },
    answer: {
      kind: 'status',
      status: 404,
      body: { meta: { request_id: 'r' }, error: { code: 'NOT_FOUND', message: 'No' } },
      headers: { 'x-ratelimit-limit': String(limit), 'x-ratelimit-remaining': String(remaining) },
    },
  });
}

async function told(stack: Stack, limit: number, remaining: number): Promise<void> {
  tell(stack, limit, remaining);
  await stack.query('{ backfill(id: 404) { id } }', { headers: { 'cache-control': 'no-cache' } });
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

describe('the calls that are left', () => {
  it('are 5,000 less our own until the REST API says otherwise', async () => {
    const stack = await knownPage();
    expect(await remaining(stack)).toBe(4_998);
    await told(stack, 1_000, 600);
    expect(await remaining(stack)).toBe(600);
    await stack.query('{ backfill(id: 405) { id } }');
    expect(await remaining(stack)).toBe(599);
  });

  it('are those of one credential', async () => {
    const stack = await knownPage();
    await told(stack, 1_000, 600);
    await stack.query(DASHBOARD, { variables: { ids: IDS }, token: 'sandbox-viewer' });
    expect(await remaining(stack)).toBe(600);
  });

  it('come back an hour after they were used', async () => {
    const stack = await knownPage();
    stack.clock.advance(HOUR - 1);
    expect(await remaining(stack)).toBe(4_998);
    stack.clock.advance(MINUTE + 1);
    expect(await remaining(stack)).toBe(5_000);
  });

  it('count retries, each of which the REST API counts', async () => {
    const stack = await startStack();
    stack.sandbox.faults.add({ answer: { kind: 'status', status: 503 } });
    await stack.query('{ backfill(id: 7) { id } }');
    expect(stack.sandbox.calls.count()).toBe(2);
    expect(await remaining(stack)).toBe(4_998);
  });
});

describe('with plenty left', () => {
  it('lifetimes are as configured', async () => {
    const stack = await knownPage();
    for (let round = 0; round < 5; round++) {
      stack.clock.advance(2_001);
      expect(await page(stack)).toEqual({ calls: 1, stale: false, codes: [] });
    }
  });
});

describe('with less left than is asked for', () => {
  it('lifetimes are stretched, so that the hour lasts, and answers say for how long', async () => {
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
    // 1,800 at a call every two seconds.
    expect(calls).toBeLessThan(500);
    expect(calls).toBeGreaterThan(200);
    expect([...ages].some((age) => Number(age.replace('private, max-age=', '')) >= 8)).toBe(true);
  });
});

describe('with nearly nothing left', () => {
  it('what is known is not read again, and says so; what is not known is', async () => {
    const stack = await knownPage();
    await told(stack, 5_000, 150);
    stack.clock.advance(60_001);
    expect(await page(stack)).toEqual({ calls: 0, stale: true, codes: [] });
    const unknown = stack.world.addBackfill({ transferId: '7', status: 'RUNNING' });
    expect((await stack.query(`{ backfill(id: "${unknown}") { isStale } }`)).data).toEqual({
      backfill: { isStale: false },
    });
  });

  it('what is known is read again when it is too old to stand in', async () => {
    const stack = await knownPage({ CACHE_STALE_MS: '90000' });
    await told(stack, 5_000, 150);
    stack.clock.advance(90_001);
    expect(await page(stack)).toMatchObject({ stale: false, codes: [] });
  });
});

describe('with nothing left', () => {
  it('no call is made but one in half a minute, which finds out whether there are any again', async () => {
    const stack = await startStack();
    await told(stack, 5_000, 0);
    const ask = (n: number) => stack.query(`{ backfill(id: ${n}) { id } }`);
    const before = stack.sandbox.calls.count();
    expect(codesOf(await ask(1))).toEqual(['NOT_FOUND']);
    // That one was answered, so there is something left again.
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

  it('is believed of the REST API only, never of our own guess at its limit', () => {
    const clock = createManualClock();
    const governor = createGovernor(clock);
    for (let n = 0; n < 6_000; n++) {
      governor.callBegan('a');
      governor.callEnded('a', { status: 200, headers: {}, text: '' });
    }
    expect(governor.remaining('a')).toBe(0);
    expect(() => {
      governor.assertAffordable('a', 'bare');
    }).not.toThrow();
    expect(() => {
      governor.assertAffordable('a', 'reserve');
    }).toThrow('nearly_out');
  });
});

describe('the governor', () => {
  it('pauses the polls of subscriptions last', () => {
    const governor = createGovernor(createManualClock());
    const left = (remaining: string): void => {
      const headers = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': remaining };
      governor.callBegan('a');
      governor.callEnded('a', { status: 404, headers, text: '' });
    };
    const affords = (reader: 'bare' | 'reserve' | 'poll'): boolean => {
      try {
        governor.assertAffordable('a', reader);
        return true;
      } catch {
        return false;
      }
    };
    const all = (): readonly boolean[] => [affords('bare'), affords('poll'), affords('reserve')];
    left('201');
    expect(all()).toEqual([true, true, true]);
    left('199');
    expect(all()).toEqual([true, true, false]);
    left('49');
    expect(all()).toEqual([true, false, false]);
  });

  it('never stretches further than it says', () => {
    const clock = createManualClock();
    const governor = createGovernor(clock);
    for (let minute = 0; minute < 120; minute++) {
      for (let n = 0; n < 500; n++) {
        governor.expectCall('a', n % 2 === 0 ? 'recheck' : 'verify');
        governor.callBegan('a');
        governor.callEnded('a', undefined);
      }
      clock.advance(MINUTE);
      const { changing, final } = governor.stretch('a');
      expect(changing).toBeLessThanOrEqual(MAX_STRETCH);
      expect(final).toBeLessThanOrEqual(MAX_FINAL_STRETCH);
    }
    expect(governor.stretch('a')).toEqual({ changing: MAX_STRETCH, final: MAX_FINAL_STRETCH });
  });

  it('tells the metrics how its credentials are', async () => {
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

describe('QuotaHour', () => {
  it('has as its pace what every hour to come can bear', () => {
    const hour = new QuotaHour(0);
    expect(hour.pace(0, 600)).toBeCloseTo(600, -1);
    // Everything used at once has to leave the hour first.
    hour.add(0, 600);
    expect(hour.pace(30 * MINUTE, 600)).toBe(0);
    expect(hour.pace(61 * MINUTE, 600)).toBeCloseTo(600, -1);
  });

  it('keeps its pace where that pace is kept', () => {
    const hour = new QuotaHour(0);
    for (let minute = 0; minute < 200; minute++) hour.add(minute * MINUTE, 10);
    expect(hour.pace(199.99 * MINUTE, 600)).toBeGreaterThan(560);
    expect(hour.pace(199.99 * MINUTE, 600)).toBeLessThan(640);
  });

  it('forgets the oldest first when it has too many', () => {
    const hour = new QuotaHour(0);
    hour.add(0, 100);
    hour.add(30 * MINUTE, 50);
    hour.correctTo(30 * MINUTE, 60);
    expect(hour.total(30 * MINUTE)).toBe(60);
    expect(hour.total(61 * MINUTE)).toBe(50);
    hour.correctTo(61 * MINUTE, 80);
    expect(hour.total(91 * MINUTE)).toBe(30);
  });

  it('says when something leaves it', () => {
    const hour = new QuotaHour(0);
    expect(hour.untilRelief(0)).toBe(0);
    hour.add(10 * MINUTE, 1);
    expect(hour.untilRelief(20 * MINUTE)).toBe(51 * MINUTE);
    expect(hour.untilRelief(71 * MINUTE)).toBe(0);
  });
});
