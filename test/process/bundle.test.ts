import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import module from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startSandbox } from '../../src/sandbox/server.ts';
import { createWorld } from '../../src/sandbox/world/world.ts';
import { buildGateway, type BuiltGateway, runBuilt } from '../support/built-gateway.ts';
import { freePort } from '../support/free-port.ts';
import { redisIsSkipped, startRedisUntilEnd } from '../support/redis.ts';

let built: BuiltGateway;
beforeAll(async () => {
  built = await buildGateway();
  return () => built.remove();
}, 120_000);

/** The names of the files that hold the program and its packages. */
function bundled(): readonly string[] {
  return readdirSync(join(built.folder, 'dist')).filter((name) => /^serve.*\.js$/.test(name));
}

/** The files that they were made of. */
function sources(): readonly string[] {
  return bundled().flatMap(sourcesOf);
}

/** @param name of one of them */
function sourcesOf(name: string): readonly string[] {
  const text = readFileSync(join(built.folder, 'dist', `${name}.map`), 'utf8');
  return (JSON.parse(text) as { readonly sources: readonly string[] }).sources;
}

/** Those that hold anything of the client of Redis. */
function withRedisClient(): readonly string[] {
  return bundled().filter((name) => packagesOf(sourcesOf(name)).some((each) => each.includes('redis')));
}

function packagesOf(files: readonly string[]): readonly string[] {
  const names = files.map((file) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** The program alone, without a package. */
function withoutPackages(): BuiltGateway {
  const folder = mkdtempSync(join(tmpdir(), 'backfill-gateway-'));
  const remove = (): void => rmSync(folder, { recursive: true });
  onTestFinished(remove);
  for (const { path } of packed())
    if (path.startsWith('dist/') || path === 'package.json' || path === 'schema.graphql')
      cpSync(join(built.folder, path), join(folder, path));
  return { folder, remove };
}

function packed(): readonly { readonly path: string; readonly size: number }[] {
  const text = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: built.folder,
    encoding: 'utf8',
  });
  const [{ files }] = JSON.parse(text) as [{ files: readonly { path: string; size: number }[] }];
  return files;
}

describe('the built gateway', () => {
  it('starts and answers in production with what is packed, and loads no package', async () => {
    const world = createWorld();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const sandbox = await startSandbox({ world });
    onTestFinished(() => sandbox.close());
    const env = { SUPERMETRICS_API_URL: sandbox.url, NODE_ENV: 'production' };
    const gateway = await runBuilt(withoutPackages(), { port: await freePort(), env });
    const answer = await fetch(`${gateway.origin}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer sandbox-full',
        'x-team-id': '1',
      },
      body: JSON.stringify({ query: `{ backfill(id: "${id}") { status } }` }),
    });
    expect(await answer.json()).toEqual({ data: { backfill: { status: 'RUNNING' } } });
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
  }, 60_000);

  it('loads nothing of the demo, of the sandbox, of what frontends install, or of the script of GraphiQL', () => {
    const all = sources();
    expect(all).toEqual(expect.arrayContaining([expect.stringMatching(/\/src\/gateway\.ts$/)]));
    expect(all.filter((file) => /\/src\/(?:demo|sandbox|client)\//.test(file))).toEqual([]);
    expect(packagesOf(all)).not.toContain('@graphql-yoga/render-graphiql');
    // The script alone is 9 MB.
    const bytes = bundled().map((name) => readFileSync(join(built.folder, 'dist', name)).length);
    expect(bytes.reduce((sum, size) => sum + size)).toBeLessThan(3_000_000);
  });

  it('has the client of Redis in one file, which nothing but a dynamic import reaches', () => {
    const [file = '', ...others] = withRedisClient();
    expect(others).toEqual([]);
    expect(packagesOf(sourcesOf(file))).toContain('ioredis');
    expect(file).toMatch(/^serve-redis-store-/);
    const code = bundled().map((name) => readFileSync(join(built.folder, 'dist', name), 'utf8'));
    const named = code.flatMap((text) => text.match(new RegExp(`.{7}"\\./${file}"`, 'g')) ?? []);
    expect(new Set(named)).toEqual(new Set([`import("./${file}"`]));
  });

  it('does not load the client of Redis where there is no REDIS_URL', async () => {
    const alone = withoutPackages();
    for (const file of withRedisClient()) rmSync(join(alone.folder, 'dist', file));
    const gateway = await runBuilt(alone, { port: await freePort(), env: { NODE_ENV: 'production' } });
    expect((await fetch(`${gateway.origin}/ready`)).status).toBe(200);
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
  }, 60_000);

  it.skipIf(redisIsSkipped())(
    'has all that it needs to share a Redis',
    async () => {
      const { url } = await startRedisUntilEnd();
      const env = { REDIS_URL: url.href, CACHE_SECRET: 'a secret of thirty-two characters' };
      const gateway = await runBuilt(withoutPackages(), { port: await freePort(), env });
      const messages = () => gateway.lines().map(({ msg }) => msg);
      await expect.poll(messages).toContain('replicas share their reads and their hour');
      gateway.child.kill('SIGTERM');
      expect(await gateway.exited).toBe(0);
    },
    60_000,
  );

  it('is packed without the compiled files that the bundle has, and with the license of each package in it', () => {
    expect(
      packed().map(({ path }) => path.replace(/^dist\/serve.*\.js(\.map)?$/, 'dist/serve*.js$1')),
    ).toEqual(
      expect.arrayContaining(['dist/serve*.js', 'dist/serve*.js.map', 'dist/THIRD-PARTY-LICENSES.txt']),
    );
    expect(
      packed().filter(({ path }) =>
        /^dist\/(?!serve|main\.js$|before-start\.cjs$|graphiql\.js\.br$|THIRD-PARTY)/.test(path),
      ),
    ).toEqual([]);
    const licenses = readFileSync(join(built.folder, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
    const packages = packagesOf(sources());
    expect(packages).toEqual(expect.arrayContaining(['graphql', 'undici', '@whatwg-node/server']));
    for (const name of [...packages, '@graphql-yoga/render-graphiql'])
      expect(licenses).toMatch(new RegExp(`^${name} \\d+\\.\\S+ \\(\\S+\\)$`, 'm'));
    expect(licenses).toContain('Copyright (c) Matteo Collina and Undici contributors');
  });

  it('logs an error with its class and the places in the sources', async () => {
    const breaking = `import v8 from 'node:v8'; import { syncBuiltinESMExports } from 'node:module';
      v8.getHeapStatistics = () => { throw new RangeError('broken'); };
      process.once('SIGUSR2', () => syncBuiltinESMExports());`;
    const url = `data:text/javascript,${encodeURIComponent(breaking)}`;
    const gateway = await runBuilt(built, {
      port: await freePort(),
      env: { NODE_OPTIONS: `--import ${url}` },
    });
    gateway.child.kill('SIGUSR2');
    expect(await gateway.exited).toBe(1);
    expect(gateway.lines().at(-1)).toMatchObject({
      level: 'fatal',
      msg: 'crash',
      err: {
        type: 'RangeError',
        message: 'broken',
        stack: expect.stringMatching(/factsOfProcess \(file:\S+\/src\/process\.ts:\d+:\d+\)/),
      },
    });
  }, 60_000);

  it('keeps compiled code beside the program where Node.js can, and starts where nothing can be written', async () => {
    const check = (folder: string): Promise<{ stdout: string; stderr: string }> =>
      promisify(execFile)(process.execPath, ['dist/main.js', '--check'], { cwd: folder });
    const fine = { stdout: expect.stringMatching(/^# configuration is fine\n$/m), stderr: '' };
    const { folder } = withoutPackages();
    const cache = join(folder, 'dist/compile-cache');
    expect(await check(folder)).toEqual(fine);
    expect(existsSync(cache)).toBe('enableCompileCache' in module);
    rmSync(cache, { recursive: true, force: true });
    writeFileSync(cache, 'no folder can be here');
    expect(await check(folder)).toEqual(fine);
  });
});
