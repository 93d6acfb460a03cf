import { describe, expect, it } from 'vitest';
import type { FaultAnswer } from '../../../src/sandbox/faults.ts';
import { codesOf, createLatch, type Stack, startStack, TOKEN } from '../../harness.ts';
import { scrape } from '../../support/series.ts';
import { callerOf, followOver, nextPoll, openSocket, overSse } from '../../support/streams.ts';

const FAILS: FaultAnswer = { kind: 'status', status: 500 };

const byId = (id: string): string => `{ backfill(id: "${id}") { id } }`;
const LIST = '{ incompleteBackfills { items { id } } }';

/** A page of the latest backfills of so many transfers. */
const page = (count: number): string =>
  `{ transfers(ids: [${Array.from({ length: count }, (_, n) => n + 1).join()}]) { latestBackfill { id } } }`;

function addRunning({ world }: Stack, count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) =>
    world.addBackfill({ transferId: String(n + 1), status: 'RUNNING' }),
  );
}

/** Asks twice at once, and has the call answered when both wait for it. Returns the codes of both. */
async function askTogether(
  { origin, sandbox }: Stack,
  query: string,
  token = TOKEN,
): Promise<readonly (readonly string[])[]> {
  const { opened, open } = createLatch();
  sandbox.faults.add({ answer: { kind: 'hold', until: opened } });
  const client = openSocket(origin, callerOf({ token }));
  const both = [followOver(client, query), followOver(client, query)];
  // What comes over a socket is begun in its order.
  await followOver(client, '{ __typename }').completed;
  await expect.poll(() => sandbox.calls.inFlight).toBe(1);
  open();
  await Promise.all(both.map(({ completed }) => completed));
  return both.map(({ events: [event] }) => codesOf(event));
}

const readsAt = async ({ origin }: Stack): Promise<Readonly<Record<string, number>>> =>
  (await scrape(origin)).counted('cache_reads_total');

describe('cache_reads_total', () => {
  it('counts the rows of a page: a miss each at first, hits while it is fresh, and then one miss for the list of all', async () => {
    const stack = await startStack();
    const { clock, query } = stack;
    addRunning(stack, 5);
    await query(page(5));
    expect(await readsAt(stack)).toEqual({ miss: 5 });
    clock.advance(1_000);
    await query(page(5));
    expect(await readsAt(stack)).toEqual({ miss: 5, hit: 5 });
    clock.advance(1_001);
    await query(page(5));
    expect(await readsAt(stack)).toEqual({ miss: 6, hit: 5, list: 4 });
  });

  it('counts the list itself as a read, and one that joins it as shared', async () => {
    const stack = await startStack();
    const { clock, query, sandbox } = stack;
    addRunning(stack, 2);
    await askTogether(stack, LIST);
    await query(LIST);
    expect(await readsAt(stack)).toEqual({ miss: 1, shared: 1, hit: 1 });
    clock.advance(2_001);
    sandbox.faults.add({ answer: FAILS });
    await query(LIST);
    expect(await readsAt(stack)).toEqual({ miss: 1, shared: 1, hit: 1, stale: 1 });
  });

  it.each([
    ['is answered', TOKEN, []],
    ['fails', 'unknown', ['UNAUTHENTICATED']],
  ] as const)(
    'counts a read that joins one under way as shared, where it %s',
    async (_name, token, codes) => {
      const stack = await startStack();
      const [id = ''] = addRunning(stack, 1);
      expect(await askTogether(stack, byId(id), token)).toEqual([codes, codes]);
      expect(await readsAt(stack)).toEqual({ miss: 1, shared: 1 });
    },
  );

  it('counts a read that failed by its call as a miss, and one that failed without any as refused', async () => {
    const stack = await startStack();
    const { sandbox, query, clock } = stack;
    sandbox.faults.add({ answer: { kind: 'status', status: 429, headers: { 'retry-after': '90' } } });
    expect(codesOf(await query(byId('1')))).toEqual(['RATE_LIMITED']);
    expect(await readsAt(stack)).toEqual({ miss: 1 });
    expect(codesOf(await query(page(3)))).toHaveLength(3);
    expect(codesOf(await query(LIST))).toEqual(['RATE_LIMITED']);
    clock.advance(1_000);
    expect(await readsAt(stack)).toEqual({ miss: 1, refused: 4 });
    expect(sandbox.calls.count()).toBe(1);
  });

  it.each([
    ['a 401 that is remembered', {}, { kind: 'status', status: 401 }, 1],
    ['an open circuit', {}, FAILS, 10],
    ['an operation that has used up its calls', { MAX_UPSTREAM_CALLS_PER_OPERATION: '1' }, undefined, 1],
  ] as const)('counts what %s refuses', async (_name, env, answer, calls) => {
    const stack = await startStack(env);
    const { sandbox, query, world } = stack;
    for (let n = 1; n <= 3; n++) world.addTransfer('1', String(n));
    if (answer !== undefined) {
      sandbox.faults.add({ times: calls, answer });
      for (let n = 0; n < calls; n++) await query(byId(String(1_000 + n)));
    }
    await query(page(3));
    expect(sandbox.calls.count()).toBe(calls);
    const refused = answer === undefined ? 2 : 3;
    expect(await readsAt(stack)).toEqual({ miss: calls, refused });
  });

  it('counts a value that stands in for one that cannot be had as stale, whether a call failed or none was made', async () => {
    const stack = await startStack();
    const { sandbox, query, clock } = stack;
    const [id = ''] = addRunning(stack, 1);
    await query(byId(id));
    clock.advance(2_001);
    sandbox.faults.add({ answer: { kind: 'status', status: 429, headers: { 'retry-after': '90' } } });
    await query(byId(id));
    await query(byId(id));
    expect(sandbox.calls.count()).toBe(2);
    expect(await readsAt(stack)).toEqual({ miss: 1, stale: 2 });
  });

  it('counts no read of an estimate, and each read of a poll', async () => {
    const stack = await startStack();
    const [id = ''] = addRunning(stack, 1);
    await stack.query(page(3), { headers: { 'x-explain-cost': 'estimate' } });
    expect(await readsAt(stack)).toEqual({});
    overSse(stack.origin, `subscription { backfillUpdated(id: "${id}") { status } }`);
    await nextPoll(stack);
    expect(await readsAt(stack)).toEqual({ miss: 2 });
  });
});

describe('answer_age_seconds', () => {
  const agesAt = async ({ origin }: Stack): Promise<{ count: number; sum: number; within: unknown }> => {
    const scraped = await scrape(origin);
    return {
      count: scraped.value('answer_age_seconds_count'),
      sum: scraped.value('answer_age_seconds_sum'),
      within: scraped.by('answer_age_seconds_bucket'),
    };
  };

  it('has the time since fetchedAt of each value that a reader is given, hits and stale values included', async () => {
    const stack = await startStack();
    const { sandbox, query, clock } = stack;
    const [id = ''] = addRunning(stack, 1);
    const text = `{ backfill(id: "${id}") { fetchedAt } }`;
    let sum = 0;
    const ask = async (): Promise<void> => {
      const { data } = await query(text);
      const { fetchedAt } = (data as { backfill: { fetchedAt: string } }).backfill;
      sum += (clock.now() - Date.parse(fetchedAt)) / 1000;
    };
    await ask();
    clock.advance(1_500);
    await ask();
    clock.advance(10_000);
    sandbox.faults.add({ answer: FAILS });
    await ask();
    expect(sum).toBe(13);
    expect(await agesAt(stack)).toEqual({
      count: 3,
      sum: 13,
      within: {
        ...{ '0.1': 1, '0.25': 1, '0.5': 1, '1': 1, '2': 2, '3': 2, '5': 2, '10': 2 },
        ...{ '30': 3, '60': 3, '120': 3, '300': 3, '+Inf': 3 },
      },
    });
  });

  it('has one age for a list and one for a backfill that is not there, and none for a read that failed', async () => {
    const stack = await startStack();
    const { sandbox, query, clock, world } = stack;
    world.addTransfer('1', '1');
    await query(LIST);
    await query(page(1));
    clock.advance(2_000);
    await query(LIST);
    await query(page(1));
    sandbox.faults.add({ answer: FAILS });
    await query(byId('7'));
    expect(await agesAt(stack)).toMatchObject({ count: 4, sum: 4 });
  });

  it('is not renewed by a list that confirms a backfill by its absence', async () => {
    const stack = await startStack();
    const { world, query, clock, sandbox } = stack;
    addRunning(stack, 2);
    const over = world.addBackfill({ transferId: '9', status: 'COMPLETED' });
    const latest = '{ transfers(ids: [1, 2, 9]) { latestBackfill { id status } } }';
    expect((await query(latest)).body).toContain(over);
    for (let n = 0; n < 5; n++) {
      clock.advance(2_001);
      await query(latest);
    }
    expect(sandbox.calls.count('listIncompleteBackfills')).toBe(5);
    const { count, sum } = await agesAt(stack);
    expect(count).toBe(18);
    expect(sum).toBeCloseTo((1 + 2 + 3 + 4 + 5) * 2.001, 5);
  });
});
