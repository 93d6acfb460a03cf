import { setTimeout as sleep } from 'node:timers/promises';
import { startSandbox } from '../../../src/sandbox/server.ts';
import { createWorld } from '../../../src/sandbox/world/world.ts';
import { startGateway } from '../faults/children.ts';
import { runScript } from '../../support/script.ts';
import { describeMachine, residentMiB, separateCores } from '../machine.ts';
import { type Follow, followMany, followOverSse, followOverWebSocket } from './clients.ts';

/**
 * What thousands of open subscriptions cost the built gateway: memory, and calls of the REST API. Each of the
 * backfills changes in each interval, so each stream has an event. Prints Markdown.
 */
const STREAMS = 5_000;
const BACKFILLS = 50;
const INTERVAL_MS = 2_000;
const INTERVALS = 10;

interface Findings {
  readonly name: string;
  readonly before: number;
  readonly opened: number;
  readonly settled: number;
  readonly after: number;
  readonly callsPerInterval: number;
  readonly eventsPerInterval: number;
}

async function measure(name: string, follow: Follow, core: number | undefined): Promise<Findings> {
  const world = createWorld();
  const range = { rangeStart: '2000-01-01', rangeEnd: '2025-12-31', msPerRun: 1_000 };
  const ids = Array.from({ length: BACKFILLS }, (_, n) =>
    world.addBackfill({ transferId: String(n + 1), status: 'RUNNING', ...range }),
  );
  const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
  const gateway = await startGateway(Number(new URL(sandbox.url).port), {}, { core });
  const resident = async (): Promise<number> => {
    gateway.collectGarbage();
    await sleep(1_000);
    return residentMiB(gateway.pid) ?? NaN;
  };

  const warm = await follow(gateway.url, ids[0] ?? '', () => undefined);
  warm.leave();
  const before = await resident();
  let events = 0;
  const followers = await followMany(follow, {
    url: gateway.url,
    ids,
    count: STREAMS,
    onEvent: () => events++,
  });
  const opened = await resident();
  sandbox.calls.reset();
  events = 0;
  const startedAt = performance.now();
  await sleep(INTERVALS * INTERVAL_MS);
  const intervals = (performance.now() - startedAt) / INTERVAL_MS;
  const callsPerInterval = sandbox.calls.count() / intervals;
  const eventsPerInterval = events / intervals;
  const settled = await resident();
  for (const follower of followers) follower.leave();
  const metrics = gateway.url.replace('/graphql', '/metrics');
  while (/_subscriptions_open\{.*\} [1-9]/.test(await (await fetch(metrics)).text())) await sleep(50);
  const after = await resident();
  await gateway.stop();
  await sandbox.close();
  return { name, before, opened, settled, after, callsPerInterval, eventsPerInterval };
}

const COMMAND = {
  name: 'npm run bench:streams --',
  does: `Measures what ${STREAMS} open subscriptions cost the built gateway: memory, and calls
of the REST API. Takes some minutes. Prints Markdown.`,
  options: {},
  examples: ['npm run bench:streams'],
} as const;

await runScript(COMMAND, async () => {
  const cores = separateCores();
  const rows: string[] = [];
  for (const [name, follow] of [
    ['SSE', followOverSse],
    ['WebSocket, a socket each', followOverWebSocket],
  ] as const) {
    const found = await measure(name, follow, cores?.server);
    const each = ((found.settled - found.before) / STREAMS) * 1024;
    const cells = [found.before, found.opened, found.settled, found.after, each].map((figure) =>
      figure.toFixed(0),
    );
    rows.push(
      `| ${[name, ...cells, found.callsPerInterval.toFixed(1), found.eventsPerInterval.toFixed(0)].join(' | ')} |`,
    );
  }
  console.log(`
${STREAMS} subscriptions to ${BACKFILLS} running backfills of one team, with one credential; resident memory in MiB after a
forced collection, intervals of ${INTERVAL_MS} ms, ${INTERVALS} of them.

| over | before | opened | later | after | KiB each | upstream calls in an interval | events in an interval |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
${rows.join('\n')}

Machine: ${describeMachine(cores)}.`);
  process.exit();
});
