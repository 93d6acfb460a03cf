import { describe, expect, it } from 'vitest';
import { codesOf, createLatch, type Result } from '../../harness.ts';
import { type GroupStack, type Replica, startGroup, STORE_TIMEOUT_MS } from '../../support/group.ts';
import { overSse } from '../../support/streams.ts';

const FIELDS = 'id status transferRunsCompleted fetchedAt isStale';
const DASHBOARD = `query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { ${FIELDS} } } }`;

function byId({ query }: Replica, id: string, options = {}): Promise<Result> {
  return query(`{ backfill(id: "${id}") { ${FIELDS} } }`, options);
}

function dashboard({ query }: Replica, ids: readonly string[]): Promise<Result> {
  return query(DASHBOARD, { variables: { ids } });
}

/** The calls since the last time. */
function callsOf({ sandbox: { calls } }: GroupStack): number {
  const all = ['listIncompleteBackfills', 'getBackfillById', 'getLatestBackfill'] as const;
  const count = all.reduce((sum, operation) => sum + calls.count(operation), 0);
  calls.reset();
  return count;
}

function two({ replicas }: GroupStack): readonly [Replica, Replica] {
  const [one, other] = replicas;
  if (one === undefined || other === undefined) throw new Error('there are two replicas');
  return [one, other];
}

describe('two replicas', () => {
  it('read a backfill once, and say the same of it', async () => {
    const stack = await startGroup(2);
    const [one, other] = two(stack);
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const first = await byId(one, id);
    stack.clock.advance(1_000);
    const second = await byId(other, id);
    expect(first.errors).toBeUndefined();
    expect(second.data).toEqual(first.data);
    expect(callsOf(stack)).toBe(1);
  });

  it('show it no longer than its lifetime, wherever it was read', async () => {
    const stack = await startGroup(2);
    const [one, other] = two(stack);
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await byId(one, id);
    stack.clock.advance(1_900);
    await byId(other, id);
    stack.world.set(id, { transfer_runs_completed: 7 });
    stack.clock.advance(200);
    expect((await byId(other, id)).data).toMatchObject({ backfill: { transferRunsCompleted: 7 } });
  });

  it.each([60_000, -60_000])(
    'show it no longer than that where their clocks are %i ms apart',
    async (skewMs) => {
      const stack = await startGroup(2, {}, { skewsMs: [skewMs, 0] });
      const [one, other] = two(stack);
      const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
      const first = await byId(one, id);
      stack.world.set(id, { transfer_runs_completed: 7 });
      stack.clock.advance(1_900);
      expect((await byId(other, id)).data).toEqual(first.data);
      stack.clock.advance(200);
      expect((await byId(other, id)).data).toMatchObject({ backfill: { transferRunsCompleted: 7 } });
      expect((await byId(one, id)).data).toMatchObject({ backfill: { transferRunsCompleted: 7 } });
      expect(callsOf(stack)).toBe(2);
    },
  );

  it('make one call for what both are asked for at once', async () => {
    const stack = await startGroup(2);
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const answers = await Promise.all(two(stack).map((replica) => byId(replica, id)));
    for (const { data } of answers) expect(data).toMatchObject({ backfill: { id } });
    expect(callsOf(stack)).toBe(1);
  });

  it('read a page once, the list of the team and what is not in it', async () => {
    const stack = await startGroup(2);
    const [one, other] = two(stack);
    const ids = ['5', '6', '7'];
    for (const transferId of ids) stack.world.addBackfill({ transferId, status: 'RUNNING' });
    stack.world.addBackfill({ transferId: '8', status: 'COMPLETED' });
    const page = [...ids, '8', '9'];
    const first = await dashboard(one, page);
    const calls = callsOf(stack);
    expect((await dashboard(other, page)).data).toEqual(first.data);
    expect(callsOf(stack)).toBe(0);
    stack.clock.advance(2_001);
    await dashboard(other, page);
    expect(callsOf(stack)).toBe(1);
    await dashboard(one, page);
    expect(callsOf(stack)).toBe(0);
    expect(calls).toBeGreaterThan(1);
  });

  it('take over what another one has asked an endpoint within its lifetime, and have the list confirm it', async () => {
    const stack = await startGroup(2);
    const [one, other] = two(stack);
    const transfers = ['5', '6', '7', '8'];
    for (const transferId of transfers.slice(0, 2))
      stack.world.addBackfill({ transferId, status: 'RUNNING' });
    stack.world.addBackfill({ transferId: '7', status: 'COMPLETED' });
    await dashboard(one, transfers);
    callsOf(stack);
    stack.clock.advance(30_000);
    await settled();
    const { data } = await dashboard(other, transfers);
    expect(data).toMatchObject({
      transfers: [
        { latestBackfill: {} },
        { latestBackfill: {} },
        { latestBackfill: {} },
        { latestBackfill: null },
      ],
    });
    expect(callsOf(stack)).toBe(1);
    // From then on the endpoints are due, for both at once.
    stack.clock.advance(31_000);
    await settled();
    await dashboard(one, transfers);
    expect(stack.sandbox.calls.count('getLatestBackfill')).toBe(4);
    stack.clock.advance(10_000);
    await settled();
    callsOf(stack);
    await dashboard(other, transfers);
    expect(callsOf(stack)).toBe(1);
  });

  it('share a failure, and the one who waited makes no call of its own', async () => {
    const stack = await startGroup(2);
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const latch = createLatch();
    stack.sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
    stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 409 } });
    const asked = two(stack).map((replica) => byId(replica, id));
    await expect.poll(() => stack.sandbox.calls.count('getBackfillById')).toBe(1);
    latch.open();
    for (const { data } of await Promise.all(asked)) expect(data).toMatchObject({ backfill: { id } });
  });

  it('refuse alike what one of them was refused', async () => {
    const stack = await startGroup(2);
    const [one, other] = two(stack);
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await byId(one, id);
    await byId(other, id);
    stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 401 } });
    expect(codesOf(await byId(one, '77'))).toEqual(['UNAUTHENTICATED']);
    await settled();
    callsOf(stack);
    expect(codesOf(await byId(other, id))).toEqual(['UNAUTHENTICATED']);
    expect(callsOf(stack)).toBe(0);
  });

  it('tell each other what a moment without the store kept them from telling, and call it no trouble', async () => {
    const stack = await startGroup(2);
    const { world, sandbox, trouble, clock, logLines } = stack;
    const [one, other] = two(stack);
    const [id = '', next = ''] = ['5', '6'].map((transferId) =>
      world.addBackfill({ transferId, status: 'COMPLETED' }),
    );
    await byId(one, id);
    await byId(other, id);
    callsOf(stack);
    sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 401 } });
    trouble.begin('stalled');
    const refused = byId(one, next);
    await expect.poll(() => trouble.stalled()).toBeGreaterThan(0);
    clock.advance(STORE_TIMEOUT_MS);
    expect(codesOf(await refused)).toEqual(['UNAUTHENTICATED']);
    trouble.end();
    await settled();
    // Where the other one could not look at once, it looks again within a lifetime.
    clock.advance(1_000);
    await settled();
    expect(codesOf(await byId(other, id))).toEqual(['UNAUTHENTICATED']);
    expect(logLines.filter(({ msg }) => String(msg).startsWith('replicas share nothing'))).toEqual([]);
  });

  it('show nothing of a team that one of them was refused, until it is accepted again', async () => {
    const stack = await startGroup(2);
    const [one, other] = two(stack);
    const [kept, lost] = ['5', '6'].map((transferId) =>
      stack.world.addBackfill({ transferId, status: 'RUNNING' }),
    );
    if (kept === undefined || lost === undefined) throw new Error('two were added');
    for (const id of [kept, lost]) await byId(other, id);
    stack.clock.advance(2_001);
    stack.sandbox.faults.add({
      when: { id: lost },
      times: Infinity,
      answer: { kind: 'status', status: 403 },
    });
    expect(codesOf(await byId(one, lost))).toEqual(['FORBIDDEN']);
    await settled();
    callsOf(stack);
    expect((await byId(other, kept)).data).toMatchObject({ backfill: { id: kept } });
    expect(codesOf(await byId(other, lost))).toEqual(['FORBIDDEN']);
  });

  it('keep one gate: after a 429 none asks before its time is over', async () => {
    const stack = await startGroup(2, { CACHE_STALE_MS: '0' });
    const [one, other] = two(stack);
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    stack.sandbox.faults.add({ answer: { kind: 'status', status: 429, headers: { 'retry-after': '30' } } });
    expect(codesOf(await byId(one, id))).toEqual(['RATE_LIMITED']);
    await settled();
    stack.clock.advance(10_000);
    const { errors } = await byId(other, id);
    expect(errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED', retryAfterSeconds: 20 } }]);
    expect(callsOf(stack)).toBe(1);
    stack.clock.advance(20_001);
    await settled();
    expect((await byId(other, id)).data).toMatchObject({ backfill: { id } });
  });

  it('show what one of them has cancelled', async () => {
    const stack = await startGroup(2);
    const [one, other] = two(stack);
    const ids = ['5', '6'].map((transferId) => stack.world.addBackfill({ transferId, status: 'RUNNING' }));
    const [id = '', still = ''] = ids;
    for (const each of ids) await byId(other, each);
    const cancelled = await one.query(`mutation { cancelBackfill(id: "${id}") { status } }`);
    expect(cancelled.data).toEqual({ cancelBackfill: { status: 'CANCELLED' } });
    await settled();
    callsOf(stack);
    expect((await byId(other, id)).data).toMatchObject({ backfill: { status: 'CANCELLED' } });
    expect((await byId(other, still)).data).toMatchObject({ backfill: { status: 'RUNNING' } });
    expect(callsOf(stack)).toBe(0);
  });

  it('ask again for everything where the marks were lost, and show no less', async () => {
    const stack = await startGroup(2);
    const [one, other] = two(stack);
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await byId(one, id);
    await byId(other, id);
    callsOf(stack);
    stack.shared.empty();
    stack.clock.advance(1_900);
    await settled();
    expect((await byId(other, id)).data).toMatchObject({ backfill: { id } });
    expect(callsOf(stack)).toBe(1);
    expect((await byId(one, id)).data).toMatchObject({ backfill: { id } });
    expect(callsOf(stack)).toBe(0);
  });

  it('count one hour', async () => {
    const stack = await startGroup(2, { UPSTREAM_HOURLY_QUOTA: '1000' });
    const [one, other] = two(stack);
    const ids = Array.from({ length: 10 }, (_, n) =>
      stack.world.addBackfill({ transferId: String(n + 1), status: 'COMPLETED' }),
    );
    for (const id of ids.slice(0, 5)) await byId(one, id);
    for (const id of ids.slice(5)) await byId(other, id);
    stack.clock.advance(5_000);
    await settled();
    const explained = await other.query(`{ backfill(id: "${ids[0]}") { id } }`, {
      headers: { 'x-explain-cost': '1' },
    });
    expect(JSON.parse(explained.body)).toMatchObject({ extensions: { upstream: { quotaRemaining: 990 } } });
  });

  it('know with each call what the others have called for within the same second', async () => {
    const stack = await startGroup(2, { UPSTREAM_HOURLY_QUOTA: '1000' });
    const [one, other] = two(stack);
    const ids = Array.from({ length: 12 }, (_, n) =>
      stack.world.addBackfill({ transferId: String(n + 1), status: 'COMPLETED' }),
    );
    const [first = '', second = '', ...rest] = ids;
    await byId(one, first);
    stack.clock.advance(1_000);
    await settled();
    for (const id of rest) await byId(one, id);
    const explained = await other.query(`{ backfill(id: "${second}") { id } }`, {
      headers: { 'x-explain-cost': '1' },
    });
    expect(JSON.parse(explained.body)).toMatchObject({ extensions: { upstream: { quotaRemaining: 988 } } });
  });

  it('show the streams of each what the other has polled', async () => {
    const stack = await startGroup(2);
    const [one, other] = two(stack);
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const streams = [one, other].map(({ origin }) =>
      overSse(origin, `subscription { backfillUpdated(id: "${id}") { transferRunsCompleted } }`),
    );
    for (const { events } of streams) await expect.poll(() => events).toHaveLength(1);
    callsOf(stack);
    stack.world.set(id, { transfer_runs_total: 9, transfer_runs_completed: 3 });
    stack.clock.advance(2_000);
    await settled();
    stack.clock.advance(100);
    for (const { events } of streams) await expect.poll(() => events).toHaveLength(2);
    expect(callsOf(stack)).toBe(1);
  });
});

/** Lets what is under way between the replicas arrive. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
