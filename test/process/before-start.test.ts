import { execFile } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { buildGateway, type BuiltGateway } from '../support/built-gateway.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};

let built: BuiltGateway;
beforeAll(async () => {
  built = await buildGateway();
  return () => built.remove();
}, 120_000);

interface Ended {
  readonly code: number;
  readonly output: string;
}

function ended(
  cwd: string,
  [file, ...args]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd, env: { PATH: process.env['PATH'], ...env }, timeout: 60_000 };
    const child = execFile(file, args, options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr });
    });
  });
}

/** A folder with these files of the repository, gone after the test. */
function folderWith(files: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'before-start-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    copyFileSync(join(ROOT, file), join(folder, file));
  }
  return folder;
}

/** What makes Node.js call itself by another version. */
function posingAs(version: string): Readonly<Record<string, string>> {
  const path = join(folderWith([]), 'pose.cjs');
  writeFileSync(path, `Object.defineProperty(process, 'version', { value: '${version}' });`);
  return { NODE_OPTIONS: `--require ${path}` };
}

it.each(['v18.20.4', 'v20.18.3', 'v4.9.1'])(
  'the gateway on Node.js %s says in one line what it needs',
  async (version) => {
    expect(await ended(built.folder, ['node', 'dist/main.js'], posingAs(version))).toEqual({
      code: 1,
      output: `backfill-gateway needs Node.js 20.19 or later; this is ${version.slice(1)}\n`,
    });
  },
);

it.each(['v20.19.0', 'v22.1.0', 'v100.0.0'])('the gateway runs on Node.js %s', async (version) => {
  const { code, output } = await ended(built.folder, ['node', 'dist/main.js', '--check'], posingAs(version));
  expect([code, output]).toEqual([0, expect.stringMatching(/^# configuration is fine\n$/m)]);
});

it.each(['demo', 'sandbox', 'test'])(
  '`npm run %s` on an old Node.js says the same, before all else',
  async (script) => {
    expect(await ended(ROOT, ['sh', '-c', scripts[script] ?? ''], posingAs('v18.20.4'))).toEqual({
      code: 1,
      output: 'backfill-gateway needs Node.js 20.19 or later; this is 18.20.4\n',
    });
  },
);

it.each(['demo', 'sandbox', 'test'])(
  '`npm run %s` before `npm ci` says in one line what to run',
  async (script) => {
    const folder = folderWith(['package.json', 'src/before-start.cjs']);
    expect(await ended(folder, ['sh', '-c', scripts[script] ?? ''])).toEqual({
      code: 1,
      output: 'the packages that backfill-gateway needs are not installed: run npm ci first\n',
    });
  },
);

it('`npm start` before the build says in one line what to run', async () => {
  expect(await ended(folderWith(['package.json']), ['npm', 'start', '--silent'])).toEqual({
    code: 1,
    output: 'not built yet: run npm run build first\n',
  });
});

it('`npm run demo` ends with one line below the reason where its build fails', async () => {
  const folder = folderWith(['package.json', 'tsconfig.json', 'src/tsconfig.json', 'src/before-start.cjs']);
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'src/broken.ts'), 'const = 1;\n');
  const { code, output } = await ended(folder, ['sh', '-c', scripts['demo'] ?? '']);
  expect(code).not.toBe(0);
  expect(output).toContain('src/broken.ts(1,');
  expect(output.trimEnd().split('\n').at(-1)).toBe('the build failed, for the reason above');
});
