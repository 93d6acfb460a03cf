import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { type RunningGateway, startGateway } from '../../../src/running-gateway.ts';
import { createLog } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { createManualClock, startStack } from '../../harness.ts';
import { sendRaw } from '../../support/raw.ts';
import { scrape } from '../../support/series.ts';

const SECURE = {
  'cache-control': 'no-store',
  'content-security-policy': "frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Sends so many scrapes at once over one connection. Returns the bodies of the answers. */
async function pipelined(origin: string, count: number): Promise<readonly string[]> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1');
  await once(socket, 'connect');
  const scrape = 'GET /metrics HTTP/1.1\r\nHost: x\r\n';
  socket.write(`${`${scrape}\r\n`.repeat(count - 1)}${scrape}Connection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString();
  return text.split(/HTTP\/1\.1 200 OK\r\n.*?\r\n\r\n/s).slice(1);
}

async function textAt(origin: string): Promise<string> {
  return (await scrape(origin)).text;
}

describe('a scrape', () => {
  it('gets the exposition of the last second: 300 at once get one, which is the next of the second after', async () => {
    const { origin, clock, query } = await startStack();
    await Promise.all(
      Array.from({ length: 500 }, (_, n) => query('{ backfill(id: 7) { id } }', { token: `invented-${n}` })),
    );
    const bodies = await pipelined(origin, 300);
    expect(bodies).toHaveLength(300);
    // The times of the processor differ in any two expositions.
    expect(new Set(bodies).size).toBe(1);
    expect(bodies[0]).toContain('backfill_gateway_quota_credentials{level="plenty"} 500\n');
    clock.advance(999);
    expect(await textAt(origin)).toBe(bodies[0]);
    clock.advance(1);
    expect(await textAt(origin)).not.toBe(bodies[0]);
  });

  it('takes a reading that several gauges share once, and no reading for those who wait or come within a second', async () => {
    const clock = createManualClock();
    const metrics = createMetrics(clock);
    let taken = 0;
    const reading = metrics.reading(() => ++taken);
    for (const name of ['a', 'b', 'c']) metrics.gauge(name, name, reading);
    const expositions = await Promise.all(Array.from({ length: 300 }, () => metrics.expose()));
    expect(new Set(expositions).size).toBe(1);
    await metrics.expose();
    expect(taken).toBe(1);
    clock.advance(1_000);
    const { body } = await metrics.expose();
    expect(taken).toBe(2);
    expect(body.toString()).toMatch(/_a 2\n[^]*_b 2\n[^]*_c 2\n/);
  });
});

describe('probes, scrapes and the redirect from the root', () => {
  it('are neither counted as requests to the GraphQL endpoint nor logged', async () => {
    const { origin, query, logLines } = await startStack();
    await query('{ __typename }');
    for (const path of ['/health', '/ready', '/metrics', '/']) {
      for (const method of ['GET', 'HEAD']) await fetch(`${origin}${path}`, { method, redirect: 'manual' });
    }
    await query('{ __typename }');
    const { origin: other, clock } = await startStack();
    const requests = async (): Promise<number> => (await scrape(other)).sum('request_duration_seconds_count');
    expect(await requests()).toBe(0);
    clock.advance(1_000);
    await fetch(`${other}/ready`);
    expect(await requests()).toBe(0);
    expect(logLines.filter(({ msg }) => msg === 'request')).toHaveLength(2);
  });

  it.each(['/health', '/ready', '/metrics', '/'])(
    '%s has the security headers, the request id, a length, and nothing that may be kept',
    async (path) => {
      const { origin } = await startStack();
      for (const method of ['GET', 'HEAD']) {
        const { headers, body } = await sendRaw(
          origin,
          `${method} ${path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine-1\r\nConnection: close\r\n\r\n`,
        );
        expect(headers).toMatchObject({ ...SECURE, 'x-request-id': 'mine-1' });
        expect(headers['content-length']).toMatch(/^\d+$/);
        if (method === 'HEAD') expect(body).toBe('');
        else expect(String(Buffer.byteLength(body))).toBe(headers['content-length']);
      }
    },
  );

  it('leave nothing at the root where GraphiQL is off', async () => {
    const { origin } = await startStack({ GRAPHIQL: 'false' });
    expect((await fetch(`${origin}/`, { redirect: 'manual' })).status).toBe(404);
  });
});

/** A gateway with a port for its metrics. */
async function withMetricsPort(env: Readonly<Record<string, string>> = {}): Promise<{
  readonly gateway: RunningGateway;
  readonly origin: string;
  readonly metricsOrigin: string;
}> {
  const config = loadConfig({
    PORT: '0',
    HOST: '127.0.0.1',
    METRICS_PORT: '0',
    SHUTDOWN_GRACE_MS: '5000',
    ...env,
  });
  const gateway = await startGateway({ config, log: createLog('silent') });
  onTestFinished(() => gateway.stop());
  return {
    gateway,
    origin: `http://127.0.0.1:${gateway.port}`,
    metricsOrigin: `http://127.0.0.1:${gateway.metricsPort}`,
  };
}

describe('METRICS_PORT', () => {
  it('has the metrics and nothing else, and the main port has them no more', async () => {
    const { origin, metricsOrigin } = await withMetricsPort();
    expect(await textAt(metricsOrigin)).toContain('backfill_gateway_subscriptions_open{transport="sse"} 0');
    expect((await fetch(`${metricsOrigin}/metrics`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${origin}/metrics`)).status).toBe(404);
    expect((await fetch(`${origin}/health`)).status).toBe(200);
    for (const path of ['/health', '/ready', '/graphql?query={__typename}', '/']) {
      const response = await fetch(metricsOrigin + path);
      expect([path, response.status, await response.json()]).toMatchObject([
        path,
        404,
        { errors: [{ message: 'Nothing is at this path. The metrics are at /metrics.' }] },
      ]);
    }
  });

  it('has the front door of the main port and its headers', async () => {
    const { metricsOrigin } = await withMetricsPort();
    const ask = (line: string, host: string): ReturnType<typeof sendRaw> =>
      sendRaw(
        metricsOrigin,
        `${line} HTTP/1.1\r\nHost: ${host}\r\nX-Request-Id: mine-1\r\nConnection: close\r\n\r\n`,
      );
    const expected = { ...SECURE, 'x-request-id': 'mine-1' };
    for (const [line, host, status] of [
      ['GET /metrics', 'x', 200],
      ['GET /metrics', '[', 400],
      ['GET //metrics', 'x', 404],
      ['GET http://x/metrics', 'x', 200],
    ] as const) {
      expect(await ask(line, host)).toMatchObject({ status, headers: expected });
    }
    const connecting = await sendRaw(metricsOrigin, 'CONNECT a:443 HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(connecting.status).toBe(405);
  });

  it('lets pages of the listed origins read its answers, and no others', async () => {
    const { metricsOrigin } = await withMetricsPort({ CORS_ORIGINS: 'https://app.example.com' });
    for (const path of ['/metrics', '/nowhere']) {
      for (const [page, allowed] of [
        ['https://app.example.com', 'https://app.example.com'],
        ['null', null],
      ] as const) {
        const { headers } = await fetch(metricsOrigin + path, { headers: { origin: page } });
        expect(headers.get('access-control-allow-origin')).toBe(allowed);
      }
    }
  });

  it('answers a last scrape after the main port is closed, and is closed then', async () => {
    const { gateway, origin, metricsOrigin } = await withMetricsPort();
    // Keeps the main port busy until its grace period is over or the connection ends.
    const busy = connect(gateway.port, '127.0.0.1');
    await once(busy, 'connect');
    busy.on('error', () => undefined);
    busy.write('POST /graphql HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n');
    await once(busy, 'data');
    const stopped = gateway.stop();
    await expect.poll(() => fetch(`${origin}/health`).catch(String)).toContain('fetch failed');
    expect(await textAt(metricsOrigin)).toContain('backfill_gateway_subscriptions_open{transport="sse"} 0');
    busy.destroy();
    await stopped;
    await expect(fetch(`${metricsOrigin}/metrics`)).rejects.toThrow('fetch failed');
  });
});
