import { describe, expect, it } from 'vitest';
import { createLatch, type Result, type Stack, startStack } from '../../harness.ts';
import { overSse } from '../../support/streams.ts';

const NO_CACHE = { headers: { 'cache-control': 'no-cache' } };

interface Held {
  readonly stack: Stack;
  readonly id: string;
  /** Lets the held answer go. It has 20 runs done. */
  release(): void;
  read(options?: object): Promise<Result>;
}

/** A known backfill with 10 runs done, no longer fresh, whose next read is held. */
async function held(env: Readonly<Record<string, string>> = {}): Promise<Held> {
  const stack = await startStack(env);
  const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
  const read = (options = {}): Promise<Result> =>
    stack.query(`{ backfill(id: "${id}") { transferRunsCompleted isStale } }`, options);
  stack.world.set(id, { transfer_runs_completed: 10 });
  await read();
  stack.clock.advance(2_001);
  stack.world.set(id, { transfer_runs_completed: 20 });
  const latch = createLatch();
  stack.sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
  stack.sandbox.calls.reset();
  return { stack, id, read, release: latch.open };
}

const OLD = { backfill: { transferRunsCompleted: 10, isStale: true } };
const NEW = { backfill: { transferRunsCompleted: 20, isStale: false } };

async function callIsUnderWay({ sandbox }: Stack): Promise<void> {
  await expect.poll(() => sandbox.calls.inFlight).toBe(1);
}

describe('STALE_AFTER_MS', () => {
  it('answers a query stale whose read takes longer, and the read goes on for the next', async () => {
    const { stack, read, release } = await held();
    const query = read();
    await callIsUnderWay(stack);
    stack.clock.advance(3_000);
    expect((await query).data).toEqual(OLD);
    expect((await read()).data).toEqual(OLD);
    release();
    await expect.poll(() => stack.sandbox.calls.inFlight).toBe(0);
    await expect.poll(async () => (await read()).data).toEqual(NEW);
    expect(stack.sandbox.calls.count()).toBe(1);
  });

  it('counts from the start of the read that a query joins, and does not answer no-cache stale', async () => {
    const { stack, read, release } = await held();
    const first = read(NO_CACHE);
    await callIsUnderWay(stack);
    stack.clock.advance(2_000);
    const joined = read();
    await expect.poll(() => stack.clock.waiting).toBe(1);
    stack.clock.advance(1_000);
    expect((await joined).data).toEqual(OLD);
    release();
    expect((await first).data).toEqual(NEW);
    expect(stack.sandbox.calls.count()).toBe(1);
  });

  it('does not tell a stream that its backfill is stale', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const text = `subscription { backfillUpdated(id: "${id}") { transferRunsCompleted isStale } }`;
    const stream = overSse(stack.origin, text);
    await expect.poll(() => stream.events).toHaveLength(1);
    const latch = createLatch();
    stack.sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
    stack.world.set(id, { transfer_runs_completed: 20 });
    stack.clock.advance(2_000);
    await callIsUnderWay(stack);
    stack.clock.advance(10_000);
    latch.open();
    await expect.poll(() => stream.events).toHaveLength(2);
    expect(stream.events[1]).toEqual({
      data: { backfillUpdated: { transferRunsCompleted: 20, isStale: false } },
    });
  });

  it('of 0 lets every query wait for its read', async () => {
    const { stack, read, release } = await held({ STALE_AFTER_MS: '0' });
    const query = read();
    await callIsUnderWay(stack);
    stack.clock.advance(60_000);
    release();
    expect((await query).data).toEqual(NEW);
  });
});
