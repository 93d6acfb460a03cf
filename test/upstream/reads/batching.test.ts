import { describe, expect, it } from 'vitest';
import { codesOf, createLatch, startStack } from '../../harness.ts';

const IDS = Array.from({ length: 50 }, (_, n) => String(1000 + n));
const DASHBOARD = `query Dashboard($ids: [ID!]!) {
  transfers(ids: $ids) {
    id
    latestBackfill {
      id status rangeStartDate rangeEndDate createdTime createdUserId startTime endTime removedTime removedUserId
      transferRunsTotal transferRunsCreated transferRunsCompleted transferRunsFailed progress estimatedEndTime
      errorReport { transferRunDate error } fetchedAt isStale
    }
  }
}`;

describe('a page of 50 transfers', () => {
  it('costs 50 calls when nothing is cached, none within the TTL, and then one team list', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const backfills = IDS.map((transferId) => world.addBackfill({ transferId, status: 'RUNNING' }));

    const first = await query(DASHBOARD, { variables: { ids: IDS } });
    expect(first.errors).toBeUndefined();
    expect(first.data).toMatchObject({
      transfers: IDS.map((id, n) => ({ id, latestBackfill: { id: backfills[n], status: 'RUNNING' } })),
    });
    expect(sandbox.calls.count('getLatestBackfill')).toBe(50);
    expect(sandbox.calls.count()).toBe(50);

    clock.advance(1_999);
    const second = await query(DASHBOARD, { variables: { ids: IDS } });
    expect(second.data).toEqual(first.data);
    expect(sandbox.calls.count()).toBe(50);

    clock.advance(2);
    await query(DASHBOARD, { variables: { ids: IDS } });
    expect(sandbox.calls.count()).toBe(51);
  });

  it('makes all its reads in one batch, with at most UPSTREAM_MAX_CONCURRENCY in flight', async () => {
    const { sandbox, query } = await startStack({ UPSTREAM_MAX_CONCURRENCY: '8' });
    await query(DASHBOARD, { variables: { ids: ['1'] } });
    sandbox.calls.reset();
    const latch = createLatch();
    sandbox.faults.add({ times: 50, answer: { kind: 'hold', until: latch.opened } });
    const answer = query(DASHBOARD, { variables: { ids: IDS } });
    await expect.poll(() => sandbox.calls.inFlight).toBe(8);
    latch.open();
    expect((await answer).errors).toBeUndefined();
    expect(sandbox.calls.count()).toBe(50);
    expect(sandbox.calls.maxInFlight).toBe(8);
  });

  it('has all its reads in flight at once if the limit allows it', async () => {
    const { sandbox, query } = await startStack();
    await query(DASHBOARD, { variables: { ids: ['1'] } });
    const latch = createLatch();
    sandbox.faults.add({ times: 50, answer: { kind: 'hold', until: latch.opened } });
    const answer = query(DASHBOARD, { variables: { ids: IDS } });
    await expect.poll(() => sandbox.calls.inFlight).toBe(50);
    latch.open();
    expect((await answer).errors).toBeUndefined();
  });

  it('loses only the value that fails', async () => {
    const { world, sandbox, query } = await startStack();
    for (const transferId of IDS) world.addBackfill({ transferId, status: 'COMPLETED' });
    sandbox.faults.add({ when: { id: '1007' }, answer: { kind: 'status', status: 500 } });

    const { data, errors } = await query(DASHBOARD, { variables: { ids: IDS } });

    expect(errors).toHaveLength(1);
    expect(errors?.[0]).toMatchObject({
      path: ['transfers', 7, 'latestBackfill'],
      extensions: { code: 'UPSTREAM_ERROR' },
    });
    expect(data).toMatchObject({
      transfers: IDS.map((id) =>
        id === '1007' ? { id, latestBackfill: null } : { latestBackfill: { status: 'COMPLETED' } },
      ),
    });
  });
});

describe('the same id', () => {
  it('costs one call however often aliases, lists and nesting repeat it', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const { data, errors } = await query(`{
      a: backfill(id: "${id}") { id }
      b: backfill(id: ${id}) { status }
      c: backfill(id: "${id}", teamId: 1) { progress }
      transfers(ids: ["5", "5", "5"]) { latestBackfill { id transfer { latestBackfill { id } } } }
      transfer(id: "5") { x: latestBackfill { id } y: latestBackfill { id } }
    }`);
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({ a: { id }, transfer: { y: { id } } });
    expect(sandbox.calls.countByPath()).toEqual(
      new Map([
        [`GET /v1/teams/1/backfills/${id}`, 1],
        ['GET /v1/teams/1/transfers/5/backfills/latest', 1],
      ]),
    );
  });

  it('costs one call for 200 concurrent requests', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const latch = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
    const answers = Array.from({ length: 200 }, () =>
      query(`{ backfill(id: "${id}") { status fetchedAt } }`),
    );
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    latch.open();
    const bodies = new Set((await Promise.all(answers)).map(({ body }) => body));
    expect([...bodies]).toEqual([
      '{"data":{"backfill":{"status":"RUNNING","fetchedAt":"2026-03-02T10:00:00Z"}}}',
    ]);
    expect(sandbox.calls.count()).toBe(1);
  });
});

describe('MAX_UPSTREAM_CALLS_PER_OPERATION', () => {
  it('answers the reads within the limit and refuses the rest', async () => {
    const { world, sandbox, query } = await startStack({ MAX_UPSTREAM_CALLS_PER_OPERATION: '3' });
    for (const transferId of IDS) world.addBackfill({ transferId, status: 'RUNNING' });
    const ids = IDS.slice(0, 5);

    const first = await query(DASHBOARD, { variables: { ids } });
    expect(codesOf(first)).toEqual(['REQUEST_LIMIT_EXCEEDED', 'REQUEST_LIMIT_EXCEEDED']);
    expect(first.errors?.map(({ path }) => path?.[1])).toEqual([3, 4]);
    expect(first.data).toMatchObject({
      transfers: [{ latestBackfill: { status: 'RUNNING' } }, {}, {}, {}, {}],
    });
    expect(sandbox.calls.count()).toBe(3);

    const second = await query(DASHBOARD, { variables: { ids } });
    expect(second.errors).toBeUndefined();
    expect(sandbox.calls.count()).toBe(5);
  });
});
