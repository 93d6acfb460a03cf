import { isDeepStrictEqual } from 'node:util';
import { expect, it } from 'vitest';
import { createBackfillUpdates } from '../../../src/graphql/live/backfill-updates.ts';
import type { PolledUpstream } from '../../../src/graphql/live/poll.ts';
import type { ResourceId } from '../../../src/ids.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { createShares } from '../../../src/shares.ts';
import type { Backfills } from '../../../src/upstream/reads/backfills.ts';
import type { ReadContext } from '../../../src/upstream/reads/read.ts';
import type { BackfillSnapshot } from '../../../src/upstream/cache/snapshots.ts';
import { OperationCost } from '../../../src/upstream/reads/operation-cost.ts';
import { createManualClock } from '../../harness.ts';
import { readOf } from '../../support/records.ts';

const TEAM = '1' as ResourceId;
const ID = '12' as ResourceId;

const reader: ReadContext = {
  caller: {
    credential: { authorization: 'Bearer x', token: 'x', id: 'x.0' },
    requestId: 'r',
    traceparent: undefined,
  },
  mode: { kind: 'fresh' },
  cost: new OperationCost(Infinity),
};

const snapshot: BackfillSnapshot = {
  teamId: TEAM,
  id: ID,
  fetchedAt: '2026-03-02T10:00:00Z',
  givenAt: 0,
  progressedAt: 0,
  isStale: false,
  record: readOf({
    transfer_backfill_id: 12,
    transfer_id: 5,
    range_start_date: '2026-01-01',
    range_end_date: '2026-01-31',
    created_time: '2026-03-02T09:00:00Z',
    created_user_id: 7,
    status: 'RUNNING',
    transfer_runs_total: 31,
    transfer_runs_created: 31,
    transfer_runs_completed: 3,
    transfer_runs_failed: 0,
  }),
};

/** Backfill updates over a REST API that always gives the same snapshot unless `read` does otherwise. */
function startUpdates(
  total: number,
  read: (id: ResourceId) => BackfillSnapshot = () => snapshot,
  upstream: Partial<PolledUpstream> = {},
) {
  const clock = createManualClock();
  const streams = createShares({ total, timesFree: 1 }, () => true);
  const backfills: Backfills = {
    backfill: (_context, _team, id) => Promise.resolve(read(id)),
    latestBackfill: () => Promise.resolve(null),
    atHand: () => undefined,
  };
  const updates = createBackfillUpdates({
    upstream: {
      backfills,
      incompleteBackfills: () => Promise.reject(new Error('unused')),
      lastKnown: () => undefined,
      newest: () => undefined,
      pollIntervalMs: () => 2_000,
      listen: () => () => undefined,
      hearNews: () => Promise.resolve(),
      ...upstream,
    },
    clock,
    metrics: createMetrics(),
    staleMs: 10_000,
    streams,
    onStale: () => undefined,
  });
  return { clock, updates, streams };
}

it('backfill updates refuse a stream beyond the share of its caller until one ends', async () => {
  let reads = 0;
  const { updates, streams } = startUpdates(4, () => {
    reads++;
    return snapshot;
  });
  const open = async (): Promise<AsyncIterator<BackfillSnapshot>> => {
    const iterator = (await updates.open(reader, TEAM, ID))[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: snapshot });
    return iterator;
  };
  const opened = [await open(), await open()];
  expect(streams.held).toBe(2);
  await expect(updates.open(reader, TEAM, ID)).rejects.toMatchObject({
    extensions: { code: 'UPSTREAM_UNAVAILABLE', retryable: true, retryAfterSeconds: 1 },
  });
  expect(reads).toBe(2);
  await opened[0]?.return?.();
  await open();
  expect(streams.held).toBe(2);
});

it('a stream that nobody reads causes no polls', async () => {
  const { clock, updates, streams } = startUpdates(2);
  await updates.open(reader, TEAM, ID);
  expect([streams.held, clock.waiting]).toEqual([0, 0]);
});

it('a change is sent to many subscribers over several turns of the event loop', async () => {
  let current = snapshot;
  const { clock, updates } = startUpdates(1_000, () => current);
  let events = 0;
  for (let n = 0; n < 220; n++) {
    const iterator = (await updates.open(reader, TEAM, ID))[Symbol.asyncIterator]();
    await iterator.next();
    void iterator.next().then(() => events++);
  }
  current = { ...snapshot, record: { ...snapshot.record, transfer_runs_completed: 4 } };
  clock.advance(2_000);
  const seen = [];
  while (events < 220) {
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(events);
  }
  expect(new Set([0, ...seen])).toEqual(new Set(Array.from({ length: 23 }, (_, n) => 10 * n)));
  expect(clock.waiting).toBe(1);
});

/** The record, which counts how often it is compared with another. */
function countingComparisons(record: BackfillSnapshot['record'], onCompared: () => void): typeof record {
  return new Proxy(record, {
    ownKeys(target) {
      onCompared();
      return Reflect.ownKeys(target);
    },
  });
}

it('a poll compares each backfill once, however many streams have a page of them', async () => {
  let compared = 0;
  let runs = 3;
  const ids = Array.from({ length: 100 }, (_, n) => String(1_000 + n) as ResourceId);
  const readAll = (): Map<ResourceId, BackfillSnapshot> =>
    new Map(
      ids.map((id) => {
        const record = { ...snapshot.record, transfer_backfill_id: id, transfer_runs_completed: runs };
        return [id, { ...snapshot, id, record: countingComparisons(record, () => compared++) }];
      }),
    );
  let all = readAll();
  const { clock, updates } = startUpdates(10_000, (id) => all.get(id) ?? snapshot);
  let events = 0;
  for (let n = 0; n < 2_000; n++) {
    // Each has read the same at a moment of its own.
    if (n % 100 === 0) all = readAll();
    const stream = await updates.openMany(reader, TEAM, ids);
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    const follow = (): unknown => iterator.next().then(() => (events++, follow()));
    follow();
  }
  const poll = async (): Promise<number> => {
    compared = 0;
    all = readAll();
    clock.advance(2_000);
    await expect.poll(() => clock.waiting, { timeout: 20_000 }).toBe(1);
    return compared;
  };
  const [one] = [...all.values()];
  compared = 0;
  isDeepStrictEqual(one?.record, { ...snapshot.record, transfer_backfill_id: one?.id });
  const perBackfill = 2 * compared;
  // Once there are the states of twenty moments to compare with, and of one from then on.
  expect(await poll()).toBe(20 * ids.length * perBackfill);
  expect(events).toBe(0);
  runs = 4;
  expect(await poll()).toBeLessThanOrEqual(ids.length * perBackfill);
  await expect.poll(() => events).toBe(2_000);
});

const withRuns = (runs: number, id = ID): BackfillSnapshot => ({
  ...snapshot,
  id,
  record: { ...snapshot.record, transfer_backfill_id: id, transfer_runs_completed: runs },
});

it('a reader who asks late is shown what others have been shown meanwhile', async () => {
  let current = withRuns(3);
  const shown: { newest?: BackfillSnapshot } = {};
  const { clock, updates } = startUpdates(10, () => current, { newest: () => shown.newest });
  const opened = [
    await updates.open(reader, TEAM, ID),
    await updates.openMany(reader, TEAM, [ID, '13' as ResourceId]),
  ];
  const iterators = opened.map((stream): AsyncIterator<unknown> => stream[Symbol.asyncIterator]());
  for (const iterator of iterators) await iterator.next();
  current = withRuns(4);
  clock.advance(2_000);
  await expect.poll(() => clock.waiting).toBe(1);
  shown.newest = withRuns(5);
  const [alone, page] = await Promise.all(iterators.map((iterator) => iterator.next()));
  expect(alone?.value).toBe(shown.newest);
  expect(page?.value).toEqual([shown.newest, shown.newest]);
});

it('nobody is polled for, and no place is taken, after the end of streams whose readers have not asked for it yet', async () => {
  let current = snapshot;
  const { clock, updates, streams } = startUpdates(10, () => current);
  const opened = [await updates.open(reader, TEAM, ID), await updates.openMany(reader, TEAM, [ID])];
  const iterators = opened.map((stream): AsyncIterator<unknown> => stream[Symbol.asyncIterator]());
  for (const iterator of iterators) await iterator.next();
  expect([clock.waiting, streams.held]).toEqual([1, 2]);
  current = { ...snapshot, record: { ...snapshot.record, status: 'COMPLETED' } };
  clock.advance(2_000);
  await expect.poll(() => streams.held).toBe(0);
  // By the next turn of the event loop the poll is over, and would have scheduled another.
  await new Promise((resolve) => setImmediate(resolve));
  expect(clock.waiting).toBe(0);
  for (const [n, iterator] of iterators.entries()) {
    expect((await iterator.next()).value).toEqual(n === 0 ? current : [current]);
    expect((await iterator.next()).done).toBe(true);
  }
});

it('an event of a list has at most 200 backfills, and the next one the others', async () => {
  const listed = (count: number): BackfillSnapshot[] =>
    Array.from({ length: count }, (_, n) => withRuns(3, String(1_000 + n) as ResourceId));
  let items = listed(1);
  const { clock, updates } = startUpdates(10, undefined, {
    incompleteBackfills: () =>
      Promise.resolve({ items, isPartial: false, fetchedAt: snapshot.fetchedAt, isStale: false }),
  });
  const iterator = (await updates.openIncomplete(reader, TEAM))[Symbol.asyncIterator]();
  const next = async (): Promise<readonly string[]> => {
    const { value } = (await iterator.next()) as IteratorYieldResult<readonly BackfillSnapshot[]>;
    return value.map(({ id }) => id);
  };
  expect(await next()).toEqual(['1000']);
  items = listed(301);
  clock.advance(2_000);
  const [first, second] = [await next(), await next()];
  expect([first.length, second.length]).toEqual([200, 100]);
  expect([...first, ...second]).toEqual(items.slice(1).map(({ id }) => id));
});
