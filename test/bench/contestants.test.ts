import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { peer, type PeerName, type RunningServer } from './contestants.ts';
import type { WorldPlan } from './living-world.ts';
import { startWorker, type Worker } from './processes.ts';
import { checkOneAnswer, headersOf, workloadsNamed } from './speed/workloads.ts';
import type { UpstreamCalls, UpstreamOrder } from './upstream.ts';

const PEERS: readonly PeerName[] = ['limit', 'yoga', 'mercurius'];
const LONG_MS = 600_000;

const WORLD: WorldPlan = {
  seed: 1,
  startsAt: 1_000,
  quietMs: 0,
  changingMs: 60_000,
  firstTransferId: 7_000,
  transfers: 20,
  running: 10,
  changeEveryMs: 5_000,
  endShare: 0.1,
};

let upstreamPort: number;
let upstream: Worker<UpstreamOrder, UpstreamCalls>;

beforeAll(async () => {
  upstreamPort = await freePort();
  upstream = startWorker('upstream.ts', { PORT: String(upstreamPort) });
  await upstream.ask({ kind: 'rest', latencyMs: 0 });
});

afterAll(() => upstream.stop());

describe.each(PEERS)('the peer %s', (name) => {
  let server: RunningServer;

  beforeAll(async () => {
    server = await peer(name).start({ upstreamPort, core: undefined, ttlMs: LONG_MS });
  }, 60_000);

  afterAll(() => server.stop());

  it('answers every workload right', async () => {
    for (const workload of workloadsNamed('W1', 'W2', 'W3', 'W4', 'W1u', 'W3u'))
      await checkOneAnswer(server.url, workload);
  });

  it('reads what it keeps once for each credential', async () => {
    const callsOf = async (credential: number): Promise<number> => {
      const before = (await upstream.ask({ kind: 'count' })).total;
      const { url } = server;
      const response = await fetch(url, {
        method: 'POST',
        headers: headersOf(credential),
        body: JSON.stringify({
          query: 'query Backfill($id: ID!) { backfill(id: $id) { id } }',
          variables: { id: '123456789012' },
        }),
      });
      expect(await response.text()).toContain('123456789012');
      return (await upstream.ask({ kind: 'count' })).total - before;
    };
    expect([await callsOf(1), await callsOf(1), await callsOf(2), await callsOf(2)]).toEqual([1, 0, 1, 0]);
  });
});

describe('the fake upstream', () => {
  const get = async (path: string, authorization = 'Bearer somebody') => {
    const response = await fetch(`http://127.0.0.1:${upstreamPort}/v1/teams/7/${path}`, {
      headers: { authorization },
    });
    return {
      status: response.status,
      body: (await response.json()) as { readonly data?: unknown },
      response,
    };
  };

  it('says of a living world what its plan says, and lists what is incomplete', async () => {
    await upstream.ask({ kind: 'live', latencyMs: 0, world: WORLD, hourlyQuota: undefined });
    const list = (await get('backfills')).body.data as readonly {
      readonly transfer_id: number;
      readonly status: string;
    }[];
    expect(list.length).toBeGreaterThan(0);
    for (const record of list) {
      expect(record.status).toBe('RUNNING');
      expect((await get(`transfers/${record.transfer_id}/backfills/latest`)).body.data).toEqual(record);
    }
    expect((await get('transfers/7019/backfills/latest')).body.data).toMatchObject({ status: 'COMPLETED' });
    expect((await get('transfers/7020/backfills/latest')).status).toBe(404);
    await upstream.ask({ kind: 'rest', latencyMs: 0 });
  });

  it('grants each credential its calls of an hour, and refuses those beyond them', async () => {
    await upstream.ask({ kind: 'live', latencyMs: 0, world: WORLD, hourlyQuota: 2 });
    const before = await upstream.ask({ kind: 'count' });
    const answers = [await get('backfills'), await get('backfills'), await get('backfills')];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers.map(({ response }) => response.headers.get('x-ratelimit-remaining'))).toEqual([
      '1',
      '0',
      '0',
    ]);
    expect(answers[2]?.response.headers.get('retry-after')).toMatch(/^3[56]\d\d$/);
    expect((await get('backfills', 'Bearer another')).status).toBe(200);
    const after = await upstream.ask({ kind: 'count' });
    expect({ lists: after.lists - before.lists, refused: after.refused - before.refused }).toEqual({
      lists: 4,
      refused: 1,
    });
    await upstream.ask({ kind: 'rest', latencyMs: 0 });
  });

  it('refuses a call without a credential', async () => {
    expect((await get('backfills/1', '')).status).toBe(401);
  });
});
