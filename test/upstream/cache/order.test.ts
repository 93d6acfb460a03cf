import { describe, expect, it } from 'vitest';
import { createLatch, type Result, type Stack, startStack } from '../../harness.ts';

const NO_CACHE = { headers: { 'cache-control': 'no-cache' } };
const FIELDS = 'id status transferRunsCompleted';

function byId(stack: Stack, id: string, options = {}): Promise<Result> {
  return stack.query(`{ backfill(id: "${id}") { ${FIELDS} } }`, options);
}

function page(stack: Stack, ids: readonly string[]): Promise<Result> {
  return stack.query(`{ ${ids.map((id, n) => `b${n}: backfill(id: "${id}") { ${FIELDS} }`).join(' ')} }`);
}

/** Two running backfills with ten runs done each, known and no longer fresh. */
async function twoKnown(): Promise<{ stack: Stack; ids: readonly [string, string] }> {
  const stack = await startStack();
  const [one, two] = ['5', '6'].map((transferId) =>
    stack.world.addBackfill({ transferId, status: 'RUNNING' }),
  );
  const ids = [one ?? '', two ?? ''] as const;
  for (const id of ids) stack.world.set(id, { transfer_runs_completed: 10 });
  await page(stack, ids);
  stack.clock.advance(5_000);
  return { stack, ids };
}

describe('a backfill that was shown in one state is not shown in an older one', () => {
  it('when the answer of its own endpoint is overtaken by the list', async () => {
    const { stack, ids } = await twoKnown();
    const latch = createLatch();
    // It was made before the runs were done, and comes after the list that has them.
    stack.sandbox.faults.add({
      when: { operation: 'getBackfillById' },
      answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' },
    });
    const late = byId(stack, ids[0], NO_CACHE);
    await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
    stack.clock.advance(10);
    stack.world.set(ids[0], { transfer_runs_completed: 20 });
    const other = stack.world.addBackfill({ transferId: '7', status: 'RUNNING' });
    expect((await page(stack, [ids[1], other])).errors).toBeUndefined();
    expect(stack.sandbox.calls.count('listIncompleteBackfills')).toBeGreaterThan(0);
    stack.clock.advance(10);
    latch.open();
    expect((await late).data).toMatchObject({ backfill: { transferRunsCompleted: 20 } });
    expect((await byId(stack, ids[0])).data).toMatchObject({ backfill: { transferRunsCompleted: 20 } });
  });

  it('when the list is overtaken by the answer of its own endpoint', async () => {
    const { stack, ids } = await twoKnown();
    const latch = createLatch();
    stack.sandbox.faults.add({
      when: { operation: 'listIncompleteBackfills' },
      answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' },
    });
    const list = page(stack, ids);
    await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
    stack.clock.advance(10);
    stack.world.set(ids[0], { transfer_runs_completed: 20 });
    const latest = await stack.query(`{ transfer(id: "5") { latestBackfill { ${FIELDS} } } }`);
    expect(latest.data).toMatchObject({ transfer: { latestBackfill: { transferRunsCompleted: 20 } } });
    stack.clock.advance(10);
    latch.open();
    expect((await list).data).toMatchObject({ b0: { transferRunsCompleted: 20 } });
    expect((await byId(stack, ids[0])).data).toMatchObject({ backfill: { transferRunsCompleted: 20 } });
  });

  it('when a 404 of its own endpoint is overtaken by the list, which has it', async () => {
    const { stack, ids } = await twoKnown();
    const latch = createLatch();
    stack.sandbox.faults.add({
      when: { operation: 'getBackfillById', id: '77' },
      answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' },
    });
    const late = byId(stack, '77', NO_CACHE);
    await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
    stack.clock.advance(10);
    stack.world.addBackfill({ id: '77', transferId: '7', status: 'RUNNING' });
    await page(stack, ids);
    expect((await byId(stack, '77')).data).toMatchObject({ backfill: { id: '77' } });
    stack.clock.advance(10);
    latch.open();
    expect((await late).data).toMatchObject({ backfill: { id: '77' } });
    expect((await byId(stack, '77')).data).toMatchObject({ backfill: { id: '77' } });
  });

  it('and a later call is believed even where its state looks older', async () => {
    const { stack, ids } = await twoKnown();
    stack.world.set(ids[0], { transfer_runs_completed: 3 });
    expect((await byId(stack, ids[0])).data).toMatchObject({ backfill: { transferRunsCompleted: 3 } });
  });
});

describe('a newer backfill that was shown as the latest is not followed by an older one', () => {
  it.each([
    ['another backfill', '5'],
    ['none', '7'],
  ])('when an answer that says %s is overtaken by the list', async (_name, transferId) => {
    const { stack, ids } = await twoKnown();
    stack.world.addTransfer('1', '7');
    const latest = (options = {}): Promise<Result> =>
      stack.query(`{ transfer(id: "${transferId}") { latestBackfill { id } } }`, options);
    await latest();
    const latch = createLatch();
    stack.sandbox.faults.add({
      when: { operation: 'getLatestBackfill' },
      answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' },
    });
    stack.clock.advance(5_000);
    const late = latest(NO_CACHE);
    await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
    stack.clock.advance(10);
    const newer = stack.world.addBackfill({ transferId, status: 'RUNNING' });
    const shown = { transfer: { latestBackfill: { id: newer } } };
    await page(stack, ids);
    expect((await latest()).data).toEqual(shown);
    stack.clock.advance(10);
    latch.open();
    expect((await late).data).toEqual(shown);
    expect((await latest()).data).toEqual(shown);
  });
});

describe('what was dropped', () => {
  it.each([401, 403])(
    'does not come back with an answer that was under way when a %i came',
    async (status) => {
      const { stack, ids } = await twoKnown();
      const latch = createLatch();
      stack.sandbox.faults.add({
        when: { id: ids[0] },
        answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' },
      });
      const late = byId(stack, ids[0], NO_CACHE);
      await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
      stack.clock.advance(10);
      stack.sandbox.faults.add({ when: { id: ids[1] }, answer: { kind: 'status', status } });
      await byId(stack, ids[1], NO_CACHE);
      latch.open();
      await late;
      stack.sandbox.calls.reset();
      await byId(stack, ids[0]);
      expect(stack.sandbox.calls.count()).toBe(1);
    },
  );
});
