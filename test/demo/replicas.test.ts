import { once } from 'node:events';
import { connect } from 'node:net';
import type { Browser } from 'playwright-core';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { ReplicasTold } from '../../src/demo/page/settings.ts';
import { launchChromium, skipsWithoutChromium, watch } from '../support/chromium.ts';
import { redisIsSkipped } from '../support/redis.ts';
import { findings } from './axe.ts';
import { type Demo, runDemo } from './run-demo.ts';

/** Three gateways start, and the machine may be busy. */
const PATIENT = { timeout: 30_000 };
const LONG = 120_000;

const CALLER = { Authorization: 'Bearer sandbox-full', 'X-Team-Id': '936506' };
/** What is read once is known until the test ends. */
const LASTING = { PORT: '0', CACHE_TTL_MS: '60000' };

interface Addresses {
  readonly page: URL;
  readonly graphql: URL;
  readonly redis: URL;
  readonly sandbox: URL;
}

async function addressesOf(demo: Demo): Promise<Addresses> {
  const text = await demo.welcome();
  const find = (name: string): URL =>
    new URL(new RegExp(`^ {2}${name} +(\\S+)$`, 'm').exec(text)?.[1] ?? text);
  return { page: find('Open'), graphql: find('GraphiQL'), redis: find('Redis'), sandbox: find('Sandbox') };
}

async function isOpen({ port }: URL): Promise<boolean> {
  const socket = connect(Number(port), '127.0.0.1');
  const opened = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return opened;
}

async function standing({ page }: Addresses): Promise<ReplicasTold> {
  return (await (await fetch(new URL('demo/replicas', page))).json()) as ReplicasTold;
}

async function set({ page }: Addresses, body: string): Promise<number> {
  return (await fetch(new URL('demo/replicas', page), { method: 'PUT', body })).status;
}

/** @returns the calls that the sandbox has got from the start on */
async function callsOf({ sandbox }: Addresses): Promise<number> {
  const { calls } = (await (await fetch(new URL('/trouble', sandbox))).json()) as { readonly calls: number };
  return calls;
}

/** Asks each of three replicas for the latest backfill of a transfer. @returns what that costs */
async function costOf(addresses: Addresses, transferId: string): Promise<number> {
  const before = await callsOf(addresses);
  const query = `{ transfer(id: "${transferId}") { latestBackfill { id } } }`;
  for (let n = 0; n < 3; n++) {
    const response = await fetch(addresses.graphql, {
      method: 'POST',
      headers: { ...CALLER, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    expect(await response.json()).toMatchObject({ data: { transfer: { latestBackfill: {} } } });
  }
  return (await callsOf(addresses)) - before;
}

async function shares(addresses: Addresses, isSharing: boolean): Promise<void> {
  const all = async (): Promise<readonly boolean[]> =>
    (await standing(addresses)).replicas.map((replica) => replica.isSharing);
  await expect.poll(all, PATIENT).toEqual([isSharing, isSharing, isSharing]);
}

it.each([['1'], ['10'], ['three']])('the demo refuses --replicas=%s in one line, with 64', async (given) => {
  expect(await runDemo({ PORT: '0' }, [`--replicas=${given}`]).end).toEqual({
    code: 64,
    stdout: '',
    stderr: `--replicas must be a whole number from 2 to 9, not "${given}": see npm run demo -- --help\n`,
  });
});

it('the demo refuses with --replicas, in a line for each, what several gateways cannot have', async () => {
  const env = { PORT: '0', REDIS_URL: 'redis://localhost', METRICS_PORT: '9464' };
  expect(await runDemo(env, ['--replicas', '3']).end).toEqual({
    code: 78,
    stdout: '',
    stderr:
      'REDIS_URL must not be set with --replicas: it starts a Redis of its own\n' +
      'METRICS_PORT must not be set with --replicas: each replica has its metrics at its own port\n',
  });
});

it('the demo says with --replicas how to get a Redis that is missing, and ends with 78', async () => {
  expect(await runDemo({ PORT: '0', PATH: '/nonexistent' }, ['--replicas', '3']).end).toEqual({
    code: 78,
    stdout: '',
    stderr: '--replicas needs Redis, and there is no redis-server: apt-get install redis-server\n',
  });
});

describe.skipIf(redisIsSkipped())('npm run demo -- --replicas 3', () => {
  it(
    'leaves its address at the end of a terminal of 80×24, and ends with 0 at SIGINT, its Redis and its streams too',
    async () => {
      const demo = runDemo({ PORT: '0', LOG_LEVEL: 'error' }, ['--replicas', '3']);
      const addresses = await addressesOf(demo);
      const text = await demo.welcome();
      const lines = text.split('\n');
      // npm prints six lines before it, and each replica one, which takes two.
      expect(lines.length).toBeLessThanOrEqual(24 - 6 - 3 * 2);
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
      const socket = new WebSocket(addresses.graphql.href.replace(/^http/, 'ws'), 'graphql-transport-ws');
      const messages: string[] = [];
      socket.on('message', (message: Buffer) => messages.push(message.toString()));
      const closed = once(socket, 'close');
      await once(socket, 'open');
      const query = 'subscription { incompleteBackfillsUpdated { id } }';
      socket.send(JSON.stringify({ type: 'connection_init', payload: CALLER }));
      await expect.poll(() => messages, PATIENT).toHaveLength(1);
      socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query } }));
      await expect.poll(() => messages[1], PATIENT).toContain('"incompleteBackfillsUpdated":[{"id":');
      const sse = await fetch(addresses.graphql, {
        method: 'POST',
        headers: { ...CALLER, 'Content-Type': 'application/json', Accept: 'text/event-stream' },
        body: JSON.stringify({ query }),
      });
      const reader = sse.body?.getReader();
      let said = '';
      // The stream goes on, so this comes only if nothing is held back.
      while (!said.includes('event: next')) said += new TextDecoder().decode((await reader?.read())?.value);

      demo.kill('SIGINT');
      expect(await demo.end).toEqual({ code: 0, stdout: text, stderr: '' });
      expect(await isOpen(addresses.redis)).toBe(false);
      expect(await isOpen(addresses.page)).toBe(false);
      // In the gateway's own words, by which clients know to come back.
      expect((await closed)[0]).toBe(1001);
      await reader?.cancel().catch(() => undefined);
    },
    LONG,
  );

  it(
    'ends its Redis even where it is killed while Redis is paused',
    async () => {
      const demo = runDemo({ PORT: '0' }, ['--replicas', '2']);
      const addresses = await addressesOf(demo);
      expect(await set(addresses, '{"redis":"paused"}')).toBe(200);
      expect(await isOpen(addresses.redis)).toBe(true);
      demo.kill('SIGKILL');
      await expect.poll(() => isOpen(addresses.redis), PATIENT).toBe(false);
    },
    LONG,
  );

  it(
    'gives each replica its turn, makes a call once for all, alone once for each, and once again when Redis is back',
    async () => {
      const addresses = await addressesOf(runDemo(LASTING, ['--replicas', '3']));
      await shares(addresses, true);
      expect(await costOf(addresses, '456789')).toBe(1);
      expect(await costOf(addresses, '456801')).toBe(1);
      expect((await standing(addresses)).replicas.map(({ requests }) => requests)).toEqual([2, 2, 2]);

      expect(await set(addresses, '{"redis":"paused"}')).toBe(200);
      expect(await costOf(addresses, '456807')).toBe(3);
      await shares(addresses, false);
      expect((await standing(addresses)).redis).toBe('paused');

      expect(await set(addresses, '{"redis":"running"}')).toBe(200);
      await shares(addresses, true);
      expect(await costOf(addresses, '456841')).toBe(1);
      expect((await standing(addresses)).redis).toBe('running');
      const sumOf = async (name: 'calls' | 'shared'): Promise<number> =>
        (await standing(addresses)).replicas.reduce((sum, replica) => sum + replica[name], 0);
      const calls = await callsOf(addresses);
      await expect.poll(() => sumOf('calls'), PATIENT).toBe(calls);
      // All but the first question for each transfer, while they shared.
      await expect.poll(() => sumOf('shared'), PATIENT).toBe(6);
    },
    LONG,
  );

  it(
    'tells pages of other origins nothing of its replicas, and takes no other words',
    async () => {
      const addresses = await addressesOf(runDemo({ PORT: '0' }, ['--replicas', '2']));
      const url = new URL('demo/replicas', addresses.page);
      const origin = 'http://localhost:5173';
      const asked = await fetch(url, { headers: { origin } });
      expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([200, null]);
      // Browsers ask before each PUT to another origin.
      expect((await fetch(url, { method: 'OPTIONS', headers: { origin } })).status).toBe(405);
      for (const body of ['', '{}', '{"redis":"gone"}']) expect(await set(addresses, body)).toBe(400);
      expect((await standing(addresses)).redis).toBe('running');
    },
    LONG,
  );

  it(
    'prints with --traces the same tree as one gateway does',
    async () => {
      const demo = runDemo(LASTING, ['--replicas', '2', '--traces']);
      const addresses = await addressesOf(demo);
      const { length } = await demo.welcome();
      await fetch(addresses.graphql, {
        method: 'POST',
        headers: { ...CALLER, 'Content-Type': 'application/json' },
        body: JSON.stringify({ query: 'query Row { transfer(id: 456789) { latestBackfill { id } } }' }),
      });
      demo.kill('SIGINT');
      const { stdout } = await demo.end;
      const printed = stdout.slice(length).replace(/[\d.]+ ms$/gm, '# ms');
      expect(printed).toContain(`
POST (server) 200  # ms
  query Row  # ms
    read  # ms
      getLatestBackfill  # ms
        GET (client) 200  # ms
`);
      expect(printed.match(/^POST/gm)).toHaveLength(1);
    },
    LONG,
  );
});

describe.skipIf(redisIsSkipped() || skipsWithoutChromium)('the page of --replicas 3', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  it.each([
    ['light', 1600],
    ['dark', 360],
  ] as const)(
    'shows what each replica does, and each alone while Redis is paused, %s at %i pixels',
    async (colorScheme, width) => {
      const demo = runDemo({ PORT: '0' }, ['--replicas', '3']);
      const addresses = await addressesOf(demo);
      const context = await browser.newContext({ viewport: { width, height: 1100 }, colorScheme });
      onTestFinished(() => context.close());
      const { requested, complaints } = watch(context);
      await context.addInitScript(
        `{ const real = Date.now; globalThis.aheadMs = 0; Date.now = () => real() + globalThis.aheadMs; }`,
      );
      const page = await context.newPage();
      const advance = (milliseconds: number): Promise<unknown> =>
        page.evaluate(`globalThis.aheadMs += ${milliseconds}`);
      await page.goto(addresses.page.href);
      const panel = page.locator('#replicas');
      const state = page.locator('#replicas-state');
      const all = (): Promise<readonly string[]> => panel.locator('tfoot').locator('th, td').allInnerTexts();
      const check = async (): Promise<void> => {
        expect(await findings(page)).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      };
      await expect.poll(() => state.innerText(), PATIENT).toBe('All share what they read through Redis');
      // One live list through each.
      await expect
        .poll(async () => (await all()).slice(0, 4), PATIENT)
        .toEqual(['All of them', '3 of 3', expect.stringMatching(/^[1-9]\d*$/), '3']);
      expect(await panel.locator('tbody tr').count()).toBe(3);
      const sockets = panel.locator('tbody td:nth-of-type(3)');
      expect(await sockets.allInnerTexts()).toEqual(['1', '1', '1']);
      const sharing = panel.locator('#replicas-sharing');
      await expect.poll(() => sharing.innerText(), PATIENT).toMatch(/^known in \d+ s$/);
      await advance(60_000);
      await expect.poll(() => sharing.innerText(), PATIENT).toMatch(/^\d+ calls? a minute$/);
      await check();
      await page.screenshot({ path: `test/artifacts/screenshots/12-replicas-${colorScheme}.png` });

      await panel.getByRole('button', { name: 'Pause Redis' }).click();
      await expect.poll(() => state.innerText(), PATIENT).toBe('Redis is paused: each reads for itself');
      expect((await all())[1]).toBe('0 of 3');
      await expect
        .poll(() => page.locator('#announcer').innerText(), PATIENT)
        .toContain('each reads for itself');
      const alone = panel.locator('#replicas-alone');
      await expect.poll(() => alone.innerText(), PATIENT).toMatch(/^known in \d+ s$/);
      await advance(60_000);
      await expect.poll(() => alone.innerText(), PATIENT).toMatch(/^\d+ calls? a minute, \d+ by each$/);
      // The page goes on as before.
      expect(await page.locator('#weather').innerText()).toContain('All is well');
      await check();
      await page.screenshot({ path: `test/artifacts/screenshots/13-replicas-alone-${colorScheme}.png` });

      await panel.getByRole('button', { name: 'Resume Redis' }).click();
      await expect.poll(() => state.innerText(), PATIENT).toBe('All share what they read through Redis');
      expect(complaints).toEqual([]);
      const hosts = new Set(requested.map((url) => new URL(url).host));
      expect([...hosts].sort()).toEqual([addresses.page.host, addresses.sandbox.host].sort());
    },
    LONG,
  );
});
