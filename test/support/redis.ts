import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { freePort } from './free-port.ts';

const REDIS = process.env['REDIS_PATH'] ?? '/usr/bin/redis-server';
const START_MS = 10_000;

/** Why it cannot be started here. */
const missing = existsSync(REDIS)
  ? undefined
  : `there is no ${REDIS}: apt-get install redis-server, or name it in REDIS_PATH`;

/** Why Redis cannot be started here; undefined where it can. */
export function redisIsMissing(): string | undefined {
  return missing;
}

/** On a developer's machine a missing program skips what needs it; in CI it fails, or nobody would ever know. */
export function redisIsSkipped(): boolean {
  if (missing === undefined || process.env['CI']) return false;
  console.warn(`Tests with Redis are skipped: ${missing}`);
  return true;
}

/** A Redis that keeps nothing on a disk. */
export interface RedisServer {
  readonly url: URL;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

/** Starts Debian's Redis. @param settings further arguments, such as `--maxmemory 10mb` */
export async function startRedis(port: number, ...settings: readonly string[]): Promise<RedisServer> {
  if (missing !== undefined) throw new Error(missing);
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    ...settings,
  ];
  const child = spawn(REDIS, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-5_000)));
  const closed = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await closed;
  };
  for (const deadline = Date.now() + START_MS; child.exitCode === null && Date.now() < deadline;) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return { url: new URL(`redis://127.0.0.1:${port}`), process: child, stop };
    await pause(20);
  }
  await stop();
  throw new Error(`${REDIS} does not start: ${said}`);
}

/** The same until the test ends, at a port of its own. */
export async function startRedisUntilEnd(...settings: readonly string[]): Promise<RedisServer> {
  const server = await startRedis(await freePort(), ...settings);
  onTestFinished(() => server.stop());
  return server;
}
