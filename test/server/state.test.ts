import { describe, expect, it } from 'vitest';
import { createLatch, startStack, TOKEN } from '../harness.ts';
import { overSse, overWebSocket } from '../support/streams.ts';

const TEAM = '4711';

describe('the log line `state`', () => {
  it('counts streams by transport, what is held of each share, and what is kept', async () => {
    const env = { SUPERMETRICS_TEAM_ID: TEAM };
    const { origin, world, sandbox, query, state } = await startStack(env, {}, 'first use');
    const id = world.addBackfill({ teamId: TEAM, transferId: '5', status: 'RUNNING' });
    await query(`{ backfill(id: "${id}") { status } }`, { team: TEAM });
    const subscription = `subscription { backfillUpdated(id: "${id}") { status } }`;
    const streams = [overSse, overWebSocket, overWebSocket].map((follow) =>
      follow(origin, subscription, { team: TEAM }),
    );
    await expect.poll(() => streams.map(({ events }) => events.length)).toEqual([1, 1, 1]);
    const latch = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
    const underWay = query('{ backfill(id: "404") { id } }', { team: TEAM });
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);

    const alone = { callers: 1, newcomers: 0 };
    const nothing = { held: 0, callers: 0, newcomers: 0 };
    expect(state()).toMatchObject({
      level: 'info',
      msg: 'state',
      phase: 'serving',
      streams: { sse: 1, websocket: 2 },
      shares: {
        underWay: { ...alone, held: 1, total: 1_600 },
        bodies: { ...alone, held: expect.any(Number), total: 192 * 1024 ** 2 },
        streams: { ...alone, held: 3, total: 10_000 },
        sockets: { ...alone, held: 2, total: 10_000 },
        unsentAnswers: { ...nothing, total: 64 * 1024 ** 2 },
      },
      caches: {
        values: { entries: 1, bytes: expect.any(Number) },
        plans: { entries: 2, bytes: expect.any(Number) },
        rows: { entries: 1, bytes: expect.any(Number) },
      },
      calls: { running: 1, waiting: 0 },
      credentials: { accepted: 1, newcomers: 0 },
      config: { CACHE_TTL_MS: 2_000, SUPERMETRICS_TEAM_ID: 'set' },
    });
    latch.open();
    await underWay;
    for (const { leave } of streams) leave();
    await expect.poll(state).toMatchObject({
      streams: { sse: 0, websocket: 0 },
      shares: { underWay: nothing, bodies: nothing, streams: nothing, sockets: nothing },
    });
  });

  it('says how the REST API stands: circuits, gates, refusals, quotas and lists', async () => {
    const { world, sandbox, clock, query, state } = await startStack();
    world.addBackfill({ transferId: '5', status: 'RUNNING' });
    for (const token of ['reader', 'failing', 'limited'])
      world.addToken(token, { teams: 'all', permissions: 'view' });
    expect(state()).toMatchObject({
      circuits: { all: 'closed', ownOpen: 0 },
      gates: { closed: 0, longestSeconds: 0 },
      refusalsRemembered: 0,
      lists: { usable: 0, resting: 0, unread: 0 },
      credentials: { accepted: 0, newcomers: 0 },
    });

    const list = '{ incompleteBackfills { items { id } } }';
    const one = '{ backfill(id: "7") { id } }';
    await query(list, { token: 'reader', team: '1' });
    sandbox.faults.add({ when: { teamId: '2' }, answer: { kind: 'status', status: 403 } });
    await query(list, { token: 'reader', team: '2' });
    await query(one, { token: 'reader', team: '3' });
    await query(one, { token: 'invented' });
    sandbox.faults.add({ answer: { kind: 'status', status: 429, headers: { 'retry-after': '90' } } });
    await query(one, { token: 'limited' });
    sandbox.faults.add({ times: 10, answer: { kind: 'status', status: 500 } });
    for (let n = 0; n < 10; n++) await query(one, { token: 'failing' });
    clock.advance(500);

    expect(state()).toMatchObject({
      circuits: { all: 'closed', ownOpen: 1 },
      gates: { closed: 1, longestSeconds: 90 },
      refusalsRemembered: 1,
      quota: { credentials: { plenty: 4, out: 0 }, leastRemaining: 4_990, greatestStretch: 1 },
      lists: { usable: 1, resting: 1, unread: 3 },
      credentials: { accepted: 1, newcomers: 2 },
    });
    // The gate opens and the refusal is forgotten.
    clock.advance(90_000);
    expect(state()).toMatchObject({ gates: { closed: 0, longestSeconds: 0 }, refusalsRemembered: 0 });
  });

  it('says that the common circuit is open, where nobody can connect', async () => {
    const { sandbox, query, state } = await startStack();
    sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 500 } });
    for (let n = 0; n < 10; n++)
      await query(`{ backfill(id: "${n + 1}") { id } }`, { token: `token-${n % 3}` });
    expect(state()).toMatchObject({ circuits: { all: 'open', ownOpen: 0 } });
  });

  it('names nobody: no token, no team and no id', async () => {
    const { world, query, state } = await startStack({
      SUPERMETRICS_TEAM_ID: TEAM,
      CACHE_SECRET: 's'.repeat(32),
    });
    const id = world.addBackfill({ teamId: TEAM, transferId: '55555', status: 'RUNNING' });
    await query(`{ backfill(id: "${id}") { id } transfer(id: "55555") { latestBackfill { id } } }`, {
      team: null,
    });
    const text = JSON.stringify(state());
    for (const secret of [TOKEN, TEAM, id, '55555', 's'.repeat(32)]) expect(text).not.toContain(secret);
  });
});
