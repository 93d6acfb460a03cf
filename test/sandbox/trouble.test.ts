import { describe, expect, test } from 'vitest';
import type { Sandbox } from '../../src/sandbox/server.ts';
import { TROUBLES } from '../../src/sandbox/trouble.ts';
import { createDemoWorld, DEMO_TEAM_ID } from '../../src/sandbox/world/demo-world.ts';
import { ask, start, time } from '../support/sandbox.ts';

const READ = 'GET /teams/1/backfills/100';

async function startWithOne(): Promise<Sandbox> {
  const sandbox = await start({ troubleTimes: { slowMs: 60, retryAfterSeconds: 7 } });
  sandbox.world.addBackfill({ transferId: '10', id: '100', status: 'RUNNING' });
  return sandbox;
}

function control(sandbox: Sandbox, init: RequestInit = {}): Promise<Response> {
  return fetch(new URL('/trouble', sandbox.url), init);
}

function put(sandbox: Sandbox, trouble: unknown): Promise<Response> {
  return control(sandbox, { method: 'PUT', body: JSON.stringify({ trouble }) });
}

describe('a standing trouble', () => {
  test('is none at the start, and is told with the number of calls, which it does not count among', async () => {
    const sandbox = await startWithOne();
    await ask(sandbox, READ);
    const response = await control(sandbox);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual({ trouble: 'well', calls: 1 });
    expect(sandbox.calls.count()).toBe(1);
  });

  test.each([
    ['failing', 500, 'INTERNAL_SERVER_ERROR', null],
    ['forbidden', 403, 'ACCESS_DENIED', null],
    ['unauthenticated', 401, 'API_KEY_INVALID', null],
    ['out-of-quota', 429, 'TOO_MANY_REQUESTS', '7'],
  ])('%s answers every call %i, until all is well again', async (name, status, code, retryAfter) => {
    const sandbox = await startWithOne();
    expect(await (await put(sandbox, name)).json()).toEqual({ trouble: name, calls: 0 });
    for (const path of [READ, 'GET /teams/1/backfills', READ]) {
      const answer = await ask(sandbox, path);
      expect(answer).toMatchObject({ status, error: { code } });
      expect(answer.headers.get('retry-after')).toBe(retryAfter);
    }
    expect(sandbox.trouble.name).toBe(name);
    await put(sandbox, 'well');
    expect((await ask(sandbox, READ)).status).toBe(200);
  });

  test('slow answers late, and hanging not at all', async () => {
    const sandbox = await startWithOne();
    await put(sandbox, 'slow');
    const begun = performance.now();
    expect((await ask(sandbox, READ)).status).toBe(200);
    expect(performance.now() - begun).toBeGreaterThan(50);

    await put(sandbox, 'hanging');
    const signal = AbortSignal.timeout(100);
    await expect(fetch(`${sandbox.url}/teams/1/backfills/100`, { signal })).rejects.toThrow();
    expect(sandbox.calls.all.at(-1)?.status).toBeUndefined();
  });

  test('an unreadable row spoils one transfer of the demo wherever it stands, and no other', async () => {
    const world = createDemoWorld({ now: () => time.now });
    const sandbox = await start({ world });
    await put(sandbox, 'unreadable-row');
    const { list } = await ask(sandbox, `GET /teams/${DEMO_TEAM_ID}/backfills`);
    const spoiled = list.filter((row) => row['range_start_date'] === 'soon');
    expect(spoiled).toMatchObject([{ transfer_id: 456801 }]);
    expect(list.length).toBeGreaterThan(10);
    for (const path of ['transfers/456801/backfills/latest', 'backfills/12345']) {
      const { data } = await ask(sandbox, `GET /teams/${DEMO_TEAM_ID}/${path}`);
      expect(data['range_start_date']).toBe('soon');
    }
    const other = await ask(sandbox, `GET /teams/${DEMO_TEAM_ID}/transfers/456802/backfills/latest`);
    expect(other.data['range_start_date']).toMatch(/^\d{4}-/);
  });

  test('goes behind a scripted fault', async () => {
    const sandbox = await startWithOne();
    sandbox.trouble.name = 'failing';
    sandbox.faults.add({ answer: { kind: 'status', status: 418 } });
    expect((await ask(sandbox, READ)).status).toBe(418);
    expect((await ask(sandbox, READ)).status).toBe(500);
  });

  test.each(['{"trouble":"tired"}', '{"trouble":1}', '{}', 'null', 'slow', ''])(
    'is not set by the body %s, and the answer says what would do',
    async (body) => {
      const sandbox = await startWithOne();
      const response = await control(sandbox, { method: 'PUT', body });
      expect(response.status).toBe(400);
      const { error } = (await response.json()) as { error: string };
      for (const name of TROUBLES) expect(error).toContain(name);
      expect(sandbox.trouble.name).toBe('well');
    },
  );

  test('answers no other method', async () => {
    const response = await control(await startWithOne(), { method: 'DELETE' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, PUT, OPTIONS');
  });

  test('may be set by pages on this machine alone', async () => {
    const sandbox = await startWithOne();
    const allowed = async (origin: string, method: string): Promise<string | null> =>
      (await control(sandbox, { method, headers: { origin } })).headers.get('access-control-allow-origin');
    for (const method of ['OPTIONS', 'GET']) {
      for (const origin of ['http://localhost:4000', 'http://127.0.0.1:80', 'http://[::1]:4000'])
        expect(await allowed(origin, method)).toBe(origin);
      for (const origin of ['https://evil.example', 'http://localhost.evil.example', 'null'])
        expect(await allowed(origin, method)).toBeNull();
    }
    const preflight = await control(sandbox, {
      method: 'OPTIONS',
      headers: { origin: 'http://localhost:4000' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-methods')).toBe('GET, PUT');
  });
});
