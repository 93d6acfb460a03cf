import { describe, expect, test, vi } from 'vitest';
import { ask, START, start, time } from '../support/sandbox.ts';

describe('the call log', () => {
  test('has the request and the status of every call', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill({ transferId: '10', id: '100' });
    const headers = { 'x-request-id': 'mine-1', traceparent: '00-abc-def-01' };
    time.now += 5;
    await ask(sandbox, 'GET /teams/1/backfills/100?x=1', { headers });
    await ask(sandbox, 'GET /teams/1/transfers/10/backfills/latest', { token: null });
    await ask(sandbox, 'GET /nothing');

    expect(sandbox.calls.all).toMatchObject([
      {
        operation: 'getBackfillById',
        method: 'GET',
        path: '/v1/teams/1/backfills/100',
        teamId: '1',
        id: '100',
        authorization: 'Bearer sandbox-full',
        requestId: 'mine-1',
        traceparent: '00-abc-def-01',
        headers: { host: new URL(sandbox.url).host },
        at: START + 5,
        status: 200,
      },
      {
        operation: 'getLatestBackfill',
        id: '10',
        authorization: undefined,
        requestId: undefined,
        status: 401,
      },
      { operation: 'unknown', teamId: undefined, id: undefined, status: 404 },
    ]);
  });

  test('counts by operation and by path, until reset', async () => {
    const { calls, ...sandbox } = await start();
    for (const path of ['1/backfills', '1/backfills', '1/backfills/7'])
      await ask({ calls, ...sandbox }, `GET /teams/${path}`);

    expect(calls.count()).toBe(3);
    expect(calls.count('listIncompleteBackfills')).toBe(2);
    expect(calls.count('createBackfill')).toBe(0);
    expect(Object.fromEntries(calls.countByPath())).toEqual({
      'GET /v1/teams/1/backfills': 2,
      'GET /v1/teams/1/backfills/7': 1,
    });
    calls.reset();
    expect([calls.count(), calls.all.length, calls.countByPath().size, calls.maxInFlight]).toEqual([
      0, 0, 0, 0,
    ]);
  });

  test('counts the requests in flight and their maximum', async () => {
    const sandbox = await start();
    let release: () => void = () => undefined;
    const until = new Promise<void>((resolve) => (release = resolve));
    sandbox.faults.add({ times: 5, answer: { kind: 'hold', until } });
    const held = Array.from({ length: 5 }, () => ask(sandbox, 'GET /teams/1/backfills/7'));
    await vi.waitFor(() => expect(sandbox.calls.inFlight).toBe(5));
    release();
    await Promise.all(held);

    expect(sandbox.calls).toMatchObject({ inFlight: 0, maxInFlight: 5 });
    sandbox.calls.reset();
    for (let n = 0; n < 20; n += 1) await ask(sandbox, 'GET /teams/1/backfills/7');
    expect(sandbox.calls.maxInFlight).toBe(1);
  });
});
