import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { COMPOSED_OPERATIONS } from '../../src/demo/federated/graphiql.ts';
import { buildDemo, type BuiltGateway } from '../support/built-gateway.ts';
import { launchChromium, skipsWithoutChromium, watch } from '../support/chromium.ts';
import { runShown, shown } from '../support/graphiql.ts';

let built: BuiltGateway;
beforeAll(async () => {
  built = await buildDemo();
}, 180_000);
afterAll(() => built.remove());

/** It loads a router, and the machine may be busy. */
const PATIENT = { timeout: 60_000 };

const HEADERS = {
  'content-type': 'application/json',
  authorization: 'Bearer sandbox-full',
  'x-team-id': '936506',
};

interface Demo {
  readonly child: ChildProcess;
  /** What it has printed so far on standard output, and on standard error. */
  readonly said: { out: string; err: string };
  readonly ended: Promise<number | null>;
}

function runDemo(env: Readonly<Record<string, string>> = {}): Demo {
  const child = spawn(process.execPath, ['dist/demo/main.js', '--federated'], {
    cwd: built.folder,
    env: { PATH: process.env['PATH'], PORT: '0', ROUTER_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()));
  return { child, said, ended: once(child, 'close').then(() => child.exitCode) };
}

/** The addresses that the demo prints when it is ready, by their names. */
async function addressesOf({ said }: Demo): Promise<Readonly<Record<string, string>>> {
  await expect.poll(() => said.out, PATIENT).toMatch(/^ {2}Open +http:\S+\n$/m);
  return Object.fromEntries(
    [...said.out.matchAll(/^ {2}(\w+) +(http:\S+)$/gm)].map(([, name = '', url = '']) => [name, url]),
  );
}

async function ask(url: string, query: string): Promise<unknown> {
  const response = await fetch(url, { method: 'POST', headers: HEADERS, body: JSON.stringify({ query }) });
  return response.json();
}

const row = {
  id: expect.any(String) as string,
  teamId: '936506',
  name: expect.stringMatching(/\w/) as string,
  dataSource: expect.stringMatching(/\w/) as string,
};

describe('npm run demo -- --federated', () => {
  it('runs an owner of transfers and a router, over which one query crosses both subgraphs, and ends with 0 at SIGINT', async () => {
    const demo = runDemo();
    const { Open: router = '', Owner: owner = '', GraphiQL: gateway = '' } = await addressesOf(demo);
    const lines = demo.said.out.split('\n');
    // npm prints six lines before it.
    expect(lines.length).toBeLessThanOrEqual(24 - 6);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);

    const [list = '', , one = ''] = COMPOSED_OPERATIONS;
    expect(await ask(router, list)).toEqual({
      data: {
        transfersOfTeam: Array.from({ length: 10 }, (_, n) => ({
          ...row,
          latestBackfill:
            n === 9
              ? null
              : {
                  id: expect.any(String) as string,
                  teamId: '936506',
                  status: expect.any(String) as string,
                  progress: expect.any(Number) as number,
                },
        })),
      },
    });
    expect(await ask(router, one)).toMatchObject({
      data: { transfer: { name: row.name, latestBackfill: { status: 'COMPLETED' } } },
    });
    const byHeader = '{ transfer(id: "456841") { name } }';
    expect(await ask(router, byHeader)).toEqual({ data: { transfer: { name: row.name } } });
    // Each subgraph knows its own alone.
    expect(await ask(owner, list)).toHaveProperty('errors');
    expect(await ask(gateway, list)).toHaveProperty('errors');

    demo.child.kill('SIGINT');
    expect(await demo.ended).toBe(0);
    expect(demo.said.err).toBe('');
    for (const url of [router, owner, gateway]) await expect(fetch(url)).rejects.toThrow();
  }, 120_000);

  it('lets pages of every port of localhost call the router, and no others', async () => {
    const { Open: router = '' } = await addressesOf(runDemo());
    const allowed = async (origin: string): Promise<string | null> =>
      (await fetch(router, { method: 'OPTIONS', headers: { origin } })).headers.get(
        'access-control-allow-origin',
      );
    expect(await allowed('http://localhost:5173')).toBe('http://localhost:5173');
    expect(await allowed('https://app.example.com')).toBeNull();
    expect(await allowed('http://localhost.example.com')).toBeNull();
  }, 120_000);

  it('reports in one line a ROUTER_PORT that is in use or none, and ends', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    for (const [given, said] of [
      [String(port), `ROUTER_PORT ${port} is in use: stop what listens there, or set another one\n`],
      ['any', 'ROUTER_PORT must be a whole number from 0 to 65535\n'],
    ]) {
      const demo = runDemo({ ROUTER_PORT: given ?? '' });
      expect(await demo.ended).toBe(78);
      expect(demo.said).toEqual({ out: '', err: said });
    }
  }, 120_000);
});

describe.skipIf(skipsWithoutChromium)('its GraphiQL in a browser', () => {
  it('opens over the composed graph, runs a page of both subgraphs and a live list, and asks no other machine', async () => {
    const demo = runDemo();
    const { Open: router = '' } = await addressesOf(demo);
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const { requested: asked, complaints } = watch(context);
    const page = await context.newPage();
    await page.goto(router);

    await expect
      .poll(() => shown(page, '.graphiql-query-editor'), PATIENT)
      .toContain('query TransfersOfTeam');
    await expect.poll(() => shown(page, '.graphiql-editor-tool'), PATIENT).toContain('Bearer sandbox-full');
    await runShown(page);
    const answer = (): Promise<string> => shown(page, '.graphiql-response');
    await expect.poll(answer, PATIENT).toMatch(/"name": "\w[^]+"status": "/);
    await page.screenshot({ path: 'test/artifacts/screenshots/11-composed-graph.png' });

    const live = page.getByRole('tab', { name: 'Live' });
    // While the tabs come to their places, GraphiQL takes a press for the beginning of a drag.
    await expect
      .poll(() => live.click().then(() => shown(page, '.graphiql-query-editor')), PATIENT)
      .toContain('subscription Live');
    await runShown(page);
    await expect.poll(answer, PATIENT).toContain('incompleteBackfillsUpdated');
    const seen = new Set<string>();
    await expect.poll(async () => seen.add(await answer()).size, PATIENT).toBeGreaterThan(3);
    expect([...seen].at(-1)).toMatch(/"incompleteBackfillsUpdated"[^]+"transfer"[^]+"name": "\w/);

    expect(asked).toContain(router);
    const hosts = asked.map((url) => new URL(url.replace(/^blob:/, '')));
    expect(
      hosts.filter(({ protocol, hostname }) => protocol !== 'data:' && hostname !== 'localhost'),
    ).toEqual([]);
    expect(complaints).toEqual([]);
  }, 180_000);

  it('repeats nothing of the URL in the page', async () => {
    const { Open: router = '' } = await addressesOf(runDemo());
    const browse = async (query: string): Promise<string> =>
      (await fetch(`${router}?query=${query}`, { headers: { accept: 'text/html' } })).text();
    expect((await browse('</script><script>alert(1)</script>')) === (await browse('plain'))).toBe(true);
  }, 120_000);
});
