import { describe, expect, it } from 'vitest';
import { codesOf, startStack } from '../harness.ts';

const DASHBOARD = 'query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { id } } }';
const REPORT = { 'x-explain-cost': '1' };
const ESTIMATE = { 'x-explain-cost': 'estimate' };

function costOf({ body }: { readonly body: string }): unknown {
  return (JSON.parse(body) as { extensions?: { upstream?: unknown } }).extensions?.upstream;
}

describe('X-Explain-Cost: 1', () => {
  it('reports the cost of the operation and the remaining quota, only on request', async () => {
    const { world, query } = await startStack();
    const ids = ['5', '6', '7'];
    for (const transferId of ids) world.addBackfill({ transferId, status: 'RUNNING' });
    expect(costOf(await query(DASHBOARD, { variables: { ids: ['5'] } }))).toBeUndefined();
    expect(costOf(await query(DASHBOARD, { variables: { ids }, headers: REPORT }))).toEqual({
      calls: 2,
      cacheHits: 1,
      staleReads: 0,
      quotaRemaining: 4_997,
    });
  });

  it('counts what is known to be missing once', async () => {
    const { query } = await startStack();
    const text = '{ backfill(id: "77") { id } transfer(id: "5") { latestBackfill { id } } }';
    await query(text);
    expect(costOf(await query(text, { headers: REPORT }))).toMatchObject({ calls: 0, cacheHits: 2 });
  });

  it('counts stale values', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(`{ backfill(id: "${id}") { id } }`);
    clock.advance(2_001);
    sandbox.faults.add({ answer: { kind: 'status', status: 500 } });
    expect(costOf(await query(`{ backfill(id: "${id}") { id } }`, { headers: REPORT }))).toMatchObject({
      calls: 1,
      staleReads: 1,
    });
  });

  it('reports with errors too, and without a credential has no quota', async () => {
    const { query } = await startStack();
    const result = await query('{ backfill(id: "5") { id } }', { token: null, headers: REPORT });
    expect(codesOf(result)).toEqual(['UNAUTHENTICATED']);
    expect(costOf(result)).toEqual({ calls: 0, cacheHits: 0, staleReads: 0, quotaRemaining: null });
  });

  it('makes the HTTP response no-store, because a cached one would cost nothing', async () => {
    const { world, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const { headers } = await query(`{ backfill(id: "${id}") { id } }`, { headers: REPORT });
    expect(headers.get('cache-control')).toBe('no-store');
  });
});

describe('X-Explain-Cost: estimate', () => {
  it('reports the calls that the operation would make, and makes none', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const ids = ['5', '6', '7', '8'];
    for (const transferId of ids) world.addBackfill({ transferId, status: 'RUNNING' });
    const check = async (text: string, variables: Record<string, unknown>): Promise<unknown> => {
      const before = sandbox.calls.count();
      const estimate = await query(text, { variables, headers: ESTIMATE });
      expect(sandbox.calls.count()).toBe(before);
      expect(estimate.data).toBeNull();
      expect(estimate.errors).toBeUndefined();
      expect(estimate.headers.get('cache-control')).toBe('no-store');
      const { calls } = costOf(await query(text, { variables, headers: REPORT })) as { calls: number };
      expect(costOf(estimate)).toMatchObject({ calls });
      expect(sandbox.calls.count()).toBe(before + calls);
      return calls;
    };

    expect(await check(DASHBOARD, { ids: ['5', '6'] })).toBe(2);
    expect(await check(DASHBOARD, { ids })).toBe(2);
    expect(await check(DASHBOARD, { ids })).toBe(0);
    clock.advance(2_001);
    expect(await check(DASHBOARD, { ids: ['5'] })).toBe(1);
    clock.advance(2_001);
    expect(await check(DASHBOARD, { ids })).toBe(1);
  });

  it('counts the calls for backfills that are not known yet', async () => {
    const { world, sandbox, query } = await startStack();
    const a = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const b = world.addBackfill({ transferId: '6', status: 'COMPLETED' });
    const text = `{
      a: backfill(id: "${a}") { transfer { latestBackfill { id } } }
      transfer(id: "7") { latestBackfill { transfer { latestBackfill { status } } } }
    }`;
    expect(costOf(await query(text, { headers: ESTIMATE }))).toMatchObject({ calls: 3 });
    expect(sandbox.calls.count()).toBe(0);
    // For two backfills the team list is read first, and may contain neither.
    const two = `{ a: backfill(id: "${a}") { id } b: backfill(id: "${b}") { id } }`;
    expect(costOf(await query(two, { headers: ESTIMATE }))).toMatchObject({ calls: 3 });
    expect(costOf(await query(two, { headers: REPORT }))).toMatchObject({ calls: 3 });
  });

  it('leaves nothing in the cache for later reads', async () => {
    const { world, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const text = '{ transfer(id: "5") { latestBackfill { id status } } }';
    await Promise.all([
      query(text, { headers: ESTIMATE }),
      query(text).then(({ data }) => {
        expect(data).toEqual({ transfer: { latestBackfill: { id, status: 'RUNNING' } } });
      }),
    ]);
  });

  it('is refused for a subscription, and the stream is not opened', async () => {
    const { origin, sandbox, clock } = await startStack();
    const response = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: {
        ...ESTIMATE,
        accept: 'text/event-stream',
        authorization: 'Bearer sandbox-full',
        'x-team-id': '1',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ query: 'subscription { backfillUpdated(id: "5") { id } }' }),
    });
    expect(await response.text()).toContain('"code":"BAD_USER_INPUT"');
    expect(sandbox.calls.count()).toBe(0);
    expect(clock.waiting).toBe(0);
  });

  it('reports the errors of an invalid operation', async () => {
    const { query } = await startStack();
    const result = await query('{ backfill(id: "x") { id } }', { headers: ESTIMATE });
    expect(codesOf(result)).toEqual(['BAD_USER_INPUT']);
    expect(costOf(result)).toMatchObject({ calls: 0 });
  });
});

describe('X-Explain-Cost', () => {
  it('with any other value is refused before a call is made', async () => {
    const { sandbox, query } = await startStack();
    const { errors } = await query('{ backfill(id: "5") { id } }', { headers: { 'x-explain-cost': 'yes' } });
    expect(errors).toMatchObject([
      {
        message: 'The header X-Explain-Cost must be "1", "estimate" or "0".',
        extensions: { code: 'BAD_USER_INPUT' },
      },
    ]);
    expect(sandbox.calls.count()).toBe(0);
  });

  it('of 0 is the same as none', async () => {
    const { query } = await startStack();
    expect(costOf(await query('{ __typename }', { headers: { 'x-explain-cost': '0' } }))).toBeUndefined();
  });
});
