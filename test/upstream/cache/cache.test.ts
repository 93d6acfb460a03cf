import { describe, expect, it } from 'vitest';
import { codesOf, createLatch, startStack } from '../../harness.ts';

const byId = (id: string): string => `{ backfill(id: "${id}") { id status fetchedAt } }`;
const latest = (transferId: string): string =>
  `{ transfer(id: "${transferId}") { latestBackfill { id fetchedAt } } }`;

describe('freshness', () => {
  it('of an incomplete backfill is CACHE_TTL_MS', async () => {
    const { world, sandbox, clock, query } = await startStack({ CACHE_TTL_MS: '500' });
    const id = world.addBackfill({ transferId: '5', status: 'FAILED' });
    await query(byId(id));
    clock.advance(500);
    await query(byId(id));
    expect(sandbox.calls.count()).toBe(1);
    clock.advance(1);
    await query(byId(id));
    expect(sandbox.calls.count()).toBe(2);
  });

  it('of a completed backfill read by id is CACHE_FINAL_TTL_MS', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    await query(byId(id));
    clock.advance(60_000);
    expect((await query(byId(id))).data).toMatchObject({ backfill: { fetchedAt: '2026-03-02T10:00:00Z' } });
    expect(sandbox.calls.count()).toBe(1);
    clock.advance(1);
    await query(byId(id));
    expect(sandbox.calls.count()).toBe(2);
  });

  it('of a latest backfill is CACHE_TTL_MS even if it is completed, because a newer one may follow', async () => {
    const { world, sandbox, clock, query } = await startStack();
    world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    await query(latest('5'));
    clock.advance(2_001);
    const newer = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    expect((await query(latest('5'))).data).toMatchObject({ transfer: { latestBackfill: { id: newer } } });
    expect(sandbox.calls.count()).toBe(2);
  });

  it('covers NOT_FOUND and "no backfill yet" too', async () => {
    const { world, sandbox, clock, query } = await startStack();
    world.addTransfer('1', '404');
    for (let round = 1; round <= 2; round++) {
      for (let n = 0; n < 3; n++) {
        expect(codesOf(await query(byId('404')))).toEqual(['NOT_FOUND']);
        expect((await query(latest('404'))).data).toEqual({ transfer: { latestBackfill: null } });
      }
      expect(sandbox.calls.count()).toBe(2 * round);
      clock.advance(2_001);
    }
  });

  it('is never given to an error', async () => {
    const { world, sandbox, clock, query } = await startStack({ CACHE_STALE_MS: '0' });
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    for (const status of [500, 403, 422, 302, 429]) {
      sandbox.faults.add({ answer: { kind: 'status', status } });
      expect((await query(byId(id))).errors).toHaveLength(1);
    }
    // Only the 429 is remembered, and shortly.
    clock.advance(2_000);
    expect((await query(byId(id))).errors).toBeUndefined();
    expect(sandbox.calls.count()).toBe(6);
  });

  it('ends at once if CACHE_TTL_MS is 0, but reads in flight are still shared', async () => {
    const { world, sandbox, query } = await startStack({ CACHE_TTL_MS: '0', CACHE_FINAL_TTL_MS: '0' });
    const id = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const latch = createLatch();
    sandbox.faults.add({
      answer: { kind: 'hold', until: latch.opened },
    });
    const both = [query(byId(id)), query(byId(id))];
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    latch.open();
    await Promise.all(both);
    const shared = sandbox.calls.count();
    await query(byId(id));
    expect(sandbox.calls.count()).toBe(shared + 1);
    expect(shared).toBeLessThanOrEqual(2);
  });

  it("shows in fetchedAt, the time of the REST API's HTTP response", async () => {
    const { world, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(byId(id));
    clock.advance(1_500);
    expect((await query(byId(id))).data).toMatchObject({ backfill: { fetchedAt: '2026-03-02T10:00:00Z' } });
    clock.advance(1_500);
    expect((await query(byId(id))).data).toMatchObject({ backfill: { fetchedAt: '2026-03-02T10:00:03Z' } });
  });
});

describe('a latest read', () => {
  it('answers reads of the same backfill by id', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(latest('5'));
    expect((await query(byId(id))).data).toMatchObject({ backfill: { id, status: 'RUNNING' } });
    expect(sandbox.calls.count()).toBe(1);
  });

  it('is not answered by a read by id, which does not say which backfill is the latest', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(byId(id));
    await query(latest('5'));
    expect(sandbox.calls.count()).toBe(2);
  });
});

describe('Cache-Control: no-cache', () => {
  it('reads past the cache, and later reads get the new value', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    await query(byId(id));
    clock.advance(1_000);
    const past = await query(byId(id), { headers: { 'cache-control': 'max-age=5, no-cache' } });
    expect(past.data).toMatchObject({ backfill: { fetchedAt: '2026-03-02T10:00:01Z' } });
    expect((await query(byId(id))).data).toEqual(past.data);
    expect(sandbox.calls.count()).toBe(2);
  });

  it('leaves a fresh value in place for others when its own read fails', async () => {
    const { world, sandbox, clock, query } = await startStack({ CACHE_STALE_MS: '0' });
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const known = await query(byId(id));
    clock.advance(1_000);
    sandbox.faults.add({ answer: { kind: 'status', status: 500 } });
    const failed = await query(byId(id), { headers: { 'cache-control': 'no-cache' } });
    expect(codesOf(failed)).toEqual(['UPSTREAM_ERROR']);
    expect((await query(byId(id))).data).toEqual(known.data);
    expect(sandbox.calls.count()).toBe(2);
  });
});

describe('a refusal', () => {
  it('with 403 drops that resource, and hides what is kept of the team until a read is accepted', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const other = world.addBackfill({ transferId: '6', status: 'RUNNING' });
    const third = world.addBackfill({ transferId: '7', status: 'RUNNING' });
    for (const each of [id, other, third]) await query(byId(each));
    clock.advance(1_000);
    sandbox.faults.add({ times: 2, answer: { kind: 'status', status: 403 } });
    await query(byId(id), { headers: { 'cache-control': 'no-cache' } });
    expect(codesOf(await query(byId(id)))).toEqual(['FORBIDDEN']);
    sandbox.calls.reset();
    expect((await query(byId(other))).errors).toBeUndefined();
    expect(sandbox.calls.count()).toBe(1);
    expect((await query(byId(third))).errors).toBeUndefined();
    expect(sandbox.calls.count()).toBe(1);
    await query(byId(id));
    expect(sandbox.calls.count()).toBe(2);
  });

  it('with 403 of a latest backfill drops the same backfill by its id', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const other = world.addBackfill({ transferId: '6', status: 'RUNNING' });
    await query(latest('5'));
    clock.advance(1_000);
    sandbox.faults.add({ answer: { kind: 'status', status: 403 } });
    const refused = await query(latest('5'), { headers: { 'cache-control': 'no-cache' } });
    expect(codesOf(refused)).toEqual(['FORBIDDEN']);
    expect(codesOf(await query(byId(other)))).toEqual([]);
    sandbox.calls.reset();
    await query(byId(id));
    expect(sandbox.calls.count()).toBe(1);
  });

  it('with 401 drops every cached value of that credential, and nothing of another', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    await query(byId(id));
    await query(byId(id), { token: 'sandbox-viewer' });
    expect(sandbox.calls.count()).toBe(2);

    sandbox.faults.add({ when: { id: '999' }, answer: { kind: 'status', status: 401 } });
    expect(codesOf(await query(byId('999')))).toEqual(['UNAUTHENTICATED']);
    clock.advance(2_000);
    sandbox.faults.add({ when: { id }, answer: { kind: 'status', status: 401 } });
    expect(codesOf(await query(byId(id)))).toEqual(['UNAUTHENTICATED']);
    expect((await query(byId(id), { token: 'sandbox-viewer' })).errors).toBeUndefined();
    expect(sandbox.calls.count()).toBe(4);
  });

  it('with 401 drops them however the scheme of the credential is spelled', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const other = { token: null, headers: { authorization: 'bearer sandbox-full' } };
    await query(byId(id), other);
    sandbox.faults.add({ times: 2, answer: { kind: 'status', status: 401 } });
    expect(codesOf(await query(byId('999')))).toEqual(['UNAUTHENTICATED']);
    clock.advance(2_000);
    expect(codesOf(await query(byId(id), other))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('a caller that hangs up', () => {
  it('fails no other caller that waits for the same read', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const latch = createLatch();
    sandbox.faults.add({
      answer: { kind: 'hold', until: latch.opened },
    });
    const impatient = new AbortController();
    const first = query(byId(id), { signal: impatient.signal });
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    const second = query(byId(id));
    impatient.abort();
    await expect(first).rejects.toThrow('aborted');
    latch.open();
    expect((await second).data).toMatchObject({ backfill: { id } });
    expect(sandbox.calls.count()).toBe(1);
  });
});

describe('the Cache-Control header', () => {
  it('is the least remaining freshness of what was read, in whole seconds, and private', async () => {
    const { world, clock, query } = await startStack({ CACHE_TTL_MS: '20000' });
    const final = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const running = world.addBackfill({ transferId: '6', status: 'RUNNING' });
    const both = `{ a: backfill(id: "${final}") { id } b: backfill(id: "${running}") { id } }`;
    const cacheControl = async (text: string): Promise<string | null> =>
      (await query(text)).headers.get('cache-control');

    expect(await cacheControl(byId(final))).toBe('private, max-age=60');
    expect(await cacheControl(both)).toBe('private, max-age=20');
    clock.advance(4_500);
    expect(await cacheControl(both)).toBe('private, max-age=15');
    expect(await cacheControl(byId(final))).toBe('private, max-age=55');
  });

  it('is no-store for errors and for operations without a read', async () => {
    const { world, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    for (const text of [
      `{ a: backfill(id: "${id}") { id } b: backfill(id: "404") { id } }`,
      '{ transfer(id: "5") { id } }',
      '{ nope }',
    ]) {
      expect((await query(text)).headers.get('cache-control')).toBe('no-store');
    }
  });

  it('comes with a Vary header of the request headers that change the result', async () => {
    const { query } = await startStack();
    const { headers } = await query('{ transfer(id: "5") { id } }');
    expect(headers.get('vary')).toBe('Accept, Authorization, X-Team-Id, X-Explain-Cost');
  });
});
