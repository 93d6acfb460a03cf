import { type ChildProcess, spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLatch } from '../harness.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { createWorld } from '../../src/sandbox/world/world.ts';
import { WebSocket } from 'ws';
import { freePort } from '../support/free-port.ts';
import { callerOf, followOver, openSocket, overSse, overWebSocket } from '../support/streams.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

interface GatewayProcess {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>;
}

function run(env: Readonly<Record<string, string>>, nodeOptions: readonly string[] = []): GatewayProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', ...nodeOptions, MAIN], {
    env: { PATH: process.env['PATH'] ?? '', HOST: '127.0.0.1', ...env },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const exited = once(child, 'close').then(() => child.exitCode);
  onTestFinished(() => void child.kill('SIGKILL'));
  return { child, stdout: () => out, stderr: () => err, exited };
}

async function listening(gateway: GatewayProcess): Promise<string> {
  const port = await expect
    .poll(() => /"port":(\d+),"msg":"listening"/.exec(gateway.stdout())?.[1], { timeout: 15_000 })
    .toBeDefined()
    .then(() => /"port":(\d+),"msg":"listening"/.exec(gateway.stdout())?.[1]);
  return `http://127.0.0.1:${port}`;
}

async function sandboxWithOne(): Promise<{ sandbox: Sandbox; ask: (origin: string) => Promise<Response> }> {
  const world = createWorld();
  const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  const sandbox = await startSandbox({ world });
  onTestFinished(() => sandbox.close());
  return { sandbox, ask: (origin) => askFor(origin, `{ backfill(id: "${id}") { status } }`) };
}

function askFor(origin: string, query: string): Promise<Response> {
  return fetch(`${origin}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: 'Bearer sandbox-full',
      'x-team-id': '1',
    },
    body: JSON.stringify({ query }),
  });
}

describe('the process', () => {
  it('serves with only an upstream configured, and ends with 0 at SIGTERM', async () => {
    const { sandbox, ask } = await sandboxWithOne();
    const gateway = run({ PORT: '0', SUPERMETRICS_API_URL: sandbox.url });
    const origin = await listening(gateway);
    expect(await (await ask(origin)).json()).toEqual({ data: { backfill: { status: 'RUNNING' } } });

    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
    expect(gateway.stderr()).toBe('');
    const messages = gateway
      .stdout()
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(messages).toEqual(['listening', 'request', 'shutting down', 'stopped']);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'finishes what is under way at %s, takes nothing new, and ends with 0',
    async (signal) => {
      const { sandbox, ask } = await sandboxWithOne();
      const latch = createLatch();
      sandbox.faults.add({
        answer: { kind: 'hold', until: latch.opened },
      });
      // Less than the 5 s for which Node would keep the client's idle connection, and the process with it.
      const gateway = run({ PORT: '0', SUPERMETRICS_API_URL: sandbox.url, SHUTDOWN_GRACE_MS: '3000' });
      const origin = await listening(gateway);
      const underWay = ask(origin);
      await expect.poll(() => sandbox.calls.inFlight).toBe(1);

      gateway.child.kill(signal);
      await expect.poll(() => gateway.stdout()).toContain('shutting down');
      await expect(fetch(`${origin}/ready`)).rejects.toThrow('fetch failed');
      latch.open();

      expect(await (await underWay).json()).toEqual({ data: { backfill: { status: 'RUNNING' } } });
      expect(await gateway.exited).toBe(0);
      expect(gateway.stdout()).toContain('"finished":true');
    },
  );

  it('finishes 200 requests in flight, beside idle and silent connections', async () => {
    const { sandbox } = await sandboxWithOne();
    const latch = createLatch();
    const gateway = run({
      PORT: '0',
      SUPERMETRICS_API_URL: sandbox.url,
      SHUTDOWN_GRACE_MS: '5000',
      UPSTREAM_MAX_CONCURRENCY: '64',
    });
    const origin = await listening(gateway);
    // After one answer all calls of a team may be in flight.
    await askFor(origin, '{ transfer(id: 999) { latestBackfill { id } } }');
    sandbox.faults.add({ times: Infinity, answer: { kind: 'hold', until: latch.opened } });
    const silent = connect(Number(new URL(origin).port), '127.0.0.1');
    await once(
      silent.on('error', () => undefined),
      'connect',
    );
    const underWay = Array.from({ length: 200 }, (_, n) =>
      askFor(origin, `{ transfer(id: ${n + 1}) { latestBackfill { id } } }`),
    );
    // An exposition is up to a second old.
    await expect
      .poll(async () => (await fetch(`${origin}/metrics`)).text(), { timeout: 5_000 })
      .toContain('backfill_gateway_upstream_calls_waiting 136');

    gateway.child.kill('SIGTERM');
    await expect.poll(() => gateway.stdout()).toContain('shutting down');
    latch.open();
    const statuses = (await Promise.all(underWay)).map(({ status }) => status);
    expect(statuses).toEqual(Array.from({ length: 200 }, () => 200));
    expect(await gateway.exited).toBe(0);
    expect(gateway.stdout()).toContain('"finished":true');
  });

  it('breaks streams off over SSE and WebSocket, and finishes a query in flight on one, although the upstream hangs', async () => {
    const world = createWorld();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const sandbox = await startSandbox({ world });
    onTestFinished(() => sandbox.close());
    const gateway = run({
      PORT: '0',
      SUPERMETRICS_API_URL: sandbox.url,
      SHUTDOWN_GRACE_MS: '5000',
      SUBSCRIPTION_POLL_MS: '100',
    });
    const origin = await listening(gateway);
    const subscription = `subscription { backfillUpdated(id: "${id}") { status } }`;
    const closed: unknown[] = [];
    const socket = openSocket(origin, callerOf({}));
    socket.on('closed', (event) => closed.push((event as { code: number }).code));
    const streams = [
      ...Array.from({ length: 20 }, () => overSse(origin, subscription)),
      ...Array.from({ length: 20 }, () => followOver(socket, subscription)),
      // A stream whose socket is otherwise idle.
      overWebSocket(origin, subscription),
    ];
    await expect.poll(() => streams.every(({ events }) => events.length === 1)).toBe(true);
    // Polls hang from now on, and with them a query of each kind, until the gateway is told to stop.
    const latch = createLatch();
    sandbox.faults.add({ when: { id }, times: Infinity, answer: { kind: 'hang' } });
    sandbox.faults.add({
      when: { id: '404' },
      times: Infinity,
      answer: { kind: 'hold', until: latch.opened },
    });
    const queries = [
      followOver(socket, '{ backfill(id: "404") { id } }'),
      followOver(openSocket(origin, callerOf({})), '{ transfer(id: "404") { latestBackfill { id } } }'),
    ];
    const request = askFor(origin, '{ backfill(id: "404") { id } }');
    await expect.poll(() => sandbox.calls.inFlight).toBe(3);

    gateway.child.kill('SIGTERM');
    await expect.poll(() => gateway.stdout()).toContain('shutting down');
    const ends = streams.map(({ completed }) => completed.then(() => 'completed', String));
    // Those whose connections have nothing else to finish.
    expect(await Promise.all([...ends.slice(0, 20), ends.at(-1)])).toEqual([
      ...Array.from({ length: 20 }, () => 'NetworkError: terminated'),
      expect.stringContaining('Error'),
    ]);
    expect(closed).toEqual([]);
    latch.open();
    await Promise.all(queries.map(({ completed }) => completed));
    expect(queries.flatMap(({ events }) => events)).toMatchObject([
      { errors: [{ extensions: { code: 'NOT_FOUND' } }] },
      { data: { transfer: { latestBackfill: null } } },
    ]);
    expect((await request).status).toBe(200);
    expect(await gateway.exited).toBe(0);
    expect(new Set(await Promise.all(ends))).not.toContain('completed');
    expect(streams.flatMap(({ events }) => events.length)).toEqual(streams.map(() => 1));
    expect(closed).toEqual([1001]);
    expect(gateway.stdout()).toContain('"finished":true');
    expect(gateway.stderr()).toBe('');
  });

  it('ends with 0 after the grace period although clients keep their connections open', async () => {
    const { sandbox } = await sandboxWithOne();
    const gateway = run({ PORT: '0', SUPERMETRICS_API_URL: sandbox.url, SHUTDOWN_GRACE_MS: '200' });
    const origin = await listening(gateway);
    const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws');
    await once(socket, 'open');
    // So it never receives the request to close.
    socket.pause();
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
    expect(gateway.stdout()).toContain('"finished":false');
    socket.on('error', () => undefined).terminate();
  });

  it('ends with 0 after the grace period although the upstream hangs', async () => {
    const { sandbox, ask } = await sandboxWithOne();
    sandbox.faults.add({ answer: { kind: 'hang' } });
    const gateway = run({ PORT: '0', SUPERMETRICS_API_URL: sandbox.url, SHUTDOWN_GRACE_MS: '200' });
    const underWay = ask(await listening(gateway));
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    gateway.child.kill('SIGTERM');
    await expect(underWay).rejects.toThrow('fetch failed');
    expect(await gateway.exited).toBe(0);
    expect(gateway.stdout()).toContain('"finished":false');
  });

  it('logs an uncaught error once and ends with 1', async () => {
    const thrower = "process.once('SIGUSR2', () => { throw new TypeError('no such thing'); })";
    const gateway = run({ PORT: '0' }, ['--import', `data:text/javascript,${encodeURIComponent(thrower)}`]);
    await listening(gateway);
    gateway.child.kill('SIGUSR2');
    expect(await gateway.exited).toBe(1);
    const crashes = gateway
      .stdout()
      .split('\n')
      .filter((line) => line.includes('"msg":"crash"'));
    expect(crashes).toHaveLength(1);
    expect(crashes[0]).toContain('"level":"fatal"');
    expect(crashes[0]).toContain('no such thing');
    expect(gateway.stderr()).toBe('');
  });

  it('warns of each variable that is named like a setting and is none, and of nothing else', async () => {
    const gateway = run({
      PORT: '0',
      CACHE_TLL_MS: 'k3y',
      UPSTREAM_CONCURRENCY: '8',
      MAX_UPSTREAM_CONCURRENCY: '8',
      SUPERMETRICS_API_KEY: 'k3y',
      GRAPHIQL_ENABLED: 'true',
      REDIS_URI: 'redis://k3y@redis.test',
      CORS_ORIGIN: '',
      // What Kubernetes tells of services called "cache" and "redis".
      CACHE_SERVICE_HOST: '10.0.0.1',
      CACHE_SERVICE_PORT: '80',
      REDIS_PORT: 'tcp://10.0.0.2:6379',
      REDIS_PORT_6379_TCP_ADDR: '10.0.0.2',
      METRICS_PORT: 'tcp://10.0.0.4:9090',
      METRICS_PORT_9090_TCP_ADDR: '10.0.0.4',
      // Of other programs.
      LOGNAME: 'operator',
      HOSTNAME: 'pod-1',
      HOST_IP: '10.0.0.3',
      MAX_OLD_SPACE_SIZE: '512',
    });
    await listening(gateway);
    gateway.child.kill('SIGTERM');
    await gateway.exited;
    const warnings = gateway
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
      .filter(({ level }) => level === 'warn')
      .map(({ msg, variable, nearest, reason }) => [msg, variable, nearest ?? reason]);
    expect(warnings).toEqual([
      ['unknown setting', 'CACHE_TLL_MS', 'CACHE_TTL_MS'],
      ['unknown setting', 'UPSTREAM_CONCURRENCY', 'UPSTREAM_MAX_CONCURRENCY'],
      ['unknown setting', 'MAX_UPSTREAM_CONCURRENCY', 'UPSTREAM_MAX_CONCURRENCY'],
      ['unknown setting', 'SUPERMETRICS_API_KEY', 'SUPERMETRICS_API_URL'],
      ['unknown setting', 'GRAPHIQL_ENABLED', 'GRAPHIQL'],
      ['unknown setting', 'REDIS_URI', 'REDIS_URL'],
      [
        'setting ignored',
        'METRICS_PORT',
        'it is the address of a service, as Kubernetes sets it, and no port',
      ],
    ]);
    expect(gateway.stdout()).not.toContain('k3y');
  });

  it('refuses to run with a Redis and without a secret, and ends with 78', async () => {
    const gateway = run({ PORT: '0', REDIS_URL: 'redis://k3y@redis.test:6379' });
    expect(await gateway.exited).toBe(78);
    expect(gateway.stdout()).toBe('');
    expect(gateway.stderr()).toBe(
      'CACHE_SECRET must be set where REDIS_URL is: what replicas share is sealed under it\n',
    );
  });

  it('starts and answers although Redis is away, and says once why it shares nothing', async () => {
    const { sandbox, ask } = await sandboxWithOne();
    const gateway = run({
      PORT: '0',
      SUPERMETRICS_API_URL: sandbox.url,
      REDIS_URL: `redis://us3r:k3y@127.0.0.1:${await freePort()}`,
      CACHE_SECRET: 'k3y'.repeat(11),
    });
    const answer = await ask(await listening(gateway));
    expect(await answer.json()).toEqual({ data: { backfill: { status: 'RUNNING' } } });
    await expect
      .poll(() => gateway.stdout())
      .toMatch(/"reason":"ECONNREFUSED","msg":"replicas share nothing: each reads for itself"/);
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
    expect(gateway.stdout().match(/replicas share nothing/g)).toHaveLength(1);
    expect(gateway.stdout()).not.toMatch(/us3r|k3y/);
    expect(gateway.stderr()).toBe('');
  });

  it('names every mistake in its configuration at once and ends with 78', async () => {
    const gateway = run({
      PORT: '65536',
      CACHE_TTL_MS: 'soon',
      SUPERMETRICS_API_URL: 'ftp://x',
      LOG_LEVEL: 'loud',
    });
    expect(await gateway.exited).toBe(78);
    expect(gateway.stdout()).toBe('');
    expect(gateway.stderr().trim().split('\n')).toEqual([
      'PORT must be a whole number from 0 to 65535',
      'SUPERMETRICS_API_URL must be an http or https URL, such as https://dts-api.supermetrics.com/v1',
      'CACHE_TTL_MS must be a whole number from 0 to 3600000',
      'LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent',
    ]);
  });

  it.each(['PORT', 'METRICS_PORT'])(
    'reports in one line that its %s is in use and ends with 1',
    async (name) => {
      const occupant = createServer().listen(0, '127.0.0.1');
      await once(occupant, 'listening');
      onTestFinished(() => void occupant.close());
      const address = occupant.address();
      const port = typeof address === 'object' ? String(address?.port) : '';
      const gateway = run({ PORT: '0', [name]: port });
      expect(await gateway.exited).toBe(1);
      expect(gateway.stdout()).toBe('');
      expect(gateway.stderr()).toBe(
        `${name} ${port} is in use on 127.0.0.1: stop what listens there, or set another ${name}\n`,
      );
    },
  );
});
