import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSandbox } from '../../src/sandbox/server.ts';
import { createWorld } from '../../src/sandbox/world/world.ts';
import { freePort } from '../support/free-port.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const THROWER = "process.once('SIGUSR2', () => { throw new TypeError('no such thing'); })";

interface GatewayProcess {
  readonly child: ChildProcess;
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>;
  get(path: string): Promise<Response>;
  /** Asks for a backfill. */
  ask(): Promise<unknown>;
}

/** A gateway that is ready, and whose standard output is this open file. */
async function startInto(
  output: number,
  env: Readonly<Record<string, string>> = {},
): Promise<GatewayProcess> {
  const world = createWorld();
  const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  const sandbox = await startSandbox({ world });
  onTestFinished(() => sandbox.close());
  const port = await freePort();
  const thrower = `data:text/javascript,${encodeURIComponent(THROWER)}`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--import', thrower, MAIN], {
    stdio: ['ignore', output, 'ignore'],
    env: {
      PATH: process.env['PATH'],
      HOST: '127.0.0.1',
      PORT: String(port),
      SUPERMETRICS_API_URL: sandbox.url,
      ...env,
    },
  });
  const exited = once(child, 'close').then(() => child.exitCode);
  onTestFinished(() => void child.kill('SIGKILL'));

  const origin = `http://127.0.0.1:${port}`;
  // A gateway that waits for its log answers nothing at all.
  const signal = (): AbortSignal => AbortSignal.timeout(5_000);
  const gateway: GatewayProcess = {
    child,
    exited,
    get: (path) => fetch(origin + path, { headers: { 'x-request-id': 'x'.repeat(128) }, signal: signal() }),
    async ask() {
      const response = await fetch(`${origin}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: 'Bearer sandbox-full',
          'x-team-id': '1',
        },
        body: JSON.stringify({ query: `{ backfill(id: "${id}") { status } }` }),
        signal: signal(),
      });
      return response.json();
    },
  };
  await expect
    .poll(() => gateway.get('/ready').then(({ status }) => status, String), { timeout: 15_000 })
    .toBe(200);
  return gateway;
}

interface Pipe {
  /** Has a reader, even while nobody reads. */
  readonly end: number;
  /** Reads until the text is there. */
  readUntil(text: string): Promise<string>;
}

function openPipe(): Pipe {
  const folder = mkdtempSync(join(tmpdir(), 'log-'));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const end = openSync(path, 'r+');
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  onTestFinished(() => {
    closeSync(end);
    closeSync(reader);
    rmSync(folder, { recursive: true });
  });
  return {
    end,
    async readUntil(text) {
      const buffer = Buffer.alloc(65_536);
      let all = '';
      while (!all.includes(text)) {
        try {
          all += buffer.toString('utf8', 0, readSync(reader, buffer));
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
          await pause(5);
        }
      }
      return all;
    },
  };
}

/** Makes more lines than a pipe holds. */
async function fill(gateway: GatewayProcess): Promise<void> {
  for (let n = 0; n < 10; n++) {
    await Promise.all(Array.from({ length: 50 }, () => gateway.get('/graphql?query={__typename}')));
  }
}

async function droppedLines(gateway: GatewayProcess): Promise<number> {
  const text = await (await gateway.get('/metrics')).text();
  return Number(/^backfill_gateway_log_lines_dropped_total (\d+)$/m.exec(text)?.[1]);
}

const ANSWER = { data: { backfill: { status: 'RUNNING' } } };

describe('a log that nobody reads', () => {
  it('stops neither requests nor the end of the process', async () => {
    const gateway = await startInto(openPipe().end, { LOG_LEVEL: 'debug' });
    await fill(gateway);
    expect((await gateway.get('/health')).status).toBe(200);
    expect(await gateway.ask()).toEqual(ANSWER);
    expect(await droppedLines(gateway)).toBe(0);

    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
  });

  it('does not keep a process that has crashed', async () => {
    const gateway = await startInto(openPipe().end, { LOG_LEVEL: 'debug' });
    await fill(gateway);
    gateway.child.kill('SIGUSR2');
    expect(await gateway.exited).toBe(1);
  });

  it('is whole and in order when the reader returns', async () => {
    const pipe = openPipe();
    const gateway = await startInto(pipe.end, { LOG_LEVEL: 'debug' });
    await fill(gateway);
    gateway.child.kill('SIGTERM');

    const text = await pipe.readUntil('"msg":"stopped"');
    expect(await gateway.exited).toBe(0);
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { time: string; msg: string });
    expect(lines.map(({ time }) => time)).toEqual(lines.map(({ time }) => time).sort());
    expect(lines.length).toBeGreaterThan(500);
    expect(lines[0]?.msg).toBe('listening');
  });
});

describe('a disk that is full', () => {
  it('costs the log, not the requests, and does not keep the process at its end', async () => {
    const disk = openSync('/dev/full', 'w');
    onTestFinished(() => closeSync(disk));
    const gateway = await startInto(disk);
    expect(await gateway.ask()).toEqual(ANSWER);
    // An exposition is up to a second old.
    await expect.poll(() => droppedLines(gateway), { timeout: 5_000 }).toBeGreaterThanOrEqual(2);

    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
  });
});
