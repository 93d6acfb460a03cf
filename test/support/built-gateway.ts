import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The program as operators run it, in a folder of its own. */
export interface BuiltGateway {
  readonly folder: string;
  remove(): void;
}

/** Takes some seconds. */
export async function buildGateway(): Promise<BuiltGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'backfill-gateway-'));
  await compile('src', folder);
  await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', 'src/build/bundle.ts', join(folder, 'dist')],
    {
      cwd: ROOT,
    },
  );
  for (const file of ['package.json', 'schema.graphql']) copyFileSync(join(ROOT, file), join(folder, file));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The same with the demo's page. */
export async function buildDemo(): Promise<BuiltGateway> {
  const built = await buildGateway();
  await compile('src/demo/page', built.folder);
  cpSync(join(ROOT, 'src/demo/page'), join(built.folder, 'dist/demo/page'), {
    recursive: true,
    filter: (path) => !/\.(?:ts|json)$/.test(path),
  });
  return built;
}

async function compile(project: string, folder: string): Promise<void> {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', join(ROOT, project), '--noCheck', '--outDir', join(folder, 'dist')];
  await promisify(execFile)(process.execPath, args);
}

export interface GatewayProcess {
  /** The command, which is the gateway itself or what has started it. */
  readonly child: ChildProcess;
  readonly origin: string;
  /** The lines logged so far, parsed. */
  lines(): readonly Readonly<Record<string, unknown>>[];
  /** Resolves with the exit code of the command when everything that writes to its output is gone. */
  readonly exited: Promise<number | null>;
}

export interface RunOptions {
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
  readonly command?: readonly [string, ...string[]];
}

/** Runs the built gateway, and resolves when it is ready. */
export async function runBuilt(
  { folder }: Pick<BuiltGateway, 'folder'>,
  options: RunOptions,
): Promise<GatewayProcess> {
  const { port, env, command = [process.execPath, 'dist/main.js'] } = options;
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: folder,
    // A group of its own, so that nothing it has started outlives the test.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: folder, HOST: '127.0.0.1', PORT: String(port), ...env },
  });
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  child.stderr.pipe(process.stderr, { end: false });
  const exited = once(child, 'close').then(() => child.exitCode);
  onTestFinished(() => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group is gone, as it should be.
    }
  });
  await Promise.race([
    expect.poll(() => out, { timeout: 30_000 }).toContain('"msg":"listening"'),
    exited.then((code) => {
      throw new Error(
        `the gateway ended with ${code ?? child.signalCode} before it listened: ${errors}${out}`,
      );
    }),
  ]);
  const lines = () =>
    out
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  return { child, origin: `http://127.0.0.1:${port}`, lines, exited };
}
