import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ResourceId } from '../../../src/ids.ts';
import { EntryKey } from '../../../src/upstream/cache/entry-key.ts';
import { Interest } from '../../../src/upstream/cache/interest.ts';
import { type Kept, weigh } from '../../../src/upstream/cache/kept.ts';
import { Partition } from '../../../src/upstream/cache/partition.ts';
import { createPartitions, type Partitions } from '../../../src/upstream/cache/partitions.ts';
import { readData } from '../../../src/upstream/rest/envelope.ts';
import { codesOf, createLatch, createManualClock, startStack } from '../../harness.ts';
import { readOf, RECORD } from '../../support/records.ts';

const byId = (id: string): string => `{ backfill(id: "${id}") { id errorReport { error } } }`;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Garbage that waits for callbacks of its own goes with a later collection. */
async function settle(): Promise<void> {
  for (let n = 0; n < 3; n++) {
    collect();
    await nextTurn();
  }
}

/** The entry for a record of its own that came in a response, as the store keeps it. */
function entryFor(n: number, report: readonly string[]): Kept {
  const id = String(10n ** 17n + BigInt(n));
  const body = {
    ...RECORD,
    transfer_backfill_id: id,
    error_report: report.map((error) => ({ transfer_run_date: '2026-01-01', error: `${error} ${n}` })),
  };
  // A bare number beyond 2^53, as the REST API sends it.
  const text = JSON.stringify({ data: body }).replace(`"${id}"`, id);
  const record = readOf(readData({ status: 200, headers: {}, text }, [], 0));
  const outcome = {
    teamId: '1' as ResourceId,
    id: record.transfer_backfill_id,
    record,
    fetchedAt: new Date(n).toISOString(),
    givenAt: n + 0.8,
    progressedAt: n,
    isStale: false,
  };
  const moments = { verifiedAt: n + 0.1, confirmedAt: n + 0.2, freshUntil: n + 0.3 };
  const interest = new Interest(n + 0.4);
  for (const at of [0.5, 0.6]) interest.ask(n + at, 2_000);
  interest.decidedFor = n + 0.7;
  return { kind: 'backfill', outcome, ...moments, interest };
}

describe('the weight of what is kept', () => {
  it.each([
    ['a backfill without errors', 5_000, []],
    ['a backfill with a report of 20 rows', 1_000, Array.from({ length: 20 }, () => 'x'.repeat(50))],
    ['a backfill with a report of 100 long rows', 100, Array.from({ length: 100 }, () => 'x'.repeat(900))],
    ['a backfill whose report was cut', 1_000, ['x'.repeat(100_000)]],
    ['a backfill with a report in Japanese', 500, Array.from({ length: 20 }, () => '失敗'.repeat(100))],
  ])('is about the memory that it takes: %s', async (_name, count, report) => {
    const partition = createPartitions<object>(1024 ** 4, createManualClock()).of('credential');
    const index = new Map<ResourceId, EntryKey>();
    partition.set(new EntryKey('0' as ResourceId, index), entryFor(0, report));
    await settle();
    const before = process.memoryUsage().heapUsed;
    let weight = 0;
    for (let n = 1; n <= count; n++) {
      const entry = entryFor(n, report);
      weight += weigh(entry);
      partition.set(new EntryKey(String(10n ** 17n + BigInt(n)) as ResourceId, index), entry);
    }
    await settle();
    const taken = process.memoryUsage().heapUsed - before;
    expect(partition.count).toBe(count + 1);
    expect(taken / weight).toBeLessThan(1.05);
    expect(taken / weight).toBeGreaterThan(0.4);
  });
});

describe('the index of a team', () => {
  it('has what is kept and nothing else, whether it was evicted, deleted or too large', () => {
    const partition = createPartitions<object>(20_000, createManualClock()).of('credential');
    const index = new Map<ResourceId, EntryKey>();
    const put = (n: number, report: readonly string[] = []): EntryKey => {
      const id = String(n) as ResourceId;
      const key = index.get(id) ?? new EntryKey(id, index);
      partition.set(key, entryFor(n, report));
      return key;
    };
    const keys = Array.from({ length: 100 }, (_, n) => put(n));
    expect(partition.count).toBeLessThan(20);
    expect(index.size).toBe(partition.count);
    const last = keys.at(-1);
    if (last !== undefined) partition.delete(last);
    expect(index.has('99' as ResourceId)).toBe(false);
    put(
      98,
      Array.from({ length: 100 }, () => 'x'.repeat(900)),
    );
    expect(index.has('98' as ResourceId)).toBe(false);
    expect(index.size).toBe(partition.count);
  });
});

describe('room for more, where 400 credentials hold alike', () => {
  const CREDENTIALS = 400;
  const EACH = 4;

  it('is made by a look at each of them, and by no more of what they hold than it takes', () => {
    const weight = weigh(entryFor(0, []));
    const maxBytes = CREDENTIALS * EACH * weight;
    const partitions = createPartitions<object>(maxBytes, createManualClock());
    const all = Array.from({ length: CREDENTIALS }, (_, n) => partitions.of(`credential ${n}`));
    let keys = 0;
    const put = (partition: Partition<object>): void => {
      partition.set(new EntryKey(String(keys) as ResourceId), entryFor(keys++, []));
    };
    for (let n = 0; n < EACH; n++) all.forEach(put);
    expect(partitions.size()).toEqual({ entries: CREDENTIALS * EACH, bytes: maxBytes, evictions: 0 });

    const looks = vi.spyOn(Partition.prototype, 'bytes', 'get');
    onTestFinished(() => looks.mockRestore());
    const newest = partitions.of('newest');
    put(newest);
    expect(looks.mock.calls.length).toBeLessThan(30 * CREDENTIALS);
    const { bytes } = partitions.size();
    expect(bytes).toBeLessThanOrEqual(0.99 * maxBytes);
    expect(bytes).toBeGreaterThan(0.99 * maxBytes - 2 * weight);
    expect(newest.count).toBe(1);
    for (const { count } of all) expect(count).toBeGreaterThanOrEqual(EACH - 1);
    // Whoever was here last, has asked last.
    expect(all.slice(-100).map(({ count }) => count)).toEqual(Array<number>(100).fill(EACH));
  });
});

describe('room for those who read', () => {
  const WEIGHT = weigh(entryFor(0, []));

  /** Has credentials keep so many values each, one after the other. */
  function holders(
    partitions: Partitions<object>,
    name: string,
    count: number,
    each: number,
  ): Partition<object>[] {
    return Array.from({ length: count }, (_, n) => {
      const partition = partitions.of(`${name} ${n}`);
      for (let id = 0; id < each; id++) {
        partition.set(new EntryKey(String(id) as ResourceId), entryFor(id, []));
      }
      return partition;
    });
  }

  /** Room for 1,000 values, and credentials that read theirs so long ago. */
  function readBefore(ms: number, count: number, each: number) {
    const clock = createManualClock();
    const partitions = createPartitions<object>(1_000 * WEIGHT, clock);
    const before = holders(partitions, 'before', count, each);
    clock.advance(ms);
    return { partitions, before };
  }

  const countsOf = (partitions: readonly Partition<object>[]): number[] =>
    partitions.map(({ count }) => count);

  it('comes from those who have not read for a minute, where all hold alike', () => {
    const { partitions, before: idle } = readBefore(60_000, 19, 50);
    const reading = holders(partitions, 'reading', 10, 50);
    expect(countsOf(reading)).toEqual(Array<number>(10).fill(50));
    const left = countsOf(idle);
    expect(Math.max(...left) - Math.min(...left)).toBeLessThanOrEqual(1);
    expect(partitions.size().entries).toBeGreaterThan(970);
  });

  it('comes from one who holds much, before those who have not read for a minute', () => {
    const { partitions, before: idle } = readBefore(60_000, 100, 9);
    const much = holders(partitions, 'much', 1, 500);
    expect(countsOf(idle)).toEqual(Array<number>(100).fill(9));
    expect(much[0]?.count).toBeGreaterThan(80);
  });

  it('leaves two equal parts to one who reads, as long as others do not', () => {
    const { partitions, before: idle } = readBefore(60_000, 18, 50);
    const reading = partitions.of('reading');
    const counts: number[] = [];
    for (let id = 0; id < 130; id++) {
      reading.set(new EntryKey(String(id) as ResourceId), entryFor(id, []));
      counts.push(reading.count);
    }
    // An equal part is 52 of 1,000 values.
    expect(Math.max(...counts)).toBeLessThanOrEqual(115);
    expect(Math.min(...counts.slice(105))).toBeGreaterThanOrEqual(103);
    expect(Math.min(...countsOf(idle))).toBeGreaterThanOrEqual(47);
  });

  it('comes from those who hold most, where all have read within a minute', () => {
    const { partitions, before: small } = readBefore(59_999, 100, 9);
    const large = holders(partitions, 'large', 1, 500);
    expect(countsOf(small)).toEqual(Array<number>(100).fill(9));
    expect(large[0]?.count).toBeGreaterThan(80);
  });
});

describe('CACHE_MAX_BYTES', () => {
  const LONG = Array.from({ length: 100 }, () => ({
    transfer_run_date: '2026-01-01',
    error: 'x'.repeat(1_000),
  }));

  it('bounds what is kept, and evicts what was not used for longest', async () => {
    const { world, sandbox, query } = await startStack({ CACHE_MAX_BYTES: String(1024 ** 2) });
    // Each takes about 220 KB.
    const [a = '', b = '', c = '', d = '', e = ''] = ['5', '6', '7', '8', '9'].map((transferId) =>
      world.addBackfill({ transferId, status: 'COMPLETED' }),
    );
    for (const id of [a, b, c, d, e]) world.set(id, { error_report: LONG });
    for (const id of [a, b, c, d, a, e]) await query(byId(id));
    expect(sandbox.calls.count()).toBe(5);
    await query(byId(a));
    expect(sandbox.calls.count()).toBe(5);
    await query(byId(b));
    expect(sandbox.calls.count()).toBe(6);
  });

  it('takes from the credential that holds most, so that one which holds little keeps it', async () => {
    const { world, sandbox, query } = await startStack({ CACHE_MAX_BYTES: String(1024 ** 2) });
    const small = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    await query(byId(small), { token: 'sandbox-viewer' });
    for (let n = 0; n < 20; n++) {
      const large = world.addBackfill({ transferId: '6', status: 'COMPLETED' });
      world.set(large, { error_report: LONG });
      await query(byId(large));
    }
    sandbox.calls.reset();
    await query(byId(small), { token: 'sandbox-viewer' });
    expect(sandbox.calls.count()).toBe(0);
  });

  it('counts no read that is under way, however many there are', async () => {
    const { world, sandbox, query } = await startStack({ CACHE_MAX_BYTES: String(1024 ** 2) });
    const known = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    await query(byId(known));
    const latch = createLatch();
    const when = { operation: 'getBackfillById' } as const;
    sandbox.faults.add({ times: 150, when, answer: { kind: 'hold', until: latch.opened } });
    const unknown = Array.from({ length: 150 }, (_, n) => `b${n}: backfill(id: "${n + 1_000}") { id }`);
    const page = query(`{ ${unknown.join(' ')} }`);
    await expect.poll(() => sandbox.calls.inFlight).toBe(150);
    const calls = sandbox.calls.count();
    await query(byId(known));
    expect(sandbox.calls.count()).toBe(calls);
    latch.open();
    expect(codesOf(await page)).toHaveLength(150);
  });
});
