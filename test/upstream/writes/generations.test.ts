import { describe, expect, it } from 'vitest';
import type { FaultTarget } from '../../../src/sandbox/faults.ts';
import { codesOf, createLatch, type Result, type Stack, startStack } from '../../harness.ts';
import { overSse, overWebSocket } from '../../support/streams.ts';

const NO_CACHE = { headers: { 'cache-control': 'no-cache' } };

const byId = (id: string): string => `{ backfill(id: "${id}") { id status } }`;
const latestOf = (id: string): string => `{ transfer(id: "${id}") { latestBackfill { id status } } }`;
const page = (...ids: string[]): string =>
  `{ ${ids.map((id, n) => `b${n}: backfill(id: "${id}") { status }`).join(' ')} }`;
const latest = (id: string, status: string): object => ({ transfer: { latestBackfill: { id, status } } });

async function create(stack: Stack, transferId: string): Promise<string> {
  const { data, errors } = await stack.query(
    `mutation { createBackfill(input: { transferId: "${transferId}", rangeStartDate: "2020-01-01", rangeEndDate: "2020-01-31" }) { id } }`,
  );
  stack.clock.advance(1);
  expect(errors).toBeUndefined();
  return (data as { createBackfill: { id: string } }).createBackfill.id;
}

async function cancel(stack: Stack, id: string): Promise<void> {
  const { data } = await stack.query(`mutation { cancelBackfill(id: "${id}") { status } }`);
  stack.clock.advance(1);
  expect(data).toEqual({ cancelBackfill: { status: 'CANCELLED' } });
}

/** Holds the next answer to such a request, as it is at the request, and waits until it is held. */
async function hold<Value>(
  stack: Stack,
  when: FaultTarget,
  begin: () => Value,
): Promise<{ readonly begun: Value; release(): void }> {
  const latch = createLatch();
  stack.sandbox.faults.add({ when, answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' } });
  const before = stack.sandbox.calls.inFlight;
  const begun = begin();
  await expect.poll(() => stack.sandbox.calls.inFlight).toBeGreaterThan(before);
  stack.clock.advance(1);
  return { begun, release: latch.open };
}

/** Two running backfills, of the transfers 5 and 6, which are known and have to be asked for again. */
async function twoKnown(): Promise<{ readonly stack: Stack; readonly five: string; readonly six: string }> {
  const stack = await startStack();
  const [five = '', six = ''] = ['5', '6'].map((transferId) =>
    stack.world.addBackfill({ transferId, status: 'RUNNING' }),
  );
  await stack.query(`{ a: ${latestOf('5').slice(1, -1)} b: ${latestOf('6').slice(1, -1)} }`);
  stack.clock.advance(5_000);
  return { stack, five, six };
}

describe('a read that began before a write shows nothing that is older', () => {
  it('by id, of a backfill that is cancelled meanwhile', async () => {
    const { stack, five } = await twoKnown();
    const held = await hold(stack, { operation: 'getBackfillById' }, () => stack.query(byId(five), NO_CACHE));
    await cancel(stack, five);
    expect((await stack.query(byId(five))).data).toEqual({ backfill: { id: five, status: 'CANCELLED' } });
    held.release();
    expect((await held.begun).data).toEqual({ backfill: { id: five, status: 'CANCELLED' } });
    const calls = stack.sandbox.calls.count();
    for (const text of [byId(five), latestOf('5')])
      expect(JSON.stringify((await stack.query(text)).data)).toContain('CANCELLED');
    // The latest one had to be asked for again, as had been so before.
    expect(stack.sandbox.calls.count()).toBeLessThanOrEqual(calls + 1);
  });

  it('by id, in a state whose place in the life of a backfill the gateway does not know', async () => {
    const { stack, five } = await twoKnown();
    stack.world.set(five, { status: 'PAUSED' });
    const held = await hold(stack, { operation: 'getBackfillById' }, () => stack.query(byId(five), NO_CACHE));
    stack.world.set(five, { status: 'RUNNING' });
    await cancel(stack, five);
    held.release();
    expect((await held.begun).data).toEqual({ backfill: { id: five, status: 'CANCELLED' } });
    expect((await stack.query(byId(five))).data).toEqual({ backfill: { id: five, status: 'CANCELLED' } });
  });

  it('as the latest of a transfer for which another is created meanwhile', async () => {
    const { stack } = await twoKnown();
    const held = await hold(stack, { operation: 'getLatestBackfill', id: '5' }, () =>
      stack.query(latestOf('5'), NO_CACHE),
    );
    const created = await create(stack, '5');
    expect((await stack.query(latestOf('5'))).data).toEqual(latest(created, 'CREATED'));
    held.release();
    expect((await held.begun).data).toEqual(latest(created, 'CREATED'));
    expect((await stack.query(latestOf('5'))).data).toEqual(latest(created, 'CREATED'));
  });

  it('as none, of a transfer for which the first is created meanwhile', async () => {
    const stack = await startStack();
    stack.world.addTransfer('1', '7');
    const held = await hold(stack, { operation: 'getLatestBackfill' }, () => stack.query(latestOf('7')));
    const created = await create(stack, '7');
    held.release();
    expect((await held.begun).data).toEqual(latest(created, 'CREATED'));
    expect((await stack.query(latestOf('7'))).data).toEqual(latest(created, 'CREATED'));
  });

  it('from the list, which does not hold what was created and holds what was cancelled meanwhile', async () => {
    const { stack, five, six } = await twoKnown();
    const held = await hold(stack, { operation: 'listIncompleteBackfills' }, () =>
      stack.query(page(five, six)),
    );
    await cancel(stack, five);
    const created = await create(stack, '5');
    held.release();
    expect((await held.begun).data).toEqual({ b0: { status: 'CANCELLED' }, b1: { status: 'RUNNING' } });
    // Until its lifetime ends, and after it, when only another list may say what this one did not hold.
    for (const wait of [0, 1_000, 2_000, 2_000]) {
      stack.clock.advance(wait);
      expect((await stack.query(latestOf('5'))).data).toEqual(
        latest(created, expect.stringMatching(/CREATED|SCHEDULED|RUNNING/) as string),
      );
      expect((await stack.query(byId(five))).data).toEqual({ backfill: { id: five, status: 'CANCELLED' } });
    }
  });

  it('as the list, which has what was created and not what was cancelled meanwhile', async () => {
    const { stack, five, six } = await twoKnown();
    for (const transfer of ['7', '8']) stack.world.addTransfer('1', transfer);
    const ids = ({ data }: Result): readonly string[] =>
      (data as { incompleteBackfills: { items: { id: string }[] } }).incompleteBackfills.items.map(
        ({ id }) => id,
      );
    const LIST = '{ incompleteBackfills { items { id } } }';
    expect(ids(await stack.query(LIST)).toSorted()).toEqual([five, six]);
    const first = await create(stack, '7');
    const calls = stack.sandbox.calls.count();
    expect(ids(await stack.query(LIST))[0]).toBe(first);
    expect(stack.sandbox.calls.count()).toBe(calls);

    stack.clock.advance(5_000);
    const held = await hold(stack, { operation: 'listIncompleteBackfills' }, () => stack.query(LIST));
    const second = await create(stack, '8');
    await cancel(stack, six);
    held.release();
    const expected = [second, first, five];
    expect(ids(await held.begun)).toEqual(expected);
    expect(ids(await stack.query(LIST))).toEqual(expected);
  });

  it('and is not joined after it, where nothing is kept', async () => {
    // No second try of the read that is held helps those who joined it.
    const stack = await startStack({ CACHE_TTL_MS: '0', UPSTREAM_TIMEOUT_MS: '600000' });
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const held = await hold(stack, { operation: 'getBackfillById' }, () => stack.query(byId(id)));
    await cancel(stack, id);
    expect((await stack.query(byId(id))).data).toEqual({ backfill: { id, status: 'CANCELLED' } });
    held.release();
    await held.begun;
  });

  it.each([
    ['SSE', overSse],
    ['WebSocket', overWebSocket],
  ])('in a stream over %s, whose poll was under way', async (_name, subscribe) => {
    const { stack, five } = await twoKnown();
    const stream = subscribe(stack.origin, `subscription { backfillUpdated(id: "${five}") { status } }`);
    await expect.poll(() => stream.events.length).toBe(1);
    const held = await hold(stack, { operation: 'getBackfillById' }, () => stack.clock.advance(2_000));
    await cancel(stack, five);
    held.release();
    await stream.completed;
    expect(stream.events.map(({ data }) => data)).toEqual([
      { backfillUpdated: { status: 'RUNNING' } },
      { backfillUpdated: { status: 'CANCELLED' } },
    ]);
  });
});

describe('after a create of unknown outcome', () => {
  async function lost(stack: Stack): Promise<Result> {
    stack.sandbox.faults.add({
      when: { operation: 'createBackfill' },
      answer: { kind: 'reset', at: 'after-headers' },
    });
    const result = await stack.query(
      'mutation { createBackfill(input: { transferId: "5", rangeStartDate: "2020-01-01", rangeEndDate: "2020-01-31" }) { id } }',
    );
    expect(codesOf(result)).toEqual(['OUTCOME_UNKNOWN']);
    stack.clock.advance(1);
    return result;
  }

  it('the latest of its transfer is asked for again, however fresh it was', async () => {
    const { stack, five } = await twoKnown();
    expect((await stack.query(latestOf('5'))).data).toEqual(latest(five, 'RUNNING'));
    stack.clock.advance(1);
    await lost(stack);
    const { data } = await stack.query(latestOf('5'));
    expect(data).not.toEqual(latest(five, 'RUNNING'));
    expect(data).toMatchObject({ transfer: { latestBackfill: { status: 'CREATED' } } });
    // What has been asked for since is fresh again.
    const calls = stack.sandbox.calls.count();
    expect((await stack.query(latestOf('5'))).data).toEqual(data);
    expect(stack.sandbox.calls.count()).toBe(calls);
  });

  it('an answer that was asked for before it is not taken for a recent one', async () => {
    const { stack } = await twoKnown();
    const held = await hold(stack, { operation: 'getLatestBackfill', id: '5' }, () =>
      stack.query(latestOf('5'), NO_CACHE),
    );
    await lost(stack);
    held.release();
    await held.begun;
    for (const options of [NO_CACHE, {}])
      expect((await stack.query(latestOf('5'), options)).data).toMatchObject({
        transfer: { latestBackfill: { status: 'CREATED' } },
      });
  });

  it('a list that was asked for before it confirms nothing by what it does not hold', async () => {
    const { stack, five, six } = await twoKnown();
    stack.world.cancelBackfill('1', five);
    const both = `{ transfer(id: "5") { latestBackfill { id status } } b: backfill(id: "${six}") { status } }`;
    await stack.query(latestOf('5'));
    stack.clock.advance(5_000);
    const held = await hold(stack, { operation: 'listIncompleteBackfills' }, () => stack.query(both));
    await lost(stack);
    held.release();
    await held.begun;
    expect((await stack.query(latestOf('5'))).data).toMatchObject({
      transfer: { latestBackfill: { status: 'CREATED' } },
    });
  });

  it.each([
    ['a query', {}],
    ['one that wants no cached value', NO_CACHE],
  ])('the list is asked for again, by %s', async (_name, options) => {
    const { stack, five } = await twoKnown();
    const LIST = '{ incompleteBackfills { items { id } } }';
    await stack.query(LIST);
    stack.clock.advance(1);
    await lost(stack);
    const { data } = await stack.query(LIST, options);
    const { items } = (data as { incompleteBackfills: { items: { id: string }[] } }).incompleteBackfills;
    expect(items).toHaveLength(3);
    expect(items[0]?.id).not.toBe(five);
  });

  it('the last known value stands in, marked as stale, where the REST API cannot be asked', async () => {
    const { stack, five } = await twoKnown();
    await lost(stack);
    stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 500 } });
    const { data } = await stack.query('{ transfer(id: "5") { latestBackfill { id isStale } } }');
    expect(data).toEqual({ transfer: { latestBackfill: { id: five, isStale: true } } });
  });
});

describe('after a cancel of unknown outcome', () => {
  it('an answer that was asked for before it is not taken for a recent one', async () => {
    const { stack, five } = await twoKnown();
    const held = await hold(stack, { operation: 'getBackfillById' }, () => stack.query(byId(five), NO_CACHE));
    // It was done, and neither its answer nor the read that follows it says so.
    stack.sandbox.faults.add({
      when: { operation: 'updateBackfillStatus' },
      answer: { kind: 'reset', at: 'after-headers' },
    });
    stack.sandbox.faults.add({
      when: { operation: 'getBackfillById' },
      answer: { kind: 'status', status: 500 },
    });
    const result = await stack.query(`mutation { cancelBackfill(id: "${five}") { status } }`);
    expect(codesOf(result)).toEqual(['OUTCOME_UNKNOWN']);
    stack.clock.advance(1);
    held.release();
    await held.begun;
    expect((await stack.query(byId(five))).data).toEqual({ backfill: { id: five, status: 'CANCELLED' } });
  });

  it('nobody joins the read of a latest backfill that was begun before it', async () => {
    const stack = await startStack({ UPSTREAM_TIMEOUT_MS: '600000' });
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const held = await hold(stack, { operation: 'getLatestBackfill' }, () => stack.query(latestOf('5')));
    stack.sandbox.faults.add({
      when: { operation: 'updateBackfillStatus' },
      answer: { kind: 'reset', at: 'after-headers' },
    });
    stack.sandbox.faults.add({
      when: { operation: 'getBackfillById' },
      answer: { kind: 'status', status: 500 },
    });
    const result = await stack.query(`mutation { cancelBackfill(id: "${id}") { status } }`);
    expect(codesOf(result)).toEqual(['OUTCOME_UNKNOWN']);
    stack.clock.advance(1);
    expect((await stack.query(latestOf('5'))).data).toEqual(latest(id, 'CANCELLED'));
    held.release();
    await held.begun;
  });
});
