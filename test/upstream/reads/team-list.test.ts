import { describe, expect, it } from 'vitest';
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

/** Calls since the last look, by operation. */
function callsOf({ sandbox }: Stack): Partial<Record<Operation, number>> {
  const operations: Operation[] = ['listIncompleteBackfills', 'getBackfillById', 'getLatestBackfill'];
  const counts = operations.map((operation) => [operation, sandbox.calls.count(operation)] as const);
  sandbox.calls.reset();
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

describe('several backfills by id in one operation', () => {
  it('ask the list of the team first, and only what it does not contain by id', async () => {
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

  it('do not ask it again while it is fresh, for what it did not contain', async () => {
    const stack = await startStack();
    const completed = ['5', '6', '7', '8'].map((transferId) =>
      stack.world.addBackfill({ transferId, status: 'COMPLETED' }),
    );
    await byIds(stack, completed.slice(0, 2));
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getBackfillById: 2 });
    await byIds(stack, completed.slice(2));
    expect(callsOf(stack)).toEqual({ getBackfillById: 2 });
  });

  it('each fail by themselves', async () => {
    const stack = await startStack();
    const running = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const { data, errors } = await byIds(stack, [running, '404']);
    expect(data).toMatchObject({ b0: { id: running }, b1: null });
    expect(errors).toMatchObject([{ path: ['b1'], extensions: { code: 'NOT_FOUND' } }]);
  });

  it('of several teams ask the list of each', async () => {
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

  it('that are asked for past the cache are each asked for by id', async () => {
    const stack = await startStack();
    const ids = ['5', '6'].map((transferId) => stack.world.addBackfill({ transferId, status: 'RUNNING' }));
    await byIds(stack, ids, { 'cache-control': 'no-cache' });
    expect(callsOf(stack)).toEqual({ getBackfillById: 2 });
  });
});

describe('a cold page', () => {
  it('asks for each latest backfill: a row of the list is no proof of being the latest', async () => {
    const stack = await startStack();
    for (const transferId of ['5', '6']) stack.world.addBackfill({ transferId, status: 'RUNNING' });
    await dashboard(stack, ['5', '6']);
    expect(callsOf(stack)).toEqual({ getLatestBackfill: 2 });
  });
});

describe('one key alone', () => {
  it.each(['{ transfer(id: "5") { latestBackfill { id } } }', '{ backfill(id: "77") { id } }'])(
    'never pays for the list: %s',
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

describe('widgets that each poll one backfill', () => {
  it('share one call for all of them, although none asks for two', async () => {
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

describe('a page after its time', () => {
  it('is refreshed by one call, with the moment at which each was given', async () => {
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
      // Confirmed, not given anew.
      { id: completed, status: 'COMPLETED', fetchedAt: AT_START, isStale: false },
      { id: cancelled, status: 'CANCELLED', fetchedAt: AT_START, isStale: false },
      null,
    ]);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    expect(result.headers.get('cache-control')).toBe('private, max-age=2');
  });

  it('has the backfill that newly began as the latest', async () => {
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

  it('does not take an older one that failed for the latest', async () => {
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

  it('asks once at its own endpoint for what is gone from the list', async () => {
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
    // The end that was read as the latest answers by id too.
    await byIds(stack, [ends ?? '']);
    expect(callsOf(stack)).toEqual({});
  });

  it('is verified at its own endpoints after CACHE_FINAL_TTL_MS, and sees then what no list has shown', async () => {
    const stack = await startStack({ CACHE_FINAL_TTL_MS: '10000' });
    const { world, clock } = stack;
    const old = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    world.addBackfill({ transferId: '6', status: 'RUNNING' });
    await dashboard(stack, ['5', '6']);
    callsOf(stack);
    clock.advance(100);
    // Created and ended between two readings of the list.
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

  it('is not taken for verified longer than that because a list confirmed it meanwhile', async () => {
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

  it('is asked for one by one where 100 rows came back: then absence proves nothing', async () => {
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

  it('asks at its own endpoint for a status that nobody knows', async () => {
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

describe('the list of a team', () => {
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
  ])('that is refused with %d is left alone for %d minutes, and fails nobody', async (status, minutes) => {
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

  it('that is refused does not cost an operation any of its calls', async () => {
    const stack = await startStack({ MAX_UPSTREAM_CALLS_PER_OPERATION: '2' });
    const ids = ['5', '6'].map((transferId) => stack.world.addBackfill({ transferId, status: 'RUNNING' }));
    stack.sandbox.faults.add(list({ kind: 'status', status: 403 }));
    expect((await byIds(stack, ids)).errors).toBeUndefined();
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getBackfillById: 2 });
  });

  it.each([
    ['is no list', (): string => '{"meta":{"request_id":"01892A4D-7586-7000-8000-000000000000"},"data":{}}'],
    ['is no JSON', (): string => '<html>'],
  ])('that %s fails nobody', async (_what, edit) => {
    const stack = await knownPage();
    stack.sandbox.faults.add(list({ kind: 'edit', edit }));
    const result = await dashboard(stack, ['5', '6']);
    expect(result.errors).toBeUndefined();
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getLatestBackfill: 2 });
  });

  it('that comes wrapped once more is read all the same', async () => {
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

  it('that holds a row which makes no sense is used without it, and not for what is absent', async () => {
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
        msg: 'upstream answer not understood',
        operation: 'listIncompleteBackfills',
        reason: 'not all are backfills: transfer_runs_total: invalid_type',
      }),
    );
  });

  it('that is out of quota is not made up for by other calls: what is known stands in', async () => {
    const stack = await knownPage();
    stack.sandbox.faults.add(list({ kind: 'status', status: 429 }));
    expect(latestOf(await dashboard(stack, ['5', '6']))).toMatchObject([
      { isStale: true },
      { isStale: true },
    ]);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });

  it('that refuses the credential ends everything kept for it', async () => {
    const stack = await knownPage();
    stack.sandbox.faults.add({ ...list({ kind: 'status', status: 401, body: envelope('X', 'No') }) });
    expect(codesOf(await dashboard(stack, ['5', '6']))).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
    await dashboard(stack, ['5', '6']);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getLatestBackfill: 2 });
  });

  it('is read once for all who ask at the same time', async () => {
    const stack = await knownPage();
    const latch = createLatch();
    stack.sandbox.faults.add(list({ kind: 'hold', until: latch.opened }));
    const answers = Array.from({ length: 50 }, () => dashboard(stack, ['5', '6']));
    await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
    latch.open();
    for (const answer of await Promise.all(answers)) expect(answer.errors).toBeUndefined();
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });

  it('does not undo what an endpoint of its own said after it was asked for', async () => {
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
    // The list came later, so it counts for longer, but it was asked for before.
    clock.advance(1_600);
    expect(latestOf(await dashboard(stack, ['7']))).toMatchObject([{ transferRunsCompleted: 5 }]);
  });

  it('does not stand in for what is asked for past the cache while it is read', async () => {
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
    // Once the one is asked for, the other has joined what is under way.
    await expect.poll(() => sandbox.calls.count('getLatestBackfill')).toBe(1);
    latch.open();
    await page;
    expect(latestOf(await refreshed)).toMatchObject([{ id: newer }, null]);
    expect(latestOf(await dashboard(stack, ['5']))).toMatchObject([{ id: newer }]);
  });

  it('of one credential serves no other', async () => {
    const stack = await knownPage();
    await dashboard(stack, ['5', '6']);
    callsOf(stack);
    await stack.query(DASHBOARD, { variables: { ids: ['5', '6'] }, token: 'sandbox-viewer' });
    expect(callsOf(stack)).toEqual({ getLatestBackfill: 2 });
  });

  it('does not paper over a refusal that came after it', async () => {
    const stack = await knownPage();
    const id = stack.world.latest('1', '5')?.transfer_backfill_id ?? '';
    const other = stack.world.addBackfill({ transferId: '7', status: 'RUNNING' });
    await dashboard(stack, ['5', '6']);
    stack.sandbox.faults.add({ times: 2, when: { id }, answer: { kind: 'status', status: 403 } });
    await byIds(stack, [id], { 'cache-control': 'no-cache' });
    expect(codesOf(await byIds(stack, [id]))).toEqual(['FORBIDDEN']);
    callsOf(stack);
    // Nor forget what it told of others.
    expect((await byIds(stack, [other])).errors).toBeUndefined();
    expect(callsOf(stack)).toEqual({});
  });
});
