import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const RUN_TYPESCRIPT = ['--import', 'tsx'];

export interface Child {
  readonly pid: number | undefined;
  /** How it ended, when nobody stopped it. */
  ended(): string | undefined;
  stop(): Promise<void>;
}

// Nothing that was started outlives this process, whichever way it ends.
const children = new Set<ChildProcess>();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));

/** Stops it with this process. */
export function adopt(child: ChildProcess): Child {
  children.add(child);
  let end: string | undefined;
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      end = error.message;
      resolve();
    });
    child.once('exit', (code, signal) => {
      end ??= signal ?? `code ${code ?? '?'}`;
      resolve();
    });
  });
  return {
    pid: child.pid,
    ended: () => end,
    stop() {
      children.delete(child);
      child.kill('SIGKILL');
      return gone;
    },
  };
}

export interface Placement {
  /** Where it may run; anywhere this process may when undefined. */
  readonly core?: number | undefined;
  /** Whether it can be sent messages. */
  readonly ipc?: boolean;
  /** File descriptor of its standard output. */
  readonly stdout?: number | undefined;
  /** Another Node than this process runs on. */
  readonly node?: string;
}

export function spawnNode(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { core, ipc = false, stdout = 2, node = process.execPath }: Placement = {},
): ChildProcess {
  const [command = '', ...rest] = [
    // It replaces itself by what it starts, so the child's pid is the server's.
    ...(core === undefined ? [] : ['taskset', '-c', String(core)]),
    node,
    ...args,
  ];
  return spawn(command, rest, {
    cwd: ROOT,
    // Nothing else of our environment: the servers are measured with their defaults. Standard output is for the report.
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', stdout, 2, ...(ipc ? ['ipc' as const] : [])],
  });
}

/** A part of the bench in a process of its own, which answers each order with one message. */
export interface Worker<Order, Reply> {
  /** One at a time. */
  ask(order: Order): Promise<Reply>;
  stop(): Promise<void>;
}

/** @param file below test/bench */
export function startWorker<Order, Reply>(
  file: string,
  env: Readonly<Record<string, string>> = {},
): Worker<Order, Reply> {
  const process = spawnNode([...RUN_TYPESCRIPT, `test/bench/${file}`], env, { ipc: true });
  const child = adopt(process);
  return {
    ask: (order) =>
      new Promise((resolve, reject) => {
        const fail = (): void => reject(new Error(`${file} ended: ${child.ended() ?? 'by itself'}`));
        if (child.ended() !== undefined) {
          fail();
          return;
        }
        process.once('exit', fail);
        process.once('message', (reply: Reply) => {
          process.off('exit', fail);
          resolve(reply);
        });
        process.send(order as object);
      }),
    stop: () => child.stop(),
  };
}
