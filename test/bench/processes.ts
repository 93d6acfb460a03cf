import { type ChildProcess, fork, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { LoadOrder, LoadReply, LoadResult } from './load.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const RUN_TYPESCRIPT = ['--import', 'tsx'];

export interface Child {
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

// Nothing that was started outlives this process, whichever way it ends.
const children = new Set<ChildProcess>();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));

function adopt(name: string, child: ChildProcess): Child {
  children.add(child);
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      process.stderr.write(`${name}: ${error.message}\n`);
      process.exit(1);
    });
    child.once('exit', (code, signal) => {
      // stop() takes a child out of the set first: one that is still in it ended by itself.
      if (children.has(child)) {
        process.stderr.write(`${name} ended before its time with ${signal ?? `code ${code ?? '?'}`}\n`);
        process.exit(1);
      }
      resolve();
    });
  });
  return {
    pid: child.pid,
    stop() {
      children.delete(child);
      child.kill('SIGKILL');
      return ended;
    },
  };
}

/**
 * @param core where it may run; anywhere this process may when undefined
 * @param ipc whether it can be sent messages
 * @param stdout file descriptor of its standard output
 */
export function spawnNode(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  core?: number,
  ipc = false,
  stdout = 2,
): ChildProcess {
  const [command = '', ...rest] = [
    // It replaces itself by what it starts, so the child's pid is the server's.
    ...(core === undefined ? [] : ['taskset', '-c', String(core)]),
    process.execPath,
    ...args,
  ];
  return spawn(command, rest, {
    cwd: ROOT,
    // Nothing else of our environment: the servers are measured with their defaults. Standard output is for the report.
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', stdout, 2, ...(ipc ? ['ipc' as const] : [])],
  });
}

export function startGateway(port: number, upstreamPort: number, core?: number): Child {
  if (!existsSync(`${ROOT}dist/main.js`)) throw new Error('there is no dist/main.js: npm run build');
  const env = {
    PORT: String(port),
    HOST: '127.0.0.1',
    SUPERMETRICS_API_URL: `http://127.0.0.1:${upstreamPort}/v1`,
    LOG_LEVEL: 'warn',
    NODE_ENV: 'production',
  };
  return adopt('the gateway', spawnNode(['dist/main.js'], env, core));
}

export async function startOwn(file: 'bare.ts' | 'upstream.ts', port: number, core?: number): Promise<Child> {
  const env = { PORT: String(port), NODE_ENV: 'production' };
  const child = adopt(file, spawnNode([...RUN_TYPESCRIPT, `test/bench/${file}`], env, core));
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answered = await fetch(`http://127.0.0.1:${port}/calls`).then(
      (response) => response.text(),
      () => undefined,
    );
    if (answered !== undefined) return child;
    if (Date.now() > deadline) throw new Error(`${file} does not answer on port ${port}`);
    await sleep(20);
  }
}

export function startLoad(): (order: LoadOrder) => Promise<LoadResult> {
  const child = fork(`${ROOT}test/bench/load.ts`, { cwd: ROOT, execArgv: RUN_TYPESCRIPT });
  adopt('load.ts', child);
  return (order) =>
    new Promise((resolve, reject) => {
      child.once('message', (reply: LoadReply) => {
        if ('fault' in reply) reject(new Error(reply.fault));
        else resolve(reply);
      });
      child.send(order);
    });
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
