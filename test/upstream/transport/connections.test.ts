import type { ServerResponse } from 'node:http';
import type { LookupFunction } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { UpstreamError } from '../../../src/upstream/errors.ts';
import {
  createHttpClient,
  type HttpClient,
  type HttpClientOptions,
} from '../../../src/upstream/transport/http.ts';
import { createLatch, startStack } from '../../harness.ts';
import { listenOn } from '../../support/http-upstream.ts';
import { DATA, ID } from '../../support/odd-upstream.ts';

function clientFor(origin: string, options: Partial<HttpClientOptions> = {}): HttpClient {
  const http = createHttpClient({
    baseUrl: new URL(origin),
    maxConnections: 20,
    connectTimeoutMs: 5_000,
    ...options,
  });
  onTestFinished(() => http.close());
  return http;
}

/** The text of the answer, or the kind of the error. */
async function read(http: HttpClient, onResend?: () => void): Promise<string> {
  const { response } = http.begin('/', {}, 10_000, {
    maxBytes: 1_000,
    partition: 'a',
    ...(onResend === undefined ? {} : { onResend }),
  });
  const outcome = await response.then(
    ({ text }) => text,
    (error: unknown) => (error instanceof UpstreamError ? error.kind : String(error)),
  );
  // A connection can be used again one turn of the event loop after its response.
  await turn();
  await turn();
  return outcome;
}

describe('a GET whose kept connection is reset', () => {
  it('is sent once more on a new connection: of twelve at once none fails', async () => {
    const kept: ServerResponse[] = [];
    const again: ServerResponse[] = [];
    const upstream = await listenOn({}, (response, nth) => {
      if (nth === 0 && kept.length < 12) {
        kept.push(response);
        if (kept.length === 12) for (const one of kept) one.end(DATA);
      } else if (nth > 0) {
        again.push(response);
        if (again.length === 12) for (const one of again) one.socket?.resetAndDestroy();
      } else response.end(DATA);
    });
    const { query, clock } = await startStack({
      SUPERMETRICS_API_URL: `http://127.0.0.1:${upstream.port}/v1`,
    });
    const readAll = (): Promise<unknown[]> =>
      Promise.all(
        Array.from({ length: 12 }, async (_, n) => {
          const team = String(n + 1);
          const { data, errors } = await query(`{ backfill(id: "${ID}") { id } }`, {
            team,
            headers: { 'cache-control': 'no-cache' },
          });
          return errors ?? data;
        }),
      );
    const all = Array.from({ length: 12 }, () => ({ backfill: { id: ID } }));
    expect(await readAll()).toEqual(all);
    expect(new Set(upstream.carriers).size).toBe(12);

    clock.advance(1_000);
    expect(await readAll()).toEqual(all);
    expect(upstream.carriers).toHaveLength(36);
    expect(new Set(upstream.carriers).size).toBe(24);
  });

  it('is not sent over another kept one', async () => {
    const two = createLatch();
    const upstream = await listenOn({}, (response, nth) => {
      if (nth > 0) response.socket?.resetAndDestroy();
      else if (upstream.carriers.length <= 2) void two.opened.then(() => response.end('kept'));
      else response.end('new');
      if (upstream.carriers.length === 2) two.open();
    });
    const http = clientFor(`http://127.0.0.1:${upstream.port}`);
    expect(await Promise.all([read(http), read(http)])).toEqual(['kept', 'kept']);
    const resent = vi.fn();
    expect(await read(http, resent)).toBe('new');
    expect(resent).toHaveBeenCalledTimes(1);
    expect(upstream.carriers).toHaveLength(4);
    // The connection that was made for it is not kept.
    await expect.poll(() => upstream.carriers.at(-1)?.destroyed).toBe(true);
  });

  it('is not sent a third time', async () => {
    const upstream = await listenOn({}, (response) => {
      if (upstream.carriers.length > 1) response.socket?.resetAndDestroy();
      else response.end('good');
    });
    const http = clientFor(`http://127.0.0.1:${upstream.port}`);
    expect(await read(http)).toBe('good');
    const resent = vi.fn();
    expect(await read(http, resent)).toBe('unavailable');
    expect(resent).toHaveBeenCalledTimes(1);
    expect(upstream.carriers).toHaveLength(3);
  });

  it('is not sent a third time where there is no new connection', async () => {
    const upstream = await listenOn({}, (response, nth) => {
      if (nth === 0) response.end('good');
      else {
        upstream.stopListening();
        response.socket?.resetAndDestroy();
      }
    });
    const http = clientFor(`http://127.0.0.1:${upstream.port}`);
    expect(await read(http)).toBe('good');
    const resent = vi.fn();
    expect(await read(http, resent)).toBe('unavailable');
    expect(resent).toHaveBeenCalledTimes(1);
  });

  it('is not sent again after a byte of the response', async () => {
    const upstream = await listenOn({}, (response, nth) => {
      if (nth === 0) response.end('good');
      else response.socket?.write('HTTP/1.1 2', () => response.socket?.resetAndDestroy());
    });
    const http = clientFor(`http://127.0.0.1:${upstream.port}`);
    expect(await read(http)).toBe('good');
    const resent = vi.fn();
    expect(await read(http, resent)).toBe('unavailable');
    expect(resent).not.toHaveBeenCalled();
    expect(upstream.carriers).toHaveLength(2);
  });

  it('is not sent again where the connection was new', async () => {
    const upstream = await listenOn({}, (response) => response.socket?.resetAndDestroy());
    const http = clientFor(`http://127.0.0.1:${upstream.port}`);
    const resent = vi.fn();
    expect(await read(http, resent)).toBe('unavailable');
    expect(resent).not.toHaveBeenCalled();
    expect(upstream.carriers).toHaveLength(1);
  });

  it('keeps its deadline', async () => {
    const upstream = await listenOn({}, (response, nth) => {
      if (nth > 0) response.socket?.resetAndDestroy();
      else if (upstream.carriers.length === 1) response.end('good');
    });
    const http = clientFor(`http://127.0.0.1:${upstream.port}`);
    expect(await read(http)).toBe('good');
    const { response } = http.begin('/', {}, 300, { maxBytes: 1_000, partition: 'a' });
    await expect(response).rejects.toMatchObject({ kind: 'timeout' });
    expect(upstream.carriers).toHaveLength(3);
    // The connection that was made for it is closed.
    await expect.poll(() => upstream.carriers[2]?.destroyed).toBe(true);
  });
});

describe('an upstream whose address changes', () => {
  it('is followed by a pool that is never idle', async () => {
    const before = await listenOn({}, (response) => response.end('before'));
    const after = await listenOn({ host: '127.0.0.2', port: before.port }, (response) =>
      response.end('after'),
    );
    let address = '127.0.0.1';
    const lookup: LookupFunction = (_name, { all }, done) => {
      if (all === true) done(null, [{ address, family: 4 }]);
      else done(null, address, 4);
    };
    const http = clientFor(`http://upstream.test:${before.port}`, { lookup, maxConnectionAgeMs: 500 });
    expect(await read(http)).toBe('before');
    address = '127.0.0.2';
    const changedAt = performance.now();
    let answers = 1;
    for (let left = 2; left > 0;) {
      // Two lines of exchanges without a pause between them.
      const [one, other] = await Promise.all([read(http), read(http)]);
      answers += 2;
      left = one === 'after' && other === 'after' ? 0 : 2;
      if (performance.now() - changedAt > 5_000) throw new Error('it still asks the old address');
    }
    expect(new Set(before.carriers).size).toBeLessThanOrEqual(2);
    expect(before.carriers.length + after.carriers.length).toBe(answers);
  });

  it('is followed within 30 seconds', async () => {
    const upstream = await listenOn({}, (response) => response.end('good'));
    // The real timers of the sockets run on.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const http = clientFor(`http://127.0.0.1:${upstream.port}`);
    for (let second = 0; second < 30; second += 5) {
      expect(await read(http)).toBe('good');
      vi.advanceTimersByTime(5_000);
    }
    const [first] = upstream.carriers;
    expect(upstream.carriers.filter((one) => one === first).length).toBeGreaterThan(3);
    expect(await read(http)).toBe('good');
    expect(upstream.carriers.at(-1)).not.toBe(first);
  });

  it('does not lose the answer that a connection carries when its time is over', async () => {
    const latch = createLatch();
    const upstream = await listenOn({}, (response) => void latch.opened.then(() => response.end('late')));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const http = clientFor(`http://127.0.0.1:${upstream.port}`);
    const { response } = http.begin('/', {}, 600_000, { maxBytes: 1_000, partition: 'a' });
    await vi.waitUntil(() => upstream.carriers.length === 1);
    vi.advanceTimersByTime(60_000);
    latch.open();
    await expect(response).resolves.toMatchObject({ text: 'late' });
    await turn();
    await turn();
    expect(await read(http)).toBe('late');
    expect(new Set(upstream.carriers).size).toBe(2);
  });
});
