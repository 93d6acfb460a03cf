import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Ran {
  readonly child: ChildProcess;
  readonly out: () => string;
  /** What is left when it has ended. */
  readonly end: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

function runSandbox(env: Readonly<Record<string, string>>, args: readonly string[] = []): Ran {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/demo/sandbox.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const end = once(child, 'close').then(() => ({ code: child.exitCode, stdout, stderr }));
  return { child, out: () => stdout, end };
}

it('`npm run sandbox` prints its tokens, what becomes of them, and how to point a gateway at it, in the lines of a terminal', async () => {
  const { child, out, end } = runSandbox({ SANDBOX_PORT: '0' });
  await expect.poll(out, { timeout: 30_000 }).toMatch(/npm start\n$/);
  const text = out();
  const lines = text.split('\n');
  // npm prints four lines before it.
  expect(lines.length).toBeLessThanOrEqual(24 - 4);
  expect(lines.filter((line) => line.length > 80)).toEqual([]);

  const [, team = '', url = ''] =
    /SUPERMETRICS_TEAM_ID=(\d+) \\\n +SUPERMETRICS_API_URL=(\S+) npm start/.exec(text) ?? [];
  const statusOf = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${url}/teams/${team}/backfills`, { headers })).status;
  };
  const tokens = [...text.matchAll(/^ {2}(sandbox-\w+|any other) +(.+)$/gm)];
  expect(tokens).toHaveLength(10);
  for (const [, token = '', meaning = ''] of tokens) {
    const [said] = /^\d{3}(?!.*second)/.exec(meaning) ?? ['200'];
    // What is late, or never comes, is for tests that need no patience.
    if (!/after|no answer/.test(meaning))
      expect([token, await statusOf(token.replaceAll(' ', '-'))]).toEqual([token, Number(said)]);
  }

  child.kill('SIGINT');
  expect(await end).toEqual({ code: 0, stdout: text, stderr: '' });
}, 60_000);

it('`npm run sandbox` says in one line what is wrong, with the exit code of its kind', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const taken = (server.address() as AddressInfo).port;
  expect(
    await Promise.all([
      runSandbox({ SANDBOX_PORT: String(taken) }).end,
      runSandbox({ PORT: String(taken) }).end,
      runSandbox({ SANDBOX_PORT: 'any' }).end,
      runSandbox({}, ['--quick']).end,
    ]),
  ).toEqual([
    {
      code: 78,
      stdout: '',
      stderr: `SANDBOX_PORT ${taken} is in use: stop what listens there, or set another one\n`,
    },
    {
      code: 78,
      stdout: '',
      stderr: `PORT ${taken} is in use: stop what listens there, or set another one\n`,
    },
    { code: 78, stdout: '', stderr: 'SANDBOX_PORT must be a whole number from 0 to 65535\n' },
    { code: 64, stdout: '', stderr: 'argument "--quick" is unknown: see npm run sandbox -- --help\n' },
  ]);
}, 60_000);

it('`npm run sandbox -- --help` says what it does and takes', async () => {
  const { code, stdout } = await runSandbox({}, ['--help']).end;
  expect(code).toBe(0);
  expect(stdout).toContain('Usage: npm run sandbox --');
  expect(stdout).toContain('SANDBOX_HOURLY_QUOTA');
}, 60_000);
