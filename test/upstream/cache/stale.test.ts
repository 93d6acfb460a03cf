import { describe, expect, it } from 'vitest';
import { envelope, type FaultAnswer } from '../../../src/sandbox/faults.ts';
import { codesOf, startStack } from '../../harness.ts';

const byId = (id: string): string => `{ backfill(id: "${id}") { status fetchedAt isStale } }`;
const latest = '{ transfer(id: "5") { latestBackfill { status fetchedAt isStale } } }';
const OLD = { status: 'RUNNING', fetchedAt: '2026-03-02T10:00:00Z', isStale: true };

const AWAY: readonly { readonly name: string; readonly answer: FaultAnswer }[] = [
  { name: 'a failing upstream', answer: { kind: 'status', status: 500 } },
  { name: 'an unavailable upstream', answer: { kind: 'status', status: 503 } },
  { name: 'an upstream without a connection', answer: { kind: 'reset', at: 'before-headers' } },
  { name: 'an upstream that is too slow', answer: { kind: 'hang' } },
  { name: 'a rate limit', answer: { kind: 'status', status: 429 } },
  {
    name: 'a row quota',
    answer: { kind: 'status', status: 429, body: envelope('API_ROW_QUOTA_EXCEEDED', 'No more') },
  },
];

describe.each(AWAY)('$name', ({ answer }) => {
  it('is covered by the stale value, marked as stale, with the time at which it was true', async () => {
    const { world, sandbox, clock, query } = await startStack({ UPSTREAM_TIMEOUT_MS: '100' });
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(byId(id));
    await query(latest);
    clock.advance(2_001);
    const restore = sandbox.faults.add({ times: Infinity, answer });

    const stale = await query(
      `{ backfill(id: "${id}") { status fetchedAt isStale } transfer(id: "5") { latestBackfill { status fetchedAt isStale } } }`,
    );
    expect(stale.errors).toBeUndefined();
    expect(stale.data).toEqual({ backfill: OLD, transfer: { latestBackfill: OLD } });
    expect(stale.headers.get('cache-control')).toBe('no-store');

    restore();
    // A 429 is remembered so long.
    clock.advance(2_000);
    expect((await query(byId(id))).data).toEqual({
      backfill: { status: 'RUNNING', fetchedAt: '2026-03-02T10:00:04.001Z', isStale: false },
    });
  });
});

describe('the stale value', () => {
  it('is too old after CACHE_STALE_MS', async () => {
    const { world, sandbox, clock, query } = await startStack({ CACHE_STALE_MS: '10000' });
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(byId(id));
    sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 500 } });
    clock.advance(10_000);
    expect((await query(byId(id))).data).toEqual({ backfill: OLD });
    clock.advance(1);
    expect(codesOf(await query(byId(id)))).toEqual(['UPSTREAM_ERROR']);
  });

  it('is never used where CACHE_STALE_MS is 0', async () => {
    const { world, sandbox, clock, query } = await startStack({ CACHE_STALE_MS: '0' });
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(byId(id));
    sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 500 } });
    clock.advance(2_001);
    expect(codesOf(await query(byId(id)))).toEqual(['UPSTREAM_ERROR']);
  });

  it.each([
    [401, 'UNAUTHENTICATED'],
    [403, 'FORBIDDEN'],
    [404, 'NOT_FOUND'],
  ])('never hides a %d, and is gone after it', async (status, code) => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(byId(id));
    clock.advance(2_001);
    sandbox.faults.add({ answer: { kind: 'status', status, body: envelope('SOME_CODE', 'No') } });
    expect(codesOf(await query(byId(id)))).toEqual([code]);
    clock.advance(2_001);
    sandbox.faults.add({ answer: { kind: 'status', status: 500 } });
    expect(codesOf(await query(byId(id)))).toEqual(['UPSTREAM_ERROR']);
  });

  it('does not stand in for an answer that makes no sense', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(byId(id));
    clock.advance(2_001);
    sandbox.faults.add({ answer: { kind: 'raw', bytes: 'nonsense' } });
    expect(codesOf(await query(byId(id)))).toEqual(['UPSTREAM_INVALID_RESPONSE']);
  });

  it('is not "there is none", which nothing could mark as old', async () => {
    const { world, sandbox, clock, query } = await startStack();
    world.addTransfer('1', '5');
    expect((await query(latest)).data).toEqual({ transfer: { latestBackfill: null } });
    clock.advance(2_001);
    sandbox.faults.add({ answer: { kind: 'status', status: 500 } });
    expect(codesOf(await query(latest))).toEqual(['UPSTREAM_ERROR']);
  });

  it('stands in for a read past the cache too', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(byId(id));
    clock.advance(1_000);
    sandbox.faults.add({ answer: { kind: 'status', status: 500 } });
    expect((await query(byId(id), { headers: { 'cache-control': 'no-cache' } })).data).toEqual({
      backfill: OLD,
    });
    expect((await query(byId(id))).data).toEqual({ backfill: { ...OLD, isStale: false } });
  });

  it('is counted in the log and the metrics', async () => {
    const { origin, world, sandbox, clock, query, logLines } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(byId(id));
    clock.advance(2_001);
    sandbox.faults.add({ answer: { kind: 'status', status: 500 } });
    await query(byId(id));
    expect(logLines.at(-1)).toMatchObject({ upstreamCalls: 1, cacheHits: 0, staleReads: 1 });
    expect(await (await fetch(`${origin}/metrics`)).text()).toContain(
      'backfill_gateway_cache_reads_total{result="stale"} 1',
    );
  });
});
