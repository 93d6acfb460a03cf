import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { createWorld } from '../../src/sandbox/world/world.ts';
import { type GatewayProcess, runBuilt } from '../support/built-gateway.ts';
import { createLatch } from '../harness.ts';
import { asFirstProcess, skipsWithoutNamespaces } from '../support/first-process.ts';
import { freePort } from '../support/free-port.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const YARN = createRequire(import.meta.url).resolve('yarn/bin/yarn.js');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly version: string;
};

let folder: string;
let tarball: string;

/** Packs a clone in which nothing was built. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'backfill-gateway-package-'));
  const clone = join(folder, 'clone');
  for (const name of ['package.json', 'tsconfig.json', 'schema.graphql', 'LICENSE', 'README.md', 'src'])
    cpSync(join(ROOT, name), join(clone, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
  const { code, stderr } = run(clone, 'npm', 'pack', '--silent', '--pack-destination', folder);
  expect([code, stderr]).toEqual([0, '']);
  tarball = join(folder, `backfill-gateway-${version}.tgz`);
  return () => rmSync(folder, { recursive: true, force: true });
}, 180_000);

/** No home, no settings of installers but these, and no registry that answers. */
function environment(): Readonly<Record<string, string>> {
  return {
    PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
    HOME: join(folder, 'home'),
    npm_config_update_notifier: 'false',
    npm_config_registry: 'http://127.0.0.1:9',
    npm_config_engine_strict: 'true',
  };
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(cwd: string, command: string, ...args: readonly string[]): Ended {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env: environment(), encoding: 'utf8' });
  return { code: status, stdout, stderr };
}

it('the tarball has the program with all that it needs, and names no other package', () => {
  const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  const names = new Set(
    files.map((file) => file.replace(/^package\/dist\/serve.*\.js(\.map)?$/, 'serve*.js$1')),
  );
  expect([...names].sort()).toEqual(
    [
      'package/LICENSE',
      'package/README.md',
      'package/dist/THIRD-PARTY-LICENSES.txt',
      'package/dist/before-start.cjs',
      'package/dist/graphiql.js.br',
      'package/dist/main.js',
      'package/package.json',
      'package/schema.graphql',
      'serve*.js',
      'serve*.js.map',
    ].sort(),
  );
  const manifest = execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' });
  expect(Object.keys(JSON.parse(manifest) as object)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^(?:optional|peer|bundled?)?dependencies$/i)]),
  );
});

/** @returns the folder of the application, which was empty */
function install(name: string, command: string, ...args: readonly string[]): string {
  const application = join(folder, name);
  mkdirSync(application);
  const { code, stderr } = run(application, command, ...args);
  expect([code, stderr]).toEqual([0, expect.not.stringMatching(/\bwarn/i)]);
  return application;
}

const byNpm = (name: string): string =>
  install(name, 'npm', 'install', tarball, '--offline', '--cache', join(folder, `cache-${name}`));

const byYarn = (name: string): string =>
  install(
    name,
    process.execPath,
    ...[YARN, 'add', `file:${tarball}`, '--offline', '--cache-folder', join(folder, `cache-${name}`)],
  );

const COMMAND = 'node_modules/.bin/backfill-gateway';

interface Upstream {
  readonly sandbox: Sandbox;
  /** Running backfills. */
  readonly ids: readonly [string, string];
}

async function startUpstream(): Promise<Upstream> {
  const world = createWorld();
  const running = (transferId: string): string => world.addBackfill({ transferId, status: 'RUNNING' });
  const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
  onTestFinished(() => sandbox.close());
  return { sandbox, ids: [running('5'), running('6')] };
}

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
  /** Whether the gateway has said that it takes no more on this connection. */
  readonly closes: boolean;
}

function ask(origin: string, id: string, agent: Agent): Promise<Answer> {
  const headers = {
    'content-type': 'application/json',
    authorization: 'Bearer sandbox-full',
    'x-team-id': '1',
  };
  return new Promise((resolve, reject) => {
    request(`${origin}/graphql`, { method: 'POST', headers, agent }, (response) => {
      const { statusCode, headers: answered } = response;
      text(response).then(
        (all) => resolve({ status: statusCode, text: all, closes: answered.connection === 'close' }),
        reject,
      );
    })
      .on('error', reject)
      .end(JSON.stringify({ query: `{ backfill(id: "${id}") { status } }` }));
  });
}

function kept(): Agent {
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  return agent;
}

const GOOD = '{"data":{"backfill":{"status":"RUNNING"}}}';

describe.each([
  ['npm', byNpm],
  ['yarn 1', byYarn],
])('the tarball, installed by %s into an empty folder with no network', (installer, installed) => {
  let application: string;
  beforeAll(() => {
    application = installed(installer.replace(' ', '-'));
  }, 60_000);

  it('brings no other package', () => {
    const packages = readdirSync(join(application, 'node_modules')).filter((name) => !name.startsWith('.'));
    expect(packages).toEqual(['backfill-gateway']);
  });

  it('says its version, its options, and what it is set to', () => {
    const command = (...args: readonly string[]): Ended => run(application, COMMAND, ...args);
    expect(command('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    expect(command('--help')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Usage: backfill-gateway [--help] [--version] [--check]'),
      stderr: '',
    });
    expect(command('--check')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^PORT=4000 # default\n(?:.+\n)+# configuration is fine\n$/),
      stderr: '',
    });
    expect(run(application, 'env', 'PORT=http', COMMAND, '--check')).toEqual({
      code: 78,
      stdout: '',
      stderr: 'PORT must be a whole number from 0 to 65535\n',
    });
    expect(command('--chek')).toMatchObject({ code: 64, stdout: '' });
  });

  it('starts, has GraphiQL with its script, answers, and ends with 0 at SIGTERM', async () => {
    const { sandbox, ids } = await startUpstream();
    const gateway = await runBuilt(
      { folder: application },
      {
        port: await freePort(),
        env: { ...environment(), SUPERMETRICS_API_URL: sandbox.url },
        command: [join(application, COMMAND)],
      },
    );
    const page = await fetch(`${gateway.origin}/graphql`, { headers: { accept: 'text/html' } });
    expect(await page.text()).toContain('<script src="?graphiql.js">');
    for (const encoding of ['br', 'gzip', 'identity']) {
      const headers = { 'accept-encoding': encoding };
      const script = await fetch(`${gateway.origin}/graphql?graphiql.js`, { headers });
      expect([script.status, script.headers.get('content-encoding') ?? 'identity']).toEqual([200, encoding]);
      expect(await script.text()).toContain('YogaGraphiQL');
    }
    expect(await ask(gateway.origin, ids[0], kept())).toEqual({ status: 200, text: GOOD, closes: false });
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
  }, 60_000);
});

describe('an installed gateway loses no request at SIGTERM', () => {
  let application: string;
  beforeAll(() => {
    application = byNpm('restarted');
  }, 60_000);

  /** Clients ask on kept connections, each until it is told to go elsewhere, as behind a load balancer. */
  async function loseNothing(
    command: readonly [string, ...string[]],
    terminate: (gateway: GatewayProcess) => void,
    cwd = '.',
  ): Promise<void> {
    const { sandbox, ids } = await startUpstream();
    const [id, slowId] = ids;
    const gateway = await runBuilt(
      { folder: join(application, cwd) },
      {
        port: await freePort(),
        env: { ...environment(), SUPERMETRICS_API_URL: sandbox.url, CACHE_TTL_MS: '0' },
        command,
      },
    );
    const answers: Answer[] = [];
    const clients = Array.from({ length: 20 }, async () => {
      const agent = kept();
      for (;;) {
        const answer = await ask(gateway.origin, id, agent);
        answers.push(answer);
        if (answer.closes) return;
      }
    });
    const latch = createLatch();
    sandbox.faults.add({
      when: { id: slowId },
      times: Infinity,
      answer: { kind: 'hold', until: latch.opened },
    });
    const slow = ask(gateway.origin, slowId, kept());
    await expect.poll(() => answers.length).toBeGreaterThan(200);
    terminate(gateway);
    const messages = () => gateway.lines().map(({ msg }) => msg);
    await expect.poll(messages, { timeout: 5_000 }).toContain('shutting down');
    latch.open();
    answers.push(await slow);
    await Promise.all(clients);
    await gateway.exited;
    expect(new Set(answers.map(({ status, text: all }) => `${status ?? 0} ${all}`))).toEqual(
      new Set([`200 ${GOOD}`]),
    );
    expect(gateway.lines().at(-1)).toMatchObject({ msg: 'stopped', finished: true });
    await expect(fetch(`${gateway.origin}/ready`)).rejects.toThrow('fetch failed');
  }

  const bySignal = ({ child }: GatewayProcess): unknown => child.kill('SIGTERM');

  it.each<[how: string, command: readonly [string, ...string[]], cwd?: string]>([
    ['backfill-gateway', [COMMAND]],
    ['node dist/main.js', ['node', 'dist/main.js'], 'node_modules/backfill-gateway'],
    ['npm start', ['npm', 'start', '--silent'], 'node_modules/backfill-gateway'],
    ['npx backfill-gateway', ['npx', '--offline', 'backfill-gateway']],
  ])('started as `%s`', (_how, command, cwd) => loseNothing(command, bySignal, cwd), 60_000);

  it('by a script of the application', () => {
    const manifest = join(application, 'package.json');
    const given = JSON.parse(readFileSync(manifest, 'utf8')) as object;
    writeFileSync(manifest, JSON.stringify({ ...given, scripts: { start: 'exec backfill-gateway' } }));
    return loseNothing(['npm', 'start', '--silent'], bySignal);
  }, 60_000);

  it.skipIf(skipsWithoutNamespaces)(
    'as process 1',
    async () => {
      const { command, terminate } = asFirstProcess(['node', 'dist/main.js']);
      await loseNothing(command, terminate, 'node_modules/backfill-gateway');
    },
    60_000,
  );
});
