import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { build, type Rolldown } from 'vite';
import { beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const YARN = createRequire(import.meta.url).resolve('yarn/bin/yarn.js');

let folder: string;
/** What `npm run client:pack` printed, in a copy of the repository. */
let printed: string;
let tarball: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'backfill-gateway-client-'));
  const gateway = join(folder, 'gateway');
  for (const name of ['package.json', 'tsconfig.json', 'schema.graphql', 'LICENSE', 'src']) {
    cpSync(join(ROOT, name), join(gateway, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(gateway, 'node_modules'));
  printed = run(gateway, 'npm', 'run', '--silent', 'client:pack');
  [, tarball = ''] = /npm install (\S+)/.exec(printed) ?? [];
  return () => rmSync(folder, { recursive: true, force: true });
}, 120_000);

/** Runs a command with no home, no caches and no settings but its own. @throws {Error} with what it printed */
function run(cwd: string, command: string, ...args: readonly string[]): string {
  const env = { PATH: process.env['PATH'], HOME: join(folder, 'home'), npm_config_update_notifier: 'false' };
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

const node = (cwd: string, ...args: readonly string[]): string => run(cwd, process.execPath, ...args);

describe('npm run client:pack', () => {
  it('prints where the tarball is, by a name that says what is in it, and how to install it', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const hash = createHash('sha256').update(readFileSync(tarball)).digest('hex').slice(0, 8);
    expect(basename(tarball)).toBe(`backfill-gateway-client-${version}-${hash}.tgz`);
    expect(printed).toBe(
      `backfill-gateway-client ${version} is in dist/. To install it in a frontend:\n\n` +
        `  npm install ${tarball}\n  yarn add file:${tarball}\n`,
    );
  });

  it('packs codes, types, schemas and no more', () => {
    expect(run(folder, 'tar', '-tzf', tarball).trim().split('\n').sort()).toEqual(
      [
        'LICENSE',
        'README.md',
        'api.graphql',
        'index.cjs',
        'index.d.cts',
        'index.d.ts',
        'index.js',
        'package.json',
        'schema.graphql',
      ].map((file) => `package/${file}`),
    );
    const contents = (file: string): string => run(folder, 'tar', '-xzOf', tarball, `package/${file}`);
    expect(contents('schema.graphql')).toBe(readFileSync(join(ROOT, 'schema.graphql'), 'utf8'));
    const manifest = JSON.parse(contents('package.json')) as object;
    expect(Object.keys(manifest).filter((key) => /dependencies|scripts|engines/i.test(key))).toEqual([]);
    expect(contents('index.js')).not.toMatch(/^import|\bfrom '|\brequire\(/m);
  });

  it('leaves the tarball out of the package of the gateway', () => {
    const [{ files }] = JSON.parse(
      run(join(folder, 'gateway'), 'npm', 'pack', '--dry-run', '--json', '--ignore-scripts'),
    ) as [{ files: readonly { path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['dist/main.js', 'schema.graphql']));
    expect(paths.filter((path) => path.includes('backfill-gateway-client'))).toEqual([]);
  }, 60_000);

  it('refuses an argument that it does not know', () => {
    const asked = (): string => node(join(folder, 'gateway'), 'dist/client/pack.js', '--publish');
    expect(asked).toThrow('argument "--publish" is unknown: see npm run client:pack -- --help');
  }, 60_000);
});

/** A folder with nothing in it but the package, installed with no network and nothing in the cache. */
function frontendWith(name: string, install: (frontend: string, cache: string) => void): string {
  const frontend = join(folder, name);
  mkdirSync(frontend);
  writeFileSync(join(frontend, 'package.json'), '{ "private": true }');
  install(frontend, join(folder, `cache-${name}`));
  return frontend;
}

const byNpm = (frontend: string, cache: string): void =>
  void run(frontend, 'npm', 'install', tarball, '--offline', '--cache', cache, '--no-audit');

const byYarn = (frontend: string, cache: string): void =>
  void node(frontend, YARN, 'add', `file:${tarball}`, '--offline', '--cache-folder', cache);

describe.each([
  ['npm', byNpm],
  ['yarn 1', byYarn],
])('the package, installed by %s', (installer, install) => {
  let frontend: string;
  beforeAll(() => {
    frontend = frontendWith(installer, install);
  }, 60_000);

  it.each([
    ['imports', 'import { BackfillStatus, isErrorCode } from "backfill-gateway-client";', 'module'],
    ['requires', 'const { BackfillStatus, isErrorCode } = require("backfill-gateway-client");', 'commonjs'],
  ])('is what Node %s', (_how, load, type) => {
    const code = `${load} console.log(BackfillStatus.RUNNING, isErrorCode("NOT_FOUND"), isErrorCode("x"));`;
    expect(node(frontend, `--input-type=${type}`, '--eval', code)).toBe('RUNNING true false\n');
  });

  it('has the schemas where tools look them up', () => {
    const files = ['api.graphql', 'schema.graphql'].map((file) => `backfill-gateway-client/${file}`);
    const code = `console.log(${JSON.stringify(files)}.map((file) => require.resolve(file)).join("\\n"));`;
    expect(node(frontend, '--input-type=commonjs', '--eval', code)).toBe(
      files.map((file) => `${join(frontend, 'node_modules', file)}\n`).join(''),
    );
  });
});

const SOURCE = `
import { type Backfill, BackfillStatus, ERROR_CODES, type ErrorCode, isGatewayError } from 'backfill-gateway-client';
const busy: ErrorCode = 'RATE_LIMITED';
const yes: true = ERROR_CODES[busy].retryable;
// @ts-expect-error there is no such code
const no: ErrorCode = 'TEAPOT';
// @ts-expect-error there is no such status
const paused: Backfill['status'] = 'PAUSED';
type Row = Pick<Backfill, 'id' | 'status' | 'estimatedEndTime'>;
const row: Row = { id: '1', status: BackfillStatus.RUNNING, estimatedEndTime: null };
const error: unknown = { message: 'No.', extensions: { code: 'NOT_FOUND' } };
console.log(yes, no, paused, row.status, isGatewayError(error) ? error.extensions.code : null);
`;
const SAYS = 'true TEAPOT PAUSED RUNNING NOT_FOUND\n';

describe('a page that imports the package', () => {
  let frontend: string;
  beforeAll(() => {
    frontend = frontendWith('page', byNpm);
    for (const file of ['page.ts', 'page.mts', 'page.cts']) writeFileSync(join(frontend, file), SOURCE);
  }, 60_000);

  it.each<[resolution: string, file: string, flags: readonly string[]]>([
    ['bundler', 'page.ts', ['--module', 'esnext', '--moduleResolution', 'bundler', '--noEmit']],
    ['node16, as an ES module', 'page.mts', ['--module', 'node16']],
    ['node16, as a CommonJS module', 'page.cts', ['--module', 'node16']],
    [
      'node10, which reads no exports',
      'page.cts',
      ['--module', 'commonjs', '--moduleResolution', 'node10', '--ignoreDeprecations', '6.0'],
    ],
  ])(
    'has its types under moduleResolution %s',
    (_resolution, file, flags) => {
      node(
        frontend,
        TSC,
        '--ignoreConfig',
        '--skipDefaultLibCheck',
        '--strict',
        '--lib',
        'ES2022,DOM',
        ...flags,
        file,
      );
      const compiled = file.replace(/\.([cm])ts$/, '.$1js');
      if (compiled !== file) expect(node(frontend, compiled)).toBe(SAYS);
    },
    60_000,
  );

  it('is built by Vite', async () => {
    const built = await build({
      root: frontend,
      configFile: false,
      logLevel: 'warn',
      build: {
        write: false,
        modulePreload: false,
        rolldownOptions: { input: join(frontend, 'page.ts') },
      },
    });
    const [output] = [built].flat() as readonly Rolldown.RolldownOutput[];
    const said: unknown[] = [];
    const page = createContext({ console: { log: (...words: unknown[]) => said.push(...words) } });
    runInContext(output?.output[0].code ?? '', page);
    expect(`${said.join(' ')}\n`).toBe(SAYS);
  }, 60_000);
});
