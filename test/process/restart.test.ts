import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { createRequest, Client as UrqlClient, fetchExchange } from '@urql/core';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { startSandbox } from '../../src/sandbox/server.ts';
import { createWorld, type World } from '../../src/sandbox/world/world.ts';
import {
  buildGateway,
  type BuiltGateway,
  type GatewayProcess,
  runBuilt,
  type RunOptions,
} from '../support/built-gateway.ts';
import { startBalancer } from '../support/balancer.ts';
import { composeByGuild } from '../support/compose.ts';
import { freePort } from '../support/free-port.ts';
import {
  GRAFBASE,
  GRAFBASE_OVER_WEBSOCKET,
  grafbase,
  hiveGateway,
  OVER_WEBSOCKET,
  RUST_PLANNER,
  type StartRouter,
} from '../support/routers.ts';

let built: BuiltGateway;
beforeAll(async () => {
  built = await buildGateway();
}, 180_000);
afterAll(() => built.remove());

const HEADERS = { Authorization: 'Bearer sandbox-full', 'X-Team-Id': '1' };

interface Restarts {
  readonly world: World;
  /** A running backfill, of which so many runs are done. */
  readonly id: string;
  done(runs: number): void;
  start(options?: Partial<RunOptions>): Promise<GatewayProcess>;
}

/** Gateways that follow one another on the same port unless told otherwise. */
async function restarts(): Promise<Restarts> {
  const world = createWorld();
  const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
  onTestFinished(() => sandbox.close());
  const usual = await freePort();
  return {
    world,
    id,
    done: (runs) => world.set(id, { transfer_runs_total: 200, transfer_runs_completed: runs }),
    start: ({ port = usual, env = {}, command } = {}) =>
      runBuilt(built, {
        port,
        env: { SUPERMETRICS_API_URL: sandbox.url, SUBSCRIPTION_POLL_MS: '100', ...env },
        ...(command && { command }),
      }),
  };
}

async function stop({ child, exited }: GatewayProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  child.kill(signal);
  expect(await exited).toBe(0);
}

const subscription = (id: string): string =>
  `subscription { backfillUpdated(id: "${id}") { transferRunsCompleted } }`;

/** Subscribes; calls `seen` with the runs that each event says are done, and `over` when the client gives up. */
type Follow = (
  url: string,
  query: string,
  seen: (runs: unknown) => void,
  over: (why: unknown) => void,
) => void;

interface Event {
  readonly data?: unknown;
}
interface Row {
  readonly transferRunsCompleted: unknown;
}

/** A list of them where the event is one. */
function runsOf({ data }: Event): unknown {
  const [rows] = Object.values((data ?? {}) as Readonly<Record<string, Row | readonly Row[]>>);
  return rows instanceof Array ? rows.map((row) => row.transferRunsCompleted) : rows?.transferRunsCompleted;
}

/** As the README says. */
const overGraphqlWs: Follow = (url, query, seen, over) => {
  const client = createWsClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: HEADERS,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    webSocketImpl: WebSocket,
  });
  onTestFinished(() => void client.dispose());
  const sink = { next: (event: Event) => seen(runsOf(event)), error: over, complete: () => over('complete') };
  client.subscribe({ query }, sink);
};

const overGraphqlSse: Follow = (url, query, seen, over) => {
  const client = createSseClient({ url, headers: HEADERS, retryAttempts: Infinity });
  onTestFinished(() => client.dispose());
  const sink = { next: (event: Event) => seen(runsOf(event)), error: over, complete: () => over('complete') };
  client.subscribe({ query }, sink);
};

/** urql tells of a lost connection and leaves it to its user, or to an exchange, to subscribe again. */
const overUrql: Follow = (url, query, seen, over) => {
  const client = new UrqlClient({
    url,
    exchanges: [fetchExchange],
    fetchSubscriptions: true,
    fetchOptions: { headers: HEADERS },
    preferGetMethod: false,
  });
  let stopped = false;
  onTestFinished(() => {
    stopped = true;
  });
  function subscribe(): void {
    let lost = false;
    const { unsubscribe } = client
      .executeSubscription(createRequest(query, {}))
      .subscribe(({ data, error, hasNext }) => {
        if (error?.networkError !== undefined) {
          lost = true;
          if (!stopped) setTimeout(subscribe, 250);
        } else if (data !== undefined) seen(runsOf({ data }));
        if (!hasNext && !lost) over(error ?? 'complete');
      });
    onTestFinished(unsubscribe);
  }
  subscribe();
};

/**
 * Clients talk SSE to the router, whatever the router talks to the gateway. When the gateway goes, or does not listen yet
 * when the router comes back, some routers end the stream with an error. Others end it as if it were complete, and answer
 * with an error only while nobody listens. The client then has to subscribe again.
 */
const throughRouter =
  (startRouter: StartRouter, endsWith: 'an error' | 'completion' = 'an error'): Follow =>
  (url, query, seen, over) => {
    let router = '';
    let failed = false;
    let hasEnded = false;

    function subscribe(): void {
      failed = false;
      overGraphqlSse(
        router,
        query,
        (runs) => {
          failed = runs === undefined;
          if (!failed) seen(runs);
        },
        (why) => {
          const isAsExpected = endsWith === 'an error' ? failed : !failed || hasEnded;
          hasEnded = true;
          if (isAsExpected) setTimeout(subscribe, 500);
          else over(why);
        },
      );
    }

    async function begin(): Promise<void> {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: '{ _service { sdl } }' }),
      });
      const { data } = (await answer.json()) as { data: { _service: { sdl: string } } };
      const subgraphs = [{ name: 'backfills', url, sdl: data._service.sdl }];
      const { supergraph = '' } = composeByGuild(subgraphs);
      router = await startRouter({ supergraph, subgraphs });
      subscribe();
    }
    void begin().catch(over);
  };

describe.each<[name: string, follow: Follow, isMissing?: boolean | undefined]>([
  ['graphql-ws', overGraphqlWs],
  ['graphql-sse', overGraphqlSse],
  ["urql's own fetch", overUrql],
  ['Hive Gateway over SSE', throughRouter(hiveGateway())],
  ['Hive Gateway over WebSocket', throughRouter(hiveGateway(OVER_WEBSOCKET))],
  ['Hive Gateway with the Rust planner', throughRouter(hiveGateway(RUST_PLANNER), 'completion')],
  ['Grafbase over SSE', throughRouter(GRAFBASE.start), GRAFBASE.isMissing],
  [
    'Grafbase over WebSocket',
    throughRouter(grafbase(GRAFBASE_OVER_WEBSOCKET), 'completion'),
    GRAFBASE.isMissing,
  ],
])('a stream of %s', (_name, follow, isMissing = false) => {
  beforeEach(({ skip }) => skip(isMissing));

  it('goes on by itself after the gateway was stopped and started again', async () => {
    const { id, done, start } = await restarts();
    done(1);
    const first = await start();
    const seen: unknown[] = [];
    const over: unknown[] = [];
    follow(
      `${first.origin}/graphql`,
      subscription(id),
      (runs) => seen.push(runs),
      (why) => over.push(why),
    );
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([1]);

    await stop(first);
    done(2);
    await start();
    await expect.poll(() => [seen.at(-1), over], { timeout: 15_000 }).toEqual([2, []]);
    done(3);
    await expect.poll(() => [seen.at(-1), over], { timeout: 5_000 }).toEqual([3, []]);
  }, 60_000);
});

describe.each<[name: string, follow: Follow]>([
  ['graphql-ws', overGraphqlWs],
  ['graphql-sse', overGraphqlSse],
])('a live list of %s', (_name, follow) => {
  it.each([
    ['backfillsUpdated', (ids: readonly string[]) => `backfillsUpdated(ids: [${ids.join(' ')}])`],
    ['incompleteBackfillsUpdated', () => 'incompleteBackfillsUpdated'],
  ])(
    '%s has all again after the gateway was stopped and started again, and goes on',
    async (_field, field) => {
      const { world, id, done, start } = await restarts();
      const createdAt = Date.now() - 3_600_000;
      const older = world.addBackfill({ transferId: '6', status: 'RUNNING', createdAt });
      world.set(older, { transfer_runs_completed: 0 });
      done(1);
      const first = await start();
      const seen: unknown[] = [];
      const over: unknown[] = [];
      follow(
        `${first.origin}/graphql`,
        `subscription { ${field([id, older])} { transferRunsCompleted } }`,
        (runs) => seen.push(runs),
        (why) => over.push(why),
      );
      await expect.poll(() => seen, { timeout: 10_000 }).toEqual([[1, 0]]);

      await stop(first);
      done(2);
      await start();
      await expect.poll(() => [seen.at(-1), over], { timeout: 15_000 }).toEqual([[2, 0], []]);
      done(3);
      await expect.poll(() => [seen.at(-1), over], { timeout: 5_000 }).toEqual([[3], []]);
    },
    60_000,
  );
});

const QUERY = JSON.stringify({ query: '{ __typename }' });

/** Asks over a connection that is kept. */
async function ask(
  agent: Agent,
  origin: string,
  body = QUERY,
): Promise<IncomingMessage & { readonly text: string }> {
  const headers = {
    ...HEADERS,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  };
  const asked = request(`${origin}/graphql`, { method: 'POST', agent, headers }).end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return Object.assign(answer, { text: await text(answer) });
}

function keptConnection(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  return agent;
}

describe('a gateway that is told to stop', () => {
  it('answers the next request on a kept connection, and says there that it closes', async () => {
    const { start } = await restarts();
    const gateway = await start();
    const agents = Array.from({ length: 5 }, keptConnection);
    for (const agent of agents) {
      const { headers, statusCode } = await ask(agent, gateway.origin);
      expect([statusCode, headers.connection]).toEqual([200, 'keep-alive']);
    }
    gateway.child.kill('SIGTERM');
    await expect.poll(() => gateway.lines().at(-1)?.['msg']).toBe('shutting down');
    const answers = await Promise.all(agents.map((agent) => ask(agent, gateway.origin)));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200, 200]);
    expect(await gateway.exited).toBe(0);
  }, 60_000);

  it('ends an event stream with neither its last event nor its last chunk', async () => {
    const { id, start } = await restarts();
    const gateway = await start();
    const socket = connect(Number(new URL(gateway.origin).port), '127.0.0.1');
    const body = JSON.stringify({ query: subscription(id) });
    const headers = {
      ...HEADERS,
      Host: 'x',
      Accept: 'text/event-stream',
      'Content-Type': 'application/json',
    };
    const lines = Object.entries({ ...headers, 'Content-Length': body.length }).map(([k, v]) => `${k}: ${v}`);
    socket.write(`POST /graphql HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
    let came = '';
    socket.on('data', (chunk: Buffer) => (came += chunk.toString()));
    await expect.poll(() => came).toContain('event: next');
    const closed = once(socket, 'close');
    await stop(gateway);
    await closed;
    expect(came).toContain('Transfer-Encoding: chunked');
    expect(came).not.toContain('event: complete');
    expect(came).not.toMatch(/\r\n0\r\n\r\n$/);
  }, 60_000);

  it('serves on for the drain delay, on new connections too, and says with each answer that it closes', async () => {
    const { start } = await restarts();
    const gateway = await start({ env: { DRAIN_DELAY_MS: '1500' } });
    const before = keptConnection();
    await ask(before, gateway.origin);
    gateway.child.kill('SIGTERM');
    await expect
      .poll(async () => (await fetch(`${gateway.origin}/ready`)).status, { timeout: 1_000 })
      .toBe(503);
    for (const agent of [before, keptConnection()]) {
      const { headers, statusCode } = await ask(agent, gateway.origin);
      expect([statusCode, headers.connection]).toEqual([200, 'close']);
    }
    // A signal that comes twice, as at Ctrl-C under npm, is one.
    gateway.child.kill('SIGINT');
    expect(await gateway.exited).toBe(0);
  }, 60_000);

  it('ends at once at a second signal that comes later', async () => {
    const { start } = await restarts();
    const gateway = await start({ env: { DRAIN_DELAY_MS: '60000' } });
    gateway.child.kill('SIGTERM');
    await expect.poll(() => gateway.lines().at(-1)?.['msg']).toBe('shutting down');
    await pause(1_100);
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(143);
  }, 60_000);

  it('ends although its output is a pipe that nobody reads', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'log-'));
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const pipe = openSync(path, constants.O_RDWR);
    onTestFinished(() => {
      closeSync(pipe);
      rmSync(folder, { recursive: true });
    });
    const { start } = await restarts();
    // Its output goes into the pipe from the first line on, so it is asked whether it is ready.
    const command = ['sh', '-c', `echo '{"msg":"listening"}'; exec node dist/main.js > ${path}`] as const;
    const gateway = await start({ env: { LOG_LEVEL: 'debug' }, command });
    const ready = () => fetch(`${gateway.origin}/ready`).then(({ status }) => status, String);
    await expect.poll(ready, { timeout: 20_000 }).toBe(200);
    const headers = { 'x-request-id': 'x'.repeat(128) };
    for (let n = 0; n < 10; n++) {
      await Promise.all(
        Array.from({ length: 50 }, async () => (await fetch(`${gateway.origin}/health`, { headers })).text()),
      );
    }
    await stop(gateway);
  }, 60_000);
});

describe('a gateway started by `npm start`', () => {
  const command = ['npm', 'start', '--silent', '--no-update-notifier'] as const;

  it.each<[signals: string, send: (gateway: GatewayProcess) => void]>([
    ['SIGTERM', ({ child }) => child.kill('SIGTERM')],
    ['SIGINT', ({ child }) => child.kill('SIGINT')],
    ['SIGHUP', ({ child }) => child.kill('SIGHUP')],
    ['Ctrl-C, which arrives twice', ({ child: { pid = 0 } }) => process.kill(-pid, 'SIGINT')],
  ])(
    'finishes what is under way at %s, and leaves nothing behind',
    async (_signals, send) => {
      const { start } = await restarts();
      const gateway = await start({ command, env: { DRAIN_DELAY_MS: '500' } });
      send(gateway);
      const stops = () => gateway.lines().filter(({ msg }) => msg === 'shutting down');
      await expect.poll(stops, { timeout: 5_000 }).toHaveLength(1);
      expect((await ask(keptConnection(), gateway.origin)).statusCode).toBe(200);
      // Of npm's output the gateway has the other end as long as it lives.
      await gateway.exited;
      expect(gateway.lines().at(-1)).toMatchObject({ msg: 'stopped', finished: true });
      await expect(fetch(`${gateway.origin}/ready`)).rejects.toThrow('fetch failed');
    },
    60_000,
  );
});

it('a rolling restart of two gateways behind a load balancer fails no request, and every stream goes on', async () => {
  const { id, done, start } = await restarts();
  done(1);
  const env = { DRAIN_DELAY_MS: '500', CACHE_TTL_MS: '100' };
  const ports = [await freePort(), await freePort()] as const;
  const [first, second] = await Promise.all(ports.map((port) => start({ port, env })));
  if (first === undefined || second === undefined) throw new Error('two were started');
  const balancer = await startBalancer(ports);

  const latest = new Map<number, unknown>();
  const over: unknown[] = [];
  for (let n = 0; n < 100; n++) {
    const follow = n % 2 === 0 ? overGraphqlSse : overGraphqlWs;
    follow(
      `${balancer}/graphql`,
      subscription(id),
      (runs) => latest.set(n, runs),
      (why) => over.push(why),
    );
  }
  const allHave = (runs: number) => () =>
    [latest.size, [...new Set(latest.values())], over].toString() === `100,${runs},`;
  await expect.poll(allHave(1), { timeout: 20_000 }).toBe(true);

  let polling = true;
  const outcomes: string[] = [];
  const body = JSON.stringify({ query: `{ backfill(id: "${id}") { status } }` });
  const clients = Array.from({ length: 100 }, async () => {
    const agent = keptConnection();
    while (polling) {
      outcomes.push(
        await ask(agent, balancer, body).then(({ statusCode, text }) => `${statusCode ?? 0} ${text}`, String),
      );
      await pause(250);
    }
  });

  for (const [n, gateway] of [first, second].entries()) {
    await stop(gateway);
    await start({ port: ports[n] ?? 0, env });
    done(n + 2);
    await expect.poll(allHave(n + 2), { timeout: 20_000 }).toBe(true);
  }
  polling = false;
  await Promise.all(clients);
  expect(new Set(outcomes)).toEqual(new Set(['200 {"data":{"backfill":{"status":"RUNNING"}}}']));
  expect(outcomes.length).toBeGreaterThan(1_000);
}, 120_000);
