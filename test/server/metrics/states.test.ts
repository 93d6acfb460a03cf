import { describe, expect, it } from 'vitest';
import type { FaultAnswer } from '../../../src/sandbox/faults.ts';
import { startStack } from '../../harness.ts';
import { scrape } from '../../support/series.ts';

const FAILS: FaultAnswer = { kind: 'status', status: 500 };
const byId = (id: string | number): string => `{ backfill(id: "${id}") { id } }`;

describe('circuit_changes_total', () => {
  it('counts each circuit that opens, and each that closes again', async () => {
    const { origin, sandbox, clock, query } = await startStack();
    sandbox.faults.add({ times: 10, answer: FAILS });
    for (let n = 0; n < 12; n++) await query(byId(n + 1));
    expect((await scrape(origin)).by('circuit_changes_total')).toEqual({ open: 1, closed: 0 });
    clock.advance(1_001);
    await query(byId(100));
    expect((await scrape(origin)).by('circuit_changes_total')).toEqual({ open: 1, closed: 1 });
  });
});

describe('gates_closed_total and gates_closed', () => {
  it('count each credential whose gate closes once, and those whose gate is closed now', async () => {
    const { origin, world, sandbox, clock, query } = await startStack();
    world.addToken('other', { teams: 'all', permissions: 'view' });
    const told = (seconds: string): FaultAnswer => ({
      kind: 'status',
      status: 429,
      headers: { 'retry-after': seconds },
    });
    for (const seconds of ['30', '90']) sandbox.faults.add({ answer: told(seconds) });
    for (const token of ['sandbox-full', 'other', 'sandbox-full']) await query(byId(1), { token });
    const closedAt = async (): Promise<readonly number[]> => {
      const scraped = await scrape(origin);
      return [scraped.value('gates_closed_total'), scraped.value('gates_closed')];
    };
    expect(await closedAt()).toEqual([2, 2]);
    clock.advance(30_000);
    expect(await closedAt()).toEqual([2, 1]);
    clock.advance(60_000);
    expect(await closedAt()).toEqual([2, 0]);
  });
});

describe('cache_evictions_total', () => {
  it('counts the values that were dropped to make room, of one credential and of another', async () => {
    const { origin, world, clock, query } = await startStack({ CACHE_MAX_BYTES: String(1024 ** 2) });
    world.addToken('other', { teams: 'all', permissions: 'view' });
    const row = { transfer_run_date: '2026-01-01', error: 'x'.repeat(1_000) };
    const ids = Array.from({ length: 8 }, (_, n) => {
      const id = world.addBackfill({ transferId: String(n + 1), status: 'COMPLETED' });
      world.set(id, { error_report: Array.from({ length: 100 }, () => row) });
      return id;
    });
    const evictedAt = async (): Promise<readonly number[]> => {
      const scraped = await scrape(origin);
      return [scraped.value('cache_evictions_total'), scraped.value('cache_entries')];
    };
    // Each weighs some 220,000 bytes, and seven eighths of the limit hold four.
    for (const id of ids.slice(0, 3)) await query(byId(id));
    expect(await evictedAt()).toEqual([0, 3]);
    for (const id of ids.slice(3)) await query(byId(id));
    clock.advance(1_000);
    expect(await evictedAt()).toEqual([4, 4]);
    await query(byId(ids[0] ?? ''), { token: 'other' });
    clock.advance(1_000);
    expect(await evictedAt()).toEqual([5, 4]);
  });

  it('does not count what is replaced, nor what a refusal of the credential drops', async () => {
    const { origin, world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '1', status: 'RUNNING' });
    await query(byId(id));
    clock.advance(2_001);
    await query(byId(id));
    clock.advance(2_001);
    sandbox.faults.add({ answer: { kind: 'status', status: 401 } });
    await query(byId(id));
    const scraped = await scrape(origin);
    expect([scraped.value('cache_evictions_total'), scraped.value('cache_entries')]).toEqual([0, 0]);
  });
});
