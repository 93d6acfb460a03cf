import { describe, expect, it } from 'vitest';
import { codesOf, type Stack, startStack } from '../../harness.ts';
import {
  nextCallingPoll,
  overSse,
  overWebSocket,
  type Stream,
  type StreamEvent,
} from '../../support/streams.ts';

const TRANSPORTS = [
  ['SSE', overSse],
  ['WebSocket', overWebSocket],
] as const;

const LIST = 'subscription { incompleteBackfillsUpdated { id status transferRunsCompleted isStale } }';
const LISTED = { when: { operation: 'listIncompleteBackfills' }, times: Infinity } as const;

/** A row of an event, in short: id, status, runs, and whether it is stale. */
function rowsOf({ data }: StreamEvent): readonly string[] | undefined {
  const { incompleteBackfillsUpdated: rows } = (data ?? {}) as {
    incompleteBackfillsUpdated?: readonly Record<string, unknown>[];
  };
  return rows?.map(({ id, status, transferRunsCompleted, isStale }) =>
    [id, status, transferRunsCompleted, ...(isStale === true ? ['stale'] : [])].join(' '),
  );
}

const eventsOf = ({ events }: Stream): unknown => events.map(rowsOf);

/** Running backfills with the ids 11, 12, … of which each is newer than the one before. */
function addRunning({ world, clock }: Stack, count: number, from = 11): string[] {
  return Array.from({ length: count }, (_, n) => {
    clock.advance(1_000);
    const id = world.addBackfill({ id: String(from + n), transferId: String(from + n), status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 0 });
    return id;
  });
}

describe.each(TRANSPORTS)('the live list of incomplete backfills over %s', (_name, subscribe) => {
  it('sends all, then what changed, began or left, in one event for each poll, and does not complete', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    addRunning(stack, 3);
    world.addBackfill({ id: '5', transferId: '5', status: 'COMPLETED' });
    const stream = subscribe(origin, LIST);
    await expect.poll(() => eventsOf(stream)).toEqual([['13 RUNNING 0', '12 RUNNING 0', '11 RUNNING 0']]);
    expect(sandbox.calls.count()).toBe(1);

    await nextCallingPoll(stack);
    world.set('11', { transfer_runs_completed: 1 });
    world.set('12', { status: 'COMPLETED', transfer_runs_completed: 9 });
    addRunning(stack, 1, 14);
    await nextCallingPoll(stack, 1_000);
    await nextCallingPoll(stack);
    world.set('11', { status: 'FAILED', transfer_runs_completed: 1 });
    world.set('13', { status: 'CANCELLED', transfer_runs_completed: 0 });
    world.set('14', { status: 'PAUSED' });
    await nextCallingPoll(stack);
    world.set('11', { status: 'CANCELLED', transfer_runs_completed: 1 });
    world.set('14', { status: 'COMPLETED' });
    await nextCallingPoll(stack);
    await nextCallingPoll(stack);
    addRunning(stack, 1, 15);
    await nextCallingPoll(stack, 1_000);
    await expect
      .poll(() => eventsOf(stream))
      .toEqual([
        ['13 RUNNING 0', '12 RUNNING 0', '11 RUNNING 0'],
        ['14 RUNNING 0', '11 RUNNING 1', '12 COMPLETED 9'],
        ['14 UNKNOWN 0', '11 FAILED 1', '13 CANCELLED 0'],
        ['14 COMPLETED 0', '11 CANCELLED 1'],
        ['15 RUNNING 0'],
      ]);
    expect(sandbox.calls.count('listIncompleteBackfills')).toBe(8);
    // One for each that has left.
    expect(sandbox.calls.count()).toBe(8 + 4);
  });

  it('begins with an empty event where nothing is incomplete', async () => {
    const stack = await startStack();
    stack.world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const stream = subscribe(stack.origin, LIST);
    await nextCallingPoll(stack);
    addRunning(stack, 1);
    await nextCallingPoll(stack, 1_000);
    await expect.poll(() => eventsOf(stream)).toEqual([[], ['11 RUNNING 0']]);
  });

  it('marks all stale once while the list fails, and sends fresh ones when it succeeds again', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    addRunning(stack, 2);
    const stream = subscribe(origin, LIST);
    await nextCallingPoll(stack);
    const restore = sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 500 } });
    for (let n = 0; n < 3; n++) await nextCallingPoll(stack);
    restore();
    world.set('11', { transfer_runs_completed: 1 });
    await nextCallingPoll(stack);
    const all = ['12 RUNNING 0', '11 RUNNING 0'];
    await expect
      .poll(() => eventsOf(stream))
      .toEqual([all, all.map((row) => `${row} stale`), ['12 RUNNING 0', '11 RUNNING 1']]);
  });

  it.each([
    ['500', { kind: 'status', status: 500 }, 'UPSTREAM_ERROR', 1],
    ['nonsense', { kind: 'status', status: 200, body: 'not JSON' }, 'UPSTREAM_INVALID_RESPONSE', 1],
    // Then nothing of it can be marked as stale.
    ['500 while nothing is incomplete', { kind: 'status', status: 500 }, 'UPSTREAM_ERROR', 0],
  ] as const)(
    'ends with the error when the list has been answered %s for longer than CACHE_STALE_MS',
    async (_what, answer, code, count) => {
      const stack = await startStack({ CACHE_STALE_MS: '5000' });
      const { world, origin, sandbox, clock } = stack;
      world.addBackfill({ transferId: '5', status: 'COMPLETED' });
      addRunning(stack, count);
      const stream = subscribe(origin, LIST);
      await nextCallingPoll(stack);
      const restore = sandbox.faults.add({ ...LISTED, answer });
      await nextCallingPoll(stack);
      await nextCallingPoll(stack);
      clock.advance(2_000);
      await stream.completed;
      restore();
      const events = [['11 RUNNING 0'], ['11 RUNNING 0 stale']];
      expect(eventsOf(stream)).toEqual([...(count === 0 ? [[]] : events), undefined]);
      expect(stream.events.flatMap(codesOf)).toEqual([code]);
      expect(clock.waiting).toBe(0);
    },
  );

  it.each([
    [401, 'UNAUTHENTICATED', 1],
    [403, 'FORBIDDEN', 1],
    [403, 'FORBIDDEN', 0],
  ] as const)(
    'ends at once when the list is answered %i, with %s, of %i backfills',
    async (status, code, count) => {
      const stack = await startStack();
      const { world, origin, sandbox, clock } = stack;
      world.addBackfill({ transferId: '5', status: 'COMPLETED' });
      addRunning(stack, count);
      const stream = subscribe(origin, LIST);
      await expect.poll(() => clock.waiting).toBe(1);
      sandbox.faults.add({ answer: { kind: 'status', status } });
      clock.advance(2_000);
      await stream.completed;
      expect(stream.events.map(codesOf)).toEqual([[], [code]]);
      expect(clock.waiting).toBe(0);
    },
  );

  it('is polled until its last client leaves', async () => {
    const stack = await startStack();
    const { origin, sandbox, clock, logLines } = stack;
    addRunning(stack, 2);
    const streams = [subscribe(origin, LIST), subscribe(origin, LIST)];
    await expect.poll(() => streams.map(({ events }) => events.length)).toEqual([1, 1]);
    for (const [n, stream] of streams.entries()) {
      sandbox.calls.reset();
      await nextCallingPoll(stack);
      expect(sandbox.calls.count()).toBe(1);
      stream.leave();
      await expect.poll(() => logLines.filter(({ reason }) => reason === 'left')).toHaveLength(n + 1);
    }
    expect(clock.waiting).toBe(0);
  });

  it('keeps one that cannot be read after it has left as stale, until it can', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    addRunning(stack, 2);
    const stream = subscribe(origin, LIST);
    await expect.poll(() => stream.events).toHaveLength(1);
    world.set('12', { status: 'COMPLETED', transfer_runs_completed: 3 });
    const restore = sandbox.faults.add({
      when: { id: '12' },
      times: Infinity,
      answer: { kind: 'status', status: 500 },
    });
    await nextCallingPoll(stack);
    restore();
    await nextCallingPoll(stack);
    await expect
      .poll(() => eventsOf(stream))
      .toEqual([['12 RUNNING 0', '11 RUNNING 0'], ['12 RUNNING 0 stale'], ['12 COMPLETED 3']]);
  });

  it('fails at its start where the list is refused, and without a team', async () => {
    const { origin, clock, sandbox } = await startStack();
    const streams = [
      subscribe(origin, LIST, { token: 'sandbox-noaccess' }),
      subscribe(origin, LIST, { token: null }),
      subscribe(origin, LIST, { team: null }),
    ];
    await Promise.all(streams.map(({ completed }) => completed));
    expect(streams.map(({ events }) => events.map(codesOf))).toEqual([
      [['FORBIDDEN']],
      [['UNAUTHENTICATED']],
      [['BAD_USER_INPUT']],
    ]);
    expect(streams[0]?.events[0]).toMatchObject({ errors: [{ path: ['incompleteBackfillsUpdated'] }] });
    expect(sandbox.calls.count()).toBe(1);
    expect(clock.waiting).toBe(0);
  });
});

it('the live list costs one upstream call in each interval, with pages, single backfills and queries beside it', async () => {
  const stack = await startStack();
  const { world, origin, sandbox, query } = stack;
  const ids = addRunning(stack, 20);
  const page = 'subscription ($ids: [ID!]!) { backfillsUpdated(ids: $ids) { status transferRunsCompleted } }';
  const streams = [
    ...Array.from({ length: 5 }, () => overSse(origin, LIST)),
    ...Array.from({ length: 5 }, () => overWebSocket(origin, LIST)),
    overSse(origin, page, { variables: { ids } }),
    overSse(origin, 'subscription { backfillUpdated(id: "11") { transferRunsCompleted } }'),
  ];
  const haveAll = async (events: number): Promise<void> => {
    await expect.poll(() => streams.map((stream) => stream.events.length)).toEqual(streams.map(() => events));
  };
  await haveAll(1);
  sandbox.calls.reset();
  for (let n = 1; n <= 3; n++) {
    for (const id of ids) world.set(id, { transfer_runs_completed: n });
    await nextCallingPoll(stack);
    await haveAll(1 + n);
    await query('{ incompleteBackfills { items { id } } }');
    expect(sandbox.calls.count()).toBe(n);
  }
});

it('one that stands beyond the end of a list of 100 is still told of, by its own endpoint', async () => {
  const stack = await startStack();
  const { world, origin, sandbox } = stack;
  addRunning(stack, 1);
  const stream = overSse(origin, LIST);
  await expect.poll(() => stream.events).toHaveLength(1);
  addRunning(stack, 100, 1_000);
  await expect.poll(() => stream.events.length).toBeGreaterThan(1);
  await nextCallingPoll(stack);
  sandbox.calls.reset();
  world.set('11', { transfer_runs_completed: 1 });
  await nextCallingPoll(stack);
  await expect.poll(() => stream.events.map(rowsOf).at(-1)).toEqual(['11 RUNNING 1']);
  world.set('11', { status: 'COMPLETED', transfer_runs_completed: 2 });
  await nextCallingPoll(stack);
  await expect.poll(() => stream.events.map(rowsOf).at(-1)).toEqual(['11 COMPLETED 2']);
  expect(sandbox.calls.count()).toBe(4);
  expect(new Set(stream.events.flatMap((event) => rowsOf(event) ?? [])).size).toBe(103);
});
