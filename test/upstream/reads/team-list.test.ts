import { describe, expect, it, vi } from 'vitest';
import { envelope, type FaultAnswer } from '../../../src/sandbox/faults.ts';
import type { Operation } from '../../../src/sandbox/routes.ts';
import { codesOf, createLatch, type Result, type Stack, startStack } from '../../harness.ts';

const FIELDS = 'id status transferRunsCompleted fetchedAt isStale';
const DASHBOARD = `query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { ${FIELDS} } } }`;
const AT_START = '2026-03-02T10:00:00Z';
const LATER = '2026-03-02T10:00:02.001Z';

function dashboard({ query }: Stack, ids: readonly string[]): Promise<Result> {
  return query(DASHBOARD, { variables: { ids } });
}

function byIds({ query }: Stack, ids: readonly string[], headers = {}): Promise<Result> {
  const fields = ids.map((id, n) => `b${n}: backfill(id: "${id}") { ${FIELDS} }`);
  return query(`{ ${fields.join(' ')} }`, { headers });
}

function latestOf(result: Result): readonly unknown[] {
  const { transfers } = result.data as { transfers: readonly { latestBackfill: unknown }[] };
  return transfers.map(({ latestBackfill }) => latestBackfill);
}

/** The calls since the last time, by operation. */
function callsOf({ sandbox }: Stack): Partial<Record<Operation, number>> {
  const operations: Operation[] = ['listIncompleteBackfills', 'getBackfillById', 'getLatestBackfill'];
  const counts = operations.map((operation) => [operation, sandbox.calls.count(operation)] as const);
  sandbox.calls.reset();
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

describe('several backfills by id in one operation', () => {
  it('are read from the team list first, and by id only if the list does not contain them', async () => {
    const stack = await startStack();
    const { world } = stack;
    const running = ['5', '6', '7'].map((transferId) => world.addBackfill({ transferId, status: 'RUNNING' }));
    const completed = world.addBackfill({ transferId: '8', status: 'COMPLETED' });
    const { data, errors } = await byIds(stack, [...running, completed]);
    expect(errors).toBeUndefined();
    expect(Object.values(data as object)).toMatchObject(
      [...running, completed].map((id) => ({ id, fetchedAt: AT_START, isStale: false })),
    );
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getBackfillById: 1 });
  });

  it('are read by id without a second team list while the first one is fresh', async () => {
    const stack = await startStack();
    const completed = ['5', '6', '7', '8'].map((transferId) =>
      stack.world.addBackfill({ transferId, status: 'COMPLETED' }),
    );
    await byIds(stack, completed.slice(0, 2));
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getBackfillById: 2 });
    await byIds(stack, completed.slice(2));
    expect(callsOf(stack)).toEqual({ getBackfillById: 2 });
  });

  it('fail one by one', async () => {
    const stack = await startStack();
    const running = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const { data, errors } = await byIds(stack, [running, '404']);
    expect(data).toMatchObject({ b0: { id: running }, b1: null });
    expect(errors).toMatchObject([{ path: ['b1'], extensions: { code: 'NOT_FOUND' } }]);
  });

  it('are read from one team list per team', async () => {
    const stack = await startStack();
    const ids = ['1', '2'].map((teamId) =>
      ['5', '6'].map((transferId) => stack.world.addBackfill({ teamId, transferId, status: 'RUNNING' })),
    );
    const fields = ids.flatMap((list, team) =>
      list.map((id) => `_${id}: backfill(id: "${id}", teamId: ${team + 1}) { id teamId }`),
    );
    const { data } = await stack.query(`{ ${fields.join(' ')} }`);
    expect(data).toEqual(
      Object.fromEntries(
        ids.flatMap((list, team) => list.map((id) => [`_${id}`, { id, teamId: String(team + 1) }])),
      ),
    );
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 2 });
  });

  it('are each read by id with Cache-Control: no-cache', async () => {
    const stack = await startStack();
    const ids = ['5', '6'].map((transferId) => stack.world.addBackfill({ transferId, status: 'RUNNING' }));
    await byIds(stack, ids, { 'cache-control': 'no-cache' });
    expect(callsOf(stack)).toEqual({ getBackfillById: 2 });
  });
});

describe('a page of cache misses', () => {
  it('reads each latest backfill at its own endpoint, because a row of the team list need not be the latest', async () => {
    const stack = await startStack();
    for (const transferId of ['5', '6']) stack.world.addBackfill({ transferId, status: 'RUNNING' });
    await dashboard(stack, ['5', '6']);
    expect(callsOf(stack)).toEqual({ getLatestBackfill: 2 });
  });
});

describe('a single key', () => {
  it.each(['{ transfer(id: "5") { latestBackfill { id } } }', '{ backfill(id: "77") { id } }'])(
    'is never read by the team list: %s',
    async (text) => {
      const stack = await startStack();
      stack.world.addBackfill({ id: '77', transferId: '5', status: 'RUNNING' });
      for (let round = 1; round <= 5; round++) {
        await stack.query(text);
        stack.clock.advance(2_001);
      }
      expect(stack.sandbox.calls.count('listIncompleteBackfills')).toBe(0);
      expect(stack.sandbox.calls.count()).toBe(5);
    },
  );
});

describe('widgets that each refresh one backfill', () => {
  it('share one team list, although none of them reads two backfills', async () => {
    const stack = await startStack();
    const ids = ['5', '6', '7', '8'].map((transferId) =>
      stack.world.addBackfill({ transferId, status: 'RUNNING' }),
    );
    for (let round = 1; round <= 3; round++) {
      for (const id of ids) {
        await byIds(stack, [id]);
        stack.clock.advance(500);
      }
      callsOf(stack);
    }
    for (const id of ids) {
      await byIds(stack, [id]);
      stack.clock.advance(500);
    }
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });
});

describe('a page whose values have expired', () => {
  it("is refreshed by one team list, and each fetchedAt is the time of the value's own reading", async () => {
    const stack = await startStack();
    const { world, clock } = stack;
    const running = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const completed = world.addBackfill({ transferId: '6', status: 'COMPLETED' });
    const cancelled = world.addBackfill({ transferId: '7', status: 'CANCELLED' });
    world.addTransfer('1', '8');
    const ids = ['5', '6', '7', '8'];
    await dashboard(stack, ids);
    callsOf(stack);
    world.set(running, { transfer_runs_completed: 17 });
    clock.advance(2_001);
    const result = await dashboard(stack, ids);
    expect(latestOf(result)).toMatchObject([
      { id: running, status: 'RUNNING', transferRunsCompleted: 17, fetchedAt: LATER },
      // Confirmed by absence, which does not change fetchedAt.
      { id: completed, status: 'COMPLETED', fetchedAt: AT_START, isStale: false },
      { id: cancelled, status: 'CANCELLED', fetchedAt: AT_START, isStale: false },
      null,
    ]);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    expect(result.headers.get('cache-control')).toBe('private, max-age=2');
  });

  it('shows a newly created backfill as the latest', async () => {
    const stack = await startStack();
    const { world, clock } = stack;
    world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    world.addTransfer('1', '6');
    world.addBackfill({ transferId: '7', status: 'RUNNING' });
    await dashboard(stack, ['5', '6', '7']);
    callsOf(stack);
    clock.advance(2_001);
    const newer = ['5', '6', '7'].map((transferId) => world.addBackfill({ transferId }));
    expect(latestOf(await dashboard(stack, ['5', '6', '7']))).toMatchObject(
      newer.map((id) => ({ id, status: 'CREATED', fetchedAt: LATER })),
    );
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });

  it('does not show an older failed backfill as the latest', async () => {
    const stack = await startStack();
    const { world, clock } = stack;
    const at = clock.now();
    for (const transferId of ['5', '6']) {
      world.addBackfill({ transferId, status: 'FAILED', createdAt: at - 3_600_000 });
    }
    const completed = ['5', '6'].map((transferId) => world.addBackfill({ transferId, status: 'COMPLETED' }));
    await dashboard(stack, ['5', '6']);
    clock.advance(2_001);
    expect(latestOf(await dashboard(stack, ['5', '6']))).toMatchObject(completed.map((id) => ({ id })));
  });

  it('reads a backfill once at its own endpoint after it left the team list', async () => {
    const stack = await startStack();
    const { world, clock } = stack;
    const ids = ['5', '6', '7'];
    const [ends] = ids.map((transferId) => world.addBackfill({ transferId, status: 'RUNNING' }));
    await dashboard(stack, ids);
    callsOf(stack);
    world.set(ends ?? '', { status: 'COMPLETED', end_time: '2026-03-02T10:00:01Z' });
    clock.advance(2_001);
    expect(latestOf(await dashboard(stack, ids))).toMatchObject([
      { id: ends, status: 'COMPLETED', fetchedAt: LATER },
      {},
      {},
    ]);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getLatestBackfill: 1 });
    clock.advance(2_001);
    await dashboard(stack, ids);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    // The ended backfill was read as the latest; that answers the read by id too.
    await byIds(stack, [ends ?? '']);
    expect(callsOf(stack)).toEqual({});
  });

  it('is resynced at its own endpoints after CACHE_FINAL_TTL_MS, and then shows a backfill that no team list had', async () => {
    const stack = await startStack({ CACHE_FINAL_TTL_MS: '10000' });
    const { world, clock } = stack;
    const old = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    world.addBackfill({ transferId: '6', status: 'RUNNING' });
    await dashboard(stack, ['5', '6']);
    callsOf(stack);
    clock.advance(100);
    // Created and ended between two readings of the team list.
    const unseen = world.addBackfill({
      transferId: '5',
      createdAt: clock.now(),
      scheduleDelayMs: 0,
      startDelayMs: 0,
      msPerRun: 0,
    });
    for (let age = 2_101; age < 10_000; age += 2_001) {
      clock.advance(2_001);
      expect(latestOf(await dashboard(stack, ['5', '6']))).toMatchObject([{ id: old }, {}]);
      expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    }
    clock.advance(2_001);
    expect(latestOf(await dashboard(stack, ['5', '6']))).toMatchObject([{ id: unseen }, {}]);
    expect(callsOf(stack)).toEqual({ getLatestBackfill: 2 });
  });

  it('is resynced after CACHE_FINAL_TTL_MS even if a team list has confirmed its values since', async () => {
    const stack = await startStack({ CACHE_FINAL_TTL_MS: '10000' });
    for (const transferId of ['5', '6']) stack.world.addBackfill({ transferId, status: 'COMPLETED' });
    await dashboard(stack, ['5', '6']);
    stack.clock.advance(9_000);
    const { headers } = await dashboard(stack, ['5', '6']);
    expect(headers.get('cache-control')).toBe('private, max-age=1');
    callsOf(stack);
    stack.clock.advance(1_001);
    await dashboard(stack, ['5', '6']);
    expect(callsOf(stack)).toEqual({ getLatestBackfill: 2 });
  });

  it('is refreshed one by one if the team list is full, because absence from a full list proves nothing', async () => {
    const stack = await startStack();
    const { world, clock } = stack;
    const completed = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const crowded = world.addBackfill({
      transferId: '6',
      status: 'RUNNING',
      createdAt: clock.now() - 3_600_000,
    });
    const listed = world.addBackfill({ transferId: '7', status: 'RUNNING' });
    for (let n = 0; n < 99; n++) world.addBackfill({ transferId: String(1_000 + n), status: 'RUNNING' });
    await dashboard(stack, ['5', '6', '7']);
    callsOf(stack);
    clock.advance(2_001);
    expect(latestOf(await dashboard(stack, ['5', '6', '7']))).toMatchObject(
      [completed, crowded, listed].map((id) => ({ id, fetchedAt: LATER })),
    );
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getLatestBackfill: 2 });
  });

  it('reads a backfill with an unknown status at its own endpoint', async () => {
    const stack = await startStack();
    const { world, clock } = stack;
    const odd = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    world.addBackfill({ transferId: '6', status: 'RUNNING' });
    world.addBackfill({ transferId: '7', status: 'RUNNING' });
    world.set(odd, { status: 'PAUSED' });
    await dashboard(stack, ['5', '6', '7']);
    callsOf(stack);
    clock.advance(2_001);
    await dashboard(stack, ['5', '6', '7']);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getLatestBackfill: 1 });
  });
});

describe('the team list', () => {
  async function knownPage(): Promise<Stack> {
    const stack = await startStack();
    for (const transferId of ['5', '6']) stack.world.addBackfill({ transferId, status: 'RUNNING' });
    await dashboard(stack, ['5', '6']);
    callsOf(stack);
    stack.clock.advance(2_001);
    return stack;
  }
  const list = (answer: FaultAnswer) => ({ when: { operation: 'listIncompleteBackfills' as const }, answer });

  it.each([
    [403, 15],
    [404, 15],
    [500, 0.5],
  ])('refused with %d is not read for %d minutes, and fails no read', async (status, minutes) => {
    const stack = await knownPage();
    stack.sandbox.faults.add(list({ kind: 'status', status, body: envelope('SOME_CODE', 'No') }));
    const result = await dashboard(stack, ['5', '6']);
    expect(result.errors).toBeUndefined();
    expect(latestOf(result)).toMatchObject([
      { fetchedAt: LATER, isStale: false },
      { fetchedAt: LATER, isStale: false },
    ]);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getLatestBackfill: 2 });
    expect(stack.logLines).toContainEqual(
      expect.objectContaining({ level: 'warn', restSeconds: minutes * 60 }),
    );
    stack.clock.advance(minutes * 60_000 - 1);
    await dashboard(stack, ['5', '6']);
    expect(callsOf(stack)).toEqual({ getLatestBackfill: 2 });
    stack.clock.advance(2_001);
    await dashboard(stack, ['5', '6']);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });

  it('does not count towards the call limit of an operation if it is refused', async () => {
    const stack = await startStack({ MAX_UPSTREAM_CALLS_PER_OPERATION: '2' });
    const ids = ['5', '6'].map((transferId) => stack.world.addBackfill({ transferId, status: 'RUNNING' }));
    stack.sandbox.faults.add(list({ kind: 'status', status: 403 }));
    expect((await byIds(stack, ids)).errors).toBeUndefined();
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getBackfillById: 2 });
  });

  it.each([
    ['is no list', (): string => '{"meta":{"request_id":"01892A4D-7586-7000-8000-000000000000"},"data":{}}'],
    ['is no JSON', (): string => '<html>'],
  ])('fails no read if it %s', async (_what, edit) => {
    const stack = await knownPage();
    stack.sandbox.faults.add(list({ kind: 'edit', edit }));
    const result = await dashboard(stack, ['5', '6']);
    expect(result.errors).toBeUndefined();
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getLatestBackfill: 2 });
  });

  it('is understood inside an items object too', async () => {
    const stack = await knownPage();
    stack.sandbox.faults.add(
      list({ kind: 'edit', edit: (json) => json.replace(/"data":(\[.*\])/, '"data":{"items":$1}') }),
    );
    expect(latestOf(await dashboard(stack, ['5', '6']))).toMatchObject([
      { fetchedAt: LATER },
      { fetchedAt: LATER },
    ]);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });

  it('is used without a row of the wrong shape, and then proves nothing by absence', async () => {
    const stack = await knownPage();
    stack.sandbox.faults.add(
      list({
        kind: 'edit',
        edit: (json) => json.replace(/"transfer_runs_total":\d+/, '"transfer_runs_total":"many"'),
      }),
    );
    const result = await dashboard(stack, ['5', '6']);
    expect(result.errors).toBeUndefined();
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getLatestBackfill: 1 });
    expect(stack.logLines).toContainEqual(
      expect.objectContaining({
        msg: 'upstream response not understood',
        operation: 'listIncompleteBackfills',
        reason: 'not all are backfills: transfer_runs_total: not an int32 count',
      }),
    );
  });

  it('is not replaced by other calls if it is rate limited: stale values stand in', async () => {
    const stack = await knownPage();
    stack.sandbox.faults.add(list({ kind: 'status', status: 429 }));
    expect(latestOf(await dashboard(stack, ['5', '6']))).toMatchObject([
      { isStale: true },
      { isStale: true },
    ]);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });

  it('drops every cached value of a credential that it refuses', async () => {
    const stack = await knownPage();
    stack.sandbox.faults.add({ ...list({ kind: 'status', status: 401, body: envelope('X', 'No') }) });
    expect(codesOf(await dashboard(stack, ['5', '6']))).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
    stack.clock.advance(2_000);
    await dashboard(stack, ['5', '6']);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getLatestBackfill: 2 });
  });

  it('is read once for all concurrent operations', async () => {
    const stack = await knownPage();
    const latch = createLatch();
    stack.sandbox.faults.add(list({ kind: 'hold', until: latch.opened }));
    const answers = Array.from({ length: 50 }, () => dashboard(stack, ['5', '6']));
    await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
    latch.open();
    for (const answer of await Promise.all(answers)) expect(answer.errors).toBeUndefined();
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });

  it('does not overwrite a value that was read at its own endpoint after the list was requested', async () => {
    const stack = await knownPage();
    const { world, sandbox, clock } = stack;
    const id = world.addBackfill({ transferId: '7', status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 3 });
    const latch = createLatch();
    sandbox.faults.add(list({ kind: 'hold', until: latch.opened, answerFrom: 'request' }));
    const page = dashboard(stack, ['5', '6']);
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    clock.advance(1);
    world.set(id, { transfer_runs_completed: 5 });
    await dashboard(stack, ['7']);
    clock.advance(500);
    latch.open();
    await page;
    // The list arrived later and stays fresh for longer, but it was requested earlier.
    clock.advance(1_600);
    expect(latestOf(await dashboard(stack, ['7']))).toMatchObject([{ transferRunsCompleted: 5 }]);
  });

  it('does not answer a read with no-cache that arrives while it is in flight', async () => {
    const stack = await knownPage();
    const { world, sandbox, clock } = stack;
    const latch = createLatch();
    sandbox.faults.add(list({ kind: 'hold', until: latch.opened, answerFrom: 'request' }));
    const page = dashboard(stack, ['5', '6']);
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    clock.advance(1);
    const newer = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const refreshed = stack.query(DASHBOARD, {
      variables: { ids: ['5', '9'] },
      headers: { 'cache-control': 'no-cache' },
    });
    // One call in flight means that the other read has joined the list in flight.
    await expect.poll(() => sandbox.calls.count('getLatestBackfill')).toBe(1);
    latch.open();
    await page;
    expect(latestOf(await refreshed)).toMatchObject([{ id: newer }, null]);
    expect(latestOf(await dashboard(stack, ['5']))).toMatchObject([{ id: newer }]);
  });

  it('answers for a latest backfill no longer than until its own endpoint is due', async () => {
    const stack = await knownPage();
    // Two seconds have passed, and the final lifetime is sixty.
    stack.clock.advance(57_500);
    await dashboard(stack, ['5', '6']);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    stack.clock.advance(600);
    await dashboard(stack, ['5', '6']);
    expect(callsOf(stack)).toEqual({ getLatestBackfill: 2 });
  });

  it('answers a page by one call on a clock that never stands still', async () => {
    const stack = await knownPage();
    const { monotonic } = stack.clock;
    let passed = 0;
    vi.spyOn(stack.clock, 'monotonic').mockImplementation(() => monotonic() + (passed += 0.001));
    await dashboard(stack, ['5', '6']);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });

  it('serves its own credential only', async () => {
    const stack = await knownPage();
    await dashboard(stack, ['5', '6']);
    callsOf(stack);
    await stack.query(DASHBOARD, { variables: { ids: ['5', '6'] }, token: 'sandbox-viewer' });
    expect(callsOf(stack)).toEqual({ getLatestBackfill: 2 });
  });

  it('does not hide a refusal that came after it', async () => {
    const stack = await knownPage();
    const id = stack.world.latest('1', '5')?.transfer_backfill_id ?? '';
    const other = stack.world.addBackfill({ transferId: '7', status: 'RUNNING' });
    await dashboard(stack, ['5', '6']);
    stack.clock.advance(1_000);
    stack.sandbox.faults.add({ times: 2, when: { id }, answer: { kind: 'status', status: 403 } });
    await byIds(stack, [id], { 'cache-control': 'no-cache' });
    expect(codesOf(await byIds(stack, [id]))).toEqual(['FORBIDDEN']);
    callsOf(stack);
    // The list's other rows are hidden until a read is accepted, and not dropped.
    await stack.query(DASHBOARD, { variables: { ids: ['99'] } });
    await byIds(stack, [stack.world.addBackfill({ transferId: '8', status: 'RUNNING' })]);
    callsOf(stack);
    expect((await byIds(stack, [other])).errors).toBeUndefined();
    expect(callsOf(stack)).toEqual({});
    await byIds(stack, [id]);
    expect(callsOf(stack)).toEqual({ getBackfillById: 1 });
  });
});
