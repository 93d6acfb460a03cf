import { describe, expect, it } from 'vitest';
import { codesOf, type Result, type Stack, startStack } from '../../harness.ts';

const NO_CACHE = { headers: { 'cache-control': 'no-cache' } };
const PAGE = 'query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { id } } }';
const HANDFUL = 8;

function latest({ query }: Stack, id: string, options = {}): Promise<Result> {
  return query(`{ transfer(id: "${id}") { latestBackfill { id } } }`, options);
}

/** The calls that reading a page of 100 transfers made. */
async function pageOf100(stack: Stack): Promise<number> {
  const ids = Array.from({ length: 100 }, (_, n) => String(n + 1));
  const before = stack.sandbox.calls.count();
  expect((await stack.query(PAGE, { variables: { ids } })).errors).toHaveLength(100);
  return stack.sandbox.calls.count() - before;
}

describe('a refusal', () => {
  it.each([401, 403, 429])(
    'with %i costs a page of 100 a handful of calls, and few at ten polls',
    async (status) => {
      const stack = await startStack();
      stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status } });
      const calls: number[] = [];
      for (let poll = 0; poll < 10; poll++) {
        calls.push(await pageOf100(stack));
        stack.clock.advance(2_000);
      }
      for (const each of calls) expect(each).toBeLessThanOrEqual(HANDFUL);
      expect(calls.filter((each) => each > 0)).toHaveLength(4);
    },
  );

  it('with 429 that names no time makes few calls of 60 reads, and says when to come back', async () => {
    const stack = await startStack();
    stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 429 } });
    const all = await Promise.all(Array.from({ length: 60 }, (_, n) => latest(stack, String(n + 1))));
    expect(new Set(all.flatMap(codesOf))).toEqual(new Set(['RATE_LIMITED']));
    expect(stack.sandbox.calls.count()).toBeLessThanOrEqual(HANDFUL);
    expect((await latest(stack, '1')).errors).toMatchObject([{ extensions: { retryAfterSeconds: 2 } }]);
  });

  it('is remembered for CACHE_TTL_MS, and then twice as long each time, up to a minute', async () => {
    const stack = await startStack();
    stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 401 } });
    for (let second = 0; second <= 182; second += 2) {
      expect(codesOf(await latest(stack, '5'))).toEqual(['UNAUTHENTICATED']);
      stack.clock.advance(2_000);
    }
    const seconds = stack.sandbox.calls.all.map(({ at }) => at / 1_000);
    const gaps = seconds.slice(1).map((at, n) => at - (seconds[n] ?? 0));
    expect(gaps).toEqual([2, 4, 8, 16, 32, 60, 60]);
  });

  it('is remembered for a second at least', async () => {
    const stack = await startStack({ CACHE_TTL_MS: '0' });
    stack.sandbox.faults.add({ answer: { kind: 'status', status: 401 } });
    await latest(stack, '5');
    stack.clock.advance(999);
    expect(codesOf(await latest(stack, '5'))).toEqual(['UNAUTHENTICATED']);
    stack.clock.advance(1);
    expect(codesOf(await latest(stack, '5'))).toEqual([]);
  });

  it('is forgotten after an accepted call, so that the next one is short again', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const refuse = (): void => void stack.sandbox.faults.add({ answer: { kind: 'status', status: 401 } });
    for (const period of [2_000, 4_000]) {
      refuse();
      await latest(stack, '5');
      stack.clock.advance(period);
    }
    expect((await latest(stack, '5')).data).toEqual({ transfer: { latestBackfill: { id } } });
    refuse();
    await latest(stack, '6');
    stack.clock.advance(2_000);
    expect(codesOf(await latest(stack, '5'))).toEqual([]);
  });

  it('with 403 refuses the team once two different resources were refused, and no other team', async () => {
    const stack = await startStack();
    const { sandbox } = stack;
    sandbox.faults.add({ when: { teamId: '1' }, times: 3, answer: { kind: 'status', status: 403 } });
    await latest(stack, '5');
    await latest(stack, '5');
    expect(sandbox.calls.count()).toBe(2);
    await latest(stack, '6');
    expect(sandbox.calls.count()).toBe(3);
    expect(codesOf(await latest(stack, '7'))).toEqual(['FORBIDDEN']);
    expect(sandbox.calls.count()).toBe(3);
    expect(codesOf(await latest(stack, '7', { team: '2' }))).toEqual([]);
    expect(sandbox.calls.count()).toBe(4);
  });

  it('of the list is no refusal of the backfills', async () => {
    const stack = await startStack();
    const [a, b, c] = ['5', '6', '7'].map((transferId) =>
      stack.world.addBackfill({ transferId, status: 'RUNNING' }),
    );
    const { faults } = stack.sandbox;
    faults.add({ when: { operation: 'listIncompleteBackfills' }, answer: { kind: 'status', status: 403 } });
    faults.add({ when: { id: a ?? '' }, answer: { kind: 'status', status: 403 } });
    faults.add({ when: { id: b ?? '' }, answer: { kind: 'status', status: 500 } });
    const page = await stack.query(`{ a: backfill(id: "${a}") { id } b: backfill(id: "${b}") { id } }`);
    expect(codesOf(page)).toEqual(['FORBIDDEN', 'UPSTREAM_ERROR']);
    expect((await stack.query(`{ backfill(id: "${c}") { id } }`)).data).toEqual({ backfill: { id: c } });
  });

  it('is not passed by Cache-Control: no-cache', async () => {
    const stack = await startStack();
    stack.sandbox.faults.add({ answer: { kind: 'status', status: 401 } });
    await latest(stack, '5');
    stack.clock.advance(1_500);
    expect(codesOf(await latest(stack, '5', NO_CACHE))).toEqual(['UNAUTHENTICATED']);
    expect(stack.sandbox.calls.count()).toBe(1);
  });
});

describe('Cache-Control: no-cache', () => {
  const IDS = Array.from({ length: 50 }, (_, n) => String(n + 1));
  const dashboard = ({ query }: Stack): Promise<Result> =>
    query(PAGE, { variables: { ids: IDS }, ...NO_CACHE });

  it('costs ten dashboards of 50 within a second 50 calls', async () => {
    const stack = await startStack();
    for (const transferId of IDS) stack.world.addBackfill({ transferId, status: 'RUNNING' });
    for (let n = 0; n < 10; n++) {
      expect((await dashboard(stack)).errors).toBeUndefined();
      stack.clock.advance(99);
    }
    expect(stack.sandbox.calls.count()).toBe(50);
    stack.clock.advance(10);
    await dashboard(stack);
    expect(stack.sandbox.calls.count()).toBe(100);
  });

  it('costs nothing while the quota is nearly out', async () => {
    // Otherwise a stale value would stand in, and save the calls.
    const stack = await startStack({ CACHE_STALE_MS: '0' });
    for (const transferId of IDS) stack.world.addBackfill({ transferId, status: 'RUNNING' });
    const headers = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '150' };
    stack.sandbox.faults.add({
      when: { id: '404' },
      answer: { kind: 'status', status: 404, headers, body: { error: { code: 'NOT_FOUND' } } },
    });
    await dashboard(stack);
    await latest(stack, '404');
    stack.sandbox.calls.reset();
    stack.clock.advance(1_500);
    expect((await dashboard(stack)).errors).toBeUndefined();
    expect(stack.sandbox.calls.count()).toBe(0);
  });
});
