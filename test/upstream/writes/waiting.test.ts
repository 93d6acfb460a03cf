import { expect, it } from 'vitest';
import { codesOf, createLatch, startStack } from '../../harness.ts';

const CREATE =
  'mutation { createBackfill(input: { transferId: "5", rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-31" }) { id } }';

const HELD = '{ backfill(id: "1") { id } }';

async function withSlotTaken(env: Readonly<Record<string, string>>) {
  const stack = await startStack({ ...env, UPSTREAM_MAX_CONCURRENCY: '1' });
  stack.world.addTransfer('1', '5');
  const latch = createLatch();
  stack.sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
  const holder = stack.query(HELD);
  await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
  return { ...stack, holder, release: latch.open };
}

it('a write gets the next free slot before reads', async () => {
  const { query, sandbox, clock, origin, holder, release } = await withSlotTaken({});
  const reads = ['2', '3'].map((id) => query(`{ backfill(id: "${id}") { id } }`));
  const waiting = async (): Promise<string> => {
    // For the metrics to be taken anew.
    clock.advance(1_001);
    return (await fetch(`${origin}/metrics`)).text();
  };
  await expect.poll(waiting).toMatch(/upstream_calls_waiting 2/);
  const write = query(CREATE);
  await expect.poll(waiting).toMatch(/upstream_calls_waiting 3/);
  release();
  expect((await write).errors).toBeUndefined();
  await Promise.all([holder, ...reads]);
  expect(sandbox.calls.all.map(({ operation }) => operation)).toEqual([
    'getBackfillById',
    'createBackfill',
    'getBackfillById',
    'getBackfillById',
  ]);
});

it('a write that gets no slot is not sent, and may be sent again', async () => {
  const { query, sandbox, holder, release } = await withSlotTaken({ UPSTREAM_TIMEOUT_MS: '2000' });
  const { extensions } = (await query(CREATE)).errors?.[0] ?? {};
  expect(extensions).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE', retryable: true });
  release();
  await holder;
  expect(sandbox.calls.count('createBackfill')).toBe(0);
});

it('a circuit that opens ends no write, and the write that finds out whether it may close has its whole time', async () => {
  const stack = await startStack();
  stack.world.addTransfer('1', '5');
  const slow = { when: { operation: 'createBackfill' }, answer: { kind: 'delay', ms: 1_300 } } as const;
  stack.sandbox.faults.add(slow);
  const underWay = stack.query(CREATE);
  await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
  stack.sandbox.faults.add({ times: 10, answer: { kind: 'status', status: 500 } });
  for (let n = 1; n <= 10; n++) await stack.query(`{ backfill(id: "${n}") { id } }`);
  const refused = await stack.query(CREATE.replace('2026-01-01', '2026-01-02'));
  expect(codesOf(refused)).toEqual(['UPSTREAM_UNAVAILABLE']);
  expect((await underWay).errors).toBeUndefined();
  stack.clock.advance(1_000);
  stack.sandbox.faults.add(slow);
  const probe = await stack.query(CREATE.replaceAll('2026', '2025'));
  expect(probe.errors).toBeUndefined();
  expect(stack.sandbox.calls.count('createBackfill')).toBe(2);
});

it('the writes of one caller that hang leave three quarters of the slots to others', async () => {
  const stack = await startStack({ UPSTREAM_MAX_CONCURRENCY: '8' });
  stack.world.addTransfer('1', '5');
  const latch = createLatch();
  const hung = {
    when: { operation: 'createBackfill' },
    answer: { kind: 'hold', until: latch.opened },
  } as const;
  stack.sandbox.faults.add({ times: 2, ...hung });
  const writes = ['2024', '2025'].map((year) => stack.query(CREATE.replaceAll('2026', year)));
  await expect.poll(() => stack.sandbox.calls.inFlight).toBe(2);
  const { extensions } = (await stack.query(CREATE)).errors?.[0] ?? {};
  expect(extensions).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE', retryable: true, retryAfterSeconds: 1 });
  stack.world.addToken('another', { teams: 'all', permissions: 'edit' });
  expect((await stack.query(CREATE, { token: 'another' })).errors).toBeUndefined();
  latch.open();
  for (const { errors } of await Promise.all(writes)) expect(errors).toBeUndefined();
  expect((await stack.query(CREATE.replaceAll('2026', '2023'))).errors).toBeUndefined();
});
