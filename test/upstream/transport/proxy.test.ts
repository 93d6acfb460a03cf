import type { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { codesOf, startStack, type Stack } from '../../harness.ts';
import { type ConnectProxy, startConnectProxy } from '../../support/connect-proxy.ts';
import { TIMEOUT, UNAVAILABLE } from '../../support/odd-upstream.ts';

const CREDENTIAL = 'operator:pass%2Fword';
const QUERY = '{ backfill(id: "1") { id } }';
const GOOD = { backfill: { id: '1' } };

interface Proxied extends Stack {
  readonly proxy: ConnectProxy;
}

async function startProxied(env: Readonly<Record<string, string>> = {}): Promise<Proxied> {
  const proxy = await startConnectProxy();
  const stack = await startStack({ HTTP_PROXY: `http://${CREDENTIAL}@127.0.0.1:${proxy.port}`, ...env });
  stack.world.addBackfill({ id: '1', transferId: '5' });
  return { ...stack, proxy };
}

const again = { headers: { 'cache-control': 'no-cache' } };

describe('a proxy', () => {
  it('leads to the upstream, gets its own credential alone, and its tunnels are kept', async () => {
    const { proxy, query, sandbox, clock } = await startProxied();
    for (let n = 0; n < 3; n++) {
      expect((await query(QUERY, again)).data).toEqual(GOOD);
      clock.advance(1_000);
    }
    expect(sandbox.calls.count()).toBe(3);
    expect(proxy.tunnels.map(({ url }) => url)).toEqual([new URL(sandbox.url).host]);
    const headers = proxy.tunnels[0]?.headers;
    expect(headers?.['proxy-authorization']).toBe(
      `Basic ${Buffer.from(decodeURIComponent(CREDENTIAL)).toString('base64')}`,
    );
    expect(headers?.authorization).toBeUndefined();
    expect(sandbox.calls.all.every((call) => call.headers['proxy-authorization'] === undefined)).toBe(true);
  });

  it.each(['127.0.0.1', 'example.com, 127.0.0.1', '*'])(
    'is not asked where NO_PROXY is %j',
    async (hosts) => {
      const { proxy, query } = await startProxied({ NO_PROXY: hosts });
      expect((await query(QUERY)).data).toEqual(GOOD);
      expect(proxy.tunnels).toEqual([]);
    },
  );

  it('of an https upstream is not asked for an http one', async () => {
    const proxy = await startConnectProxy();
    const { world, query } = await startStack({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` });
    world.addBackfill({ id: '1', transferId: '5' });
    expect((await query(QUERY)).data).toEqual(GOOD);
    expect(proxy.tunnels).toEqual([]);
  });

  it('that was reset leads to the upstream again', async () => {
    const { proxy, query, sandbox, clock } = await startProxied();
    expect((await query(QUERY)).data).toEqual(GOOD);
    clock.advance(1_000);
    sandbox.faults.add({ answer: { kind: 'reset', at: 'before-headers' } });
    expect((await query(QUERY, again)).data).toEqual(GOOD);
    expect(proxy.tunnels).toHaveLength(2);
  });
});

const refuse = (text: string) => (socket: Duplex) => void socket.end(`HTTP/1.1 ${text}\r\n\r\n`);

describe('a proxy in trouble', () => {
  it.each<[string, (socket: Duplex) => void]>([
    ['refuses the credential', refuse('407 Proxy Authentication Required')],
    ['cannot reach the upstream', refuse('502 Bad Gateway')],
    ['hangs up', (socket) => void socket.destroy()],
    ['sends something else', (socket) => void socket.end('SSH-2.0-OpenSSH_9.6\r\n')],
  ])('makes the upstream unavailable at once, and its credential is nowhere: it %s', async (_what, how) => {
    const { proxy, query, logLines } = await startProxied();
    proxy.answer(how);
    const { errors, body } = await query(QUERY);
    expect(codesOf({ errors })).toEqual([UNAVAILABLE]);
    // The first try and at most two retries; no connection is tried over and over.
    expect(proxy.tunnels.length).toBeLessThanOrEqual(3);
    for (const secret of [
      'word',
      'operator',
      Buffer.from('operator:').toString('base64').slice(0, 10),
      '127.0.0.1',
    ]) {
      expect(body).not.toContain(secret);
      expect(JSON.stringify(logLines.filter(({ msg }) => msg !== 'listening'))).not.toContain(secret);
    }
  });

  it('that is not there makes the upstream unavailable', async () => {
    const { query } = await startStack({ HTTP_PROXY: 'http://127.0.0.1:9' });
    expect(codesOf(await query(QUERY))).toEqual([UNAVAILABLE]);
  });

  it('that never answers holds no connection for ever', async () => {
    const { proxy, query } = await startProxied({
      UPSTREAM_MAX_CONCURRENCY: '1',
      UPSTREAM_TIMEOUT_MS: '600',
    });
    proxy.answer((socket) => void socket.resume().on('end', () => socket.destroy()));
    expect([TIMEOUT, UNAVAILABLE]).toContain(codesOf(await query(QUERY))[0]);
    const tunnels = proxy.tunnels.length;
    await expect
      .poll(() => proxy.tunnels.slice(0, tunnels).every(({ socket }) => socket.destroyed))
      .toBe(true);
  });
});
