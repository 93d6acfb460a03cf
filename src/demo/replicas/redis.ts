import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { ConfigError } from '../../config.ts';
import type { RedisState } from '../page/settings.ts';

/** A Redis that keeps nothing on a disk. */
export interface Redis {
  readonly url: string;
  readonly state: RedisState;
  /** Its connections stay, and nothing is answered until it is resumed. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

const PROGRAM = 'redis-server';
const READY = 'Ready to accept connections';
const IN_USE = 'Address already in use';
const TRIES = 5;
const START_MS = 10_000;

/** Ends the process whose id it is given when its input ends. */
const UNTIL_INPUT_ENDS = 'read -r _; kill -9 "$0"';

/**
 * Starts Debian's Redis on a free port of 127.0.0.1.
 * @throws {ConfigError} where it is not installed or does not start
 */
export async function startRedis(tries = TRIES): Promise<Redis> {
  const port = await freePort();
  const settings = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no'];
  const child = spawn(PROGRAM, settings, {
    stdio: ['ignore', 'pipe', 'ignore'],
    // Ctrl+C would end it before the gateways that use it.
    detached: true,
  });
  const ended = once(child, 'close').catch(() => undefined);
  await once(child, 'spawn').catch(asPlainError);

  let said = '';
  let isPaused = false;
  let hasEnded = false;
  const isReady = new Promise<boolean>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-5_000);
      if (said.includes(READY)) resolve(true);
    });
    child.once('close', () => resolve(false));
  });
  // The pipe closes with this process, however that ends.
  const watcher = spawn('/bin/sh', ['-c', UNTIL_INPUT_ENDS, String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  child.once('exit', () => {
    hasEnded = true;
    watcher.kill('SIGKILL');
  });
  async function stop(): Promise<void> {
    child.kill('SIGKILL');
    await ended;
  }

  if (!(await Promise.race([isReady, pause(START_MS, false, { ref: false })]))) {
    await stop();
    // Another program may have taken the port meanwhile.
    if (said.includes(IN_USE) && tries > 1) return startRedis(tries - 1);
    throw new ConfigError(`${PROGRAM} does not start: ${said.trim().split('\n').at(-1) ?? ''}`);
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    get state() {
      if (hasEnded) return 'ended';
      return isPaused ? 'paused' : 'running';
    },
    pause() {
      isPaused = child.kill('SIGSTOP');
    },
    resume() {
      isPaused = !child.kill('SIGCONT');
    },
    stop,
  };
}

function asPlainError(error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed';
  throw new ConfigError(
    code === 'ENOENT'
      ? `--replicas needs Redis, and there is no ${PROGRAM}: apt-get install redis-server`
      : `${PROGRAM} does not start: ${code}`,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
