import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { envelope } from '../../src/sandbox/faults.ts';
import { type Sandbox, type SandboxOptions } from '../../src/sandbox/server.ts';
import { DEMO_TOKENS } from '../../src/sandbox/world/tokens.ts';
import { ask, CANCEL, start } from '../support/sandbox.ts';

describe('faults', () => {
  const READ = 'GET /teams/1/backfills/100';

  async function startWithOne(options: SandboxOptions = {}): Promise<Sandbox> {
    const sandbox = await start(options);
    sandbox.world.addBackfill({ transferId: '10', id: '100', status: 'RUNNING' });
    return sandbox;
  }

  test('a status fault answers once with the documented envelope, then the ordinary response follows', async () => {
    const { faults, ...sandbox } = await startWithOne();
    const body = envelope('INTERNAL_SERVER_ERROR', 'An unexpected error occurred.');
    faults.add({ answer: { kind: 'status', status: 500, body, headers: { 'x-strange': 'yes' } } });
    expect(faults.pending()).toEqual(['status 500 for any request: 1 left']);

    const failed = await ask({ faults, ...sandbox }, READ);

    expect(failed).toMatchObject({ status: 500, error: { code: 'INTERNAL_SERVER_ERROR' } });
    expect(failed.headers.get('x-request-id')).toBe(body.meta.request_id);
    expect(failed.headers.get('x-strange')).toBe('yes');
    expect(faults.pending()).toEqual([]);
    expect((await ask({ faults, ...sandbox }, READ)).status).toBe(200);
  });

  test('faults meet matching requests only, in the order of adding, `times` times', async () => {
    const sandbox = await startWithOne();
    const { faults } = sandbox;
    const status = (code: number) => ({ kind: 'status', status: code }) as const;
    faults.add({
      when: { operation: 'getBackfillById', id: '100', teamId: '1' },
      times: 2,
      answer: status(503),
    });
    faults.add({ when: { operation: 'getBackfillById' }, answer: status(502) });
    const remove = faults.add({ times: Infinity, answer: status(504) });
    expect(faults.pending()).toEqual([
      'status 503 for operation getBackfillById, id 100, teamId 1: 2 left',
      'status 502 for operation getBackfillById: 1 left',
    ]);

    const seen: number[] = [];
    for (const path of [READ, 'GET /teams/1/backfills/101', READ, 'GET /teams/1/backfills', READ]) {
      seen.push((await ask(sandbox, path)).status);
    }
    expect(seen).toEqual([503, 502, 503, 504, 504]);
    expect(faults.pending()).toEqual([]);
    remove();
    expect((await ask(sandbox, READ)).status).toBe(200);
    faults.add({ answer: status(500) });
    faults.clear();
    expect((await ask(sandbox, READ)).status).toBe(200);
    expect(() => faults.add({ times: 0, answer: status(500) })).toThrow(RangeError);
  });

  test('a raw fault sends its bytes unchanged', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({
      answer: { kind: 'raw', status: 502, headers: { 'content-type': 'x/y' }, bytes: '<bad>' },
    });
    const { status, headers, text } = await ask(sandbox, READ);
    expect([status, headers.get('content-type'), text]).toEqual([502, 'x/y', '<bad>']);
  });

  test('a hanging request is in flight until the client leaves', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'hang' } });
    const leaving = new AbortController();
    const asked = fetch(`${sandbox.url}/teams/1/backfills/100`, { signal: leaving.signal });
    await vi.waitFor(() => expect(sandbox.faults.pending()).toEqual([]));
    expect(sandbox.calls.inFlight).toBe(1);

    leaving.abort();
    await expect(asked).rejects.toThrow('aborted');
    await vi.waitFor(() => expect(sandbox.calls.inFlight).toBe(0));
    expect(sandbox.calls.all).toMatchObject([{ status: undefined }]);
  });

  test('a hanging request and an idle connection do not keep the sandbox from closing', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'hang' } });
    const idle = connect(Number(new URL(sandbox.url).port), '127.0.0.1').on('error', () => undefined);
    await once(idle, 'connect');
    const asked = expect(ask(sandbox, READ)).rejects.toThrow('fetch failed');
    await vi.waitFor(() => expect(sandbox.faults.pending()).toEqual([]));
    await sandbox.close();
    await asked;
    idle.destroy();
  });

  test('a delayed response arrives after the delay', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'delay', ms: 30 } });
    const before = performance.now();
    expect((await ask(sandbox, READ)).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThanOrEqual(29);
  });

  test('every ordinary response takes the latency', async () => {
    const sandbox = await startWithOne({ latencyMs: 30 });
    const before = performance.now();
    await ask(sandbox, READ);
    expect(performance.now() - before).toBeGreaterThanOrEqual(29);
  });

  test.each([
    ['sending', 'CANCELLED'],
    ['request', 'RUNNING'],
  ] as const)(
    'a held response that is made at the time of %s has status %s after a cancellation in between',
    async (answerFrom, status) => {
      const sandbox = await startWithOne();
      let release: () => void = () => undefined;
      const until = new Promise<void>((resolve) => (release = resolve));
      sandbox.faults.add({ answer: { kind: 'hold', until, answerFrom } });
      const held = ask(sandbox, READ);
      await vi.waitFor(() => expect(sandbox.faults.pending()).toEqual([]));
      await ask(sandbox, 'PATCH /teams/1/backfills/100', { body: CANCEL });
      release();

      expect((await held).data).toMatchObject({ status });
    },
  );

  test('a reset before the headers fails the request, and a later one fails the body', async () => {
    const sandbox = await startWithOne();
    const url = `${sandbox.url}/teams/1/backfills/100`;
    const headers = { authorization: `Bearer ${DEMO_TOKENS.full}` };
    sandbox.faults.add({ answer: { kind: 'reset', at: 'before-headers' } });
    await expect(fetch(url, { headers })).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });

    for (const at of ['after-headers', 'in-body'] as const) {
      sandbox.faults.add({ answer: { kind: 'reset', at } });
      const response = await fetch(url, { headers });
      expect(response.status).toBe(200);
      await expect(response.text()).rejects.toThrow('terminated');
    }
  });

  test('a truncated body has all the text and less than was announced', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'truncate' } });
    const response = await fetch(`${sandbox.url}/teams/1/backfills/100`, {
      headers: { authorization: `Bearer ${DEMO_TOKENS.full}` },
    });
    const pieces: Uint8Array[] = [];
    const reading = (async () => {
      for await (const piece of response.body ?? []) pieces.push(piece);
    })();
    await expect(reading).rejects.toThrow('terminated');
    const text = Buffer.concat(pieces).toString();
    expect(JSON.parse(text)).toHaveProperty('data');
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(text.length);
  });

  test('a dripping body goes on until the client leaves', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'drip', everyMs: 1, bytes: 3 } });
    const response = await fetch(`${sandbox.url}/teams/1/backfills/100`);
    let received = 0;
    for await (const piece of response.body ?? []) {
      received += piece.length;
      if (received > 20) break;
    }
    await vi.waitFor(() => expect(sandbox.calls.inFlight).toBe(0));
    expect(received).toBeGreaterThan(20);
  });

  test('a flood has exactly `bytes` bytes of valid JSON', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'flood', bytes: 3_000_000 } });
    const { status, headers, text } = await ask(sandbox, READ);
    expect(status).toBe(200);
    expect(headers.has('content-length')).toBe(false);
    expect(text).toHaveLength(3_000_000);
  });

  test('an edit that throws answers with its error', async () => {
    const sandbox = await startWithOne();
    const edit = () => {
      throw new Error('never mind');
    };
    sandbox.faults.add({ answer: { kind: 'edit', edit } });
    expect(await ask(sandbox, READ)).toMatchObject({ status: 500, text: 'Sandbox: Error: never mind' });
  });

  test('an edited response is the ordinary one with its text changed', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'edit', edit: (json) => json.replace('"RUNNING"', '"PAUSED é"') } });
    const { data, headers, text } = await ask(sandbox, READ);
    expect(data).toMatchObject({ transfer_backfill_id: 100, status: 'PAUSED é' });
    expect(headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
  });
});
