import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { createLog } from '../../../src/log.ts';
import { startGateway } from '../../../src/running-gateway.ts';
import { startSandbox } from '../../../src/sandbox/server.ts';
import { createWorld } from '../../../src/sandbox/world/world.ts';
import { codesOf, type Stack, startStack } from '../../harness.ts';
import { scrape, type Scraped } from '../../support/series.ts';
import { nextPoll, overSse, overWebSocket, type Subscribe } from '../../support/streams.ts';

const updates = (id: string): string => `subscription { backfillUpdated(id: "${id}") { status } }`;

interface Counted {
  readonly open: Readonly<Record<string, number>>;
  readonly ended: Readonly<Record<string, number>>;
}

const countedIn = (scraped: Scraped): Counted => ({
  open: scraped.counted('subscriptions_open'),
  ended: scraped.counted('subscriptions_ended_total'),
});

const endsIn = ({ logLines }: Stack): readonly unknown[] =>
  logLines.filter(({ msg }) => msg === 'subscription ended').map(({ reason }) => reason);

describe.each<[string, Subscribe]>([
  ['sse', overSse],
  ['websocket', overWebSocket],
])('streams over %s', (transport, subscribe) => {
  it('are counted while they are open, and by the reason of their log line when they end', async () => {
    const stack = await startStack({ CACHE_STALE_MS: '0' });
    const { origin, world, clock, sandbox } = stack;
    const [a = '', b = '', c = ''] = [5, 6, 7].map((n) =>
      world.addBackfill({ transferId: String(n), status: 'RUNNING' }),
    );
    const streams = [a, b, c].map((id) => subscribe(origin, updates(id)));
    for (const { events } of streams) await expect.poll(() => events.length).toBe(1);
    const [completing, leaving, failing] = streams;
    expect(countedIn(await scrape(origin))).toEqual({ open: { [transport]: 3 }, ended: {} });
    leaving?.leave();
    await expect.poll(() => endsIn(stack)).toEqual(['left']);
    world.set(a, { status: 'COMPLETED' });
    await nextPoll(stack);
    await completing?.completed;
    expect(countedIn(await scrape(origin))).toEqual({
      open: { [transport]: 1 },
      ended: { [`${transport} left`]: 1, [`${transport} completed`]: 1 },
    });
    // The list that knows it, and its own endpoint.
    sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 403 } });
    await expect.poll(() => clock.waiting).toBe(1);
    clock.advance(2_000);
    await expect.poll(() => failing?.events.flatMap(codesOf)).toEqual(['FORBIDDEN']);
    await expect.poll(() => endsIn(stack)).toEqual(['left', 'completed', 'failed']);
    expect(countedIn(await scrape(origin))).toEqual({
      open: {},
      ended: { [`${transport} left`]: 1, [`${transport} completed`]: 1, [`${transport} failed`]: 1 },
    });
  });

  it('are counted as ended by the shutdown that breaks them off', async () => {
    const world = createWorld({ now: Date.now });
    const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
    const gateway = await startGateway({
      config: loadConfig({
        PORT: '0',
        METRICS_PORT: '0',
        HOST: '127.0.0.1',
        SHUTDOWN_GRACE_MS: '5000',
        SUPERMETRICS_API_URL: sandbox.url,
      }),
      log: createLog('silent'),
    });
    onTestFinished(async () => {
      await gateway.stop();
      await sandbox.close();
    });
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const stream = subscribe(`http://127.0.0.1:${gateway.port}`, updates(id));
    await expect.poll(() => stream.events.length).toBe(1);
    // Keeps the port of the metrics open until it is gone.
    const busy = connect(gateway.port, '127.0.0.1');
    await once(busy, 'connect');
    busy.on('error', () => undefined);
    busy.write('POST /graphql HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n');
    await once(busy, 'data');
    const stopped = gateway.stop();
    await expect(stream.completed).rejects.toThrow();
    const scraped = await scrape(`http://127.0.0.1:${gateway.metricsPort}`);
    expect(countedIn(scraped)).toEqual({ open: {}, ended: { [`${transport} shutdown`]: 1 } });
    busy.destroy();
    await stopped;
  });
});
