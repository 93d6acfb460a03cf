import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { codesOf, type Result } from '../harness.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const LAST_WORDS = 'UNAUTHENTICATED\n\n';

type ResponseBody = Pick<Result, 'data' | 'errors'>;

interface Demo {
  /** What is printed at the start, or until the process has ended if that comes first. */
  welcome(): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** What is left when it has ended by itself. */
  readonly end: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** The demo as a process of its own, from its sources: the tests need no build before them. */
function runDemo(env: Readonly<Record<string, string>>): Demo {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/demo/main.ts'], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));

  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const end = once(child, 'close').then(() => ({
    code: child.exitCode,
    stdout: stdout.text,
    stderr: stderr.text,
  }));
  return {
    end,
    kill: (signal) => void child.kill(signal),
    async welcome() {
      const arrives = new Promise<void>((resolve) => {
        const look = (): void => {
          if (stdout.text.endsWith(LAST_WORDS)) resolve();
        };
        child.stdout.on('data', look);
        look();
      });
      await Promise.race([arrives, end]);
      return stdout.text;
    },
  };
}

function collect(stream: NonNullable<ChildProcess['stdout']>): { readonly text: string } {
  const collected = { text: '' };
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    collected.text += chunk;
  });
  return collected;
}

/** @returns a port that is in use until the test ends */
async function takenPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

it('the demo prints operations and a curl line that work as described, and ends with exit code 0 at SIGINT', async () => {
  const demo = runDemo({ PORT: '0' });
  const text = await demo.welcome();

  const [, url = ''] = /GraphiQL +(\S+)/.exec(text) ?? [];
  expect(url).toMatch(/^http:\/\/localhost:\d+\/graphql$/);
  const headers = Object.fromEntries(
    [...text.matchAll(/^ +(?:Headers +)?(Authorization|X-Team-Id|X-Explain-Cost): (.+)$/gm)].map(
      ([, name, value]) => [name, value],
    ),
  ) as Record<string, string>;
  expect(headers).toEqual({
    Authorization: 'Bearer sandbox-full',
    'X-Team-Id': '936506',
    'X-Explain-Cost': '1',
  });

  async function post(body: string, sent: Readonly<Record<string, string>> = headers): Promise<ResponseBody> {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...sent },
      body,
    });
    expect(response.status).toBe(200);
    return (await response.json()) as ResponseBody;
  }

  const operations = [...text.matchAll(/^ {2}# .+\n {2}query [^]+?^ {2}\}$/gm)].map(
    ([operation]) => operation,
  );
  const answers = [];
  const extensions = {
    upstream: expect.objectContaining({ calls: expect.any(Number) as number }) as unknown,
  };
  for (const query of operations) answers.push(await post(JSON.stringify({ query })));
  expect(answers).toEqual([
    {
      data: {
        transfers: ['456789', '456801', '456807', '456841', '456844', '456845'].map((id) => ({
          id,
          latestBackfill:
            id === '456845'
              ? null
              : (expect.objectContaining({ id: expect.any(String) as string }) as unknown),
        })),
      },
      extensions,
    },
    {
      data: {
        backfill: {
          id: '9223372036854775807',
          status: 'RUNNING',
          rangeStartDate: '2018-01-01',
          rangeEndDate: '2025-12-31',
          progress: expect.any(Number) as number,
          transfer: { id: '9007199254740993' },
        },
      },
      extensions,
    },
    {
      data: { backfill: null },
      errors: [
        expect.objectContaining({ extensions: expect.objectContaining({ code: 'NOT_FOUND' }) as unknown }),
      ],
      extensions,
    },
  ]);

  const [, target, flags = ''] = /^ +curl (\S+) (.+)$/m.exec(text) ?? [];
  expect(target).toBe(url);
  const given = [...flags.matchAll(/-H '([^:']+): ([^']+)'/g)].map(
    ([, name, value]) => [name, value] as const,
  );
  const [, body = ''] = /-d '([^']+)'$/.exec(flags) ?? [];
  expect(await post(body, Object.fromEntries(given) as Record<string, string>)).toEqual({
    data: {
      transfer: {
        latestBackfill: {
          status: 'COMPLETED',
          errorReport: [
            { error: 'Connection timeout to data source' },
            { error: 'The data source answered with status 503' },
          ],
        },
      },
    },
    extensions,
  });

  const refusals = [...text.matchAll(/^ {2}(sandbox-\w+|any other token) .+, so (\w+)$/gm)];
  expect(refusals).toHaveLength(4);
  for (const [, token, code] of refusals) {
    const sent = { ...headers, Authorization: `Bearer ${String(token).replaceAll(' ', '-')}` };
    const { errors } = await post('{"query":"{ backfill(id: 12345) { id } }"}', sent);
    expect(codesOf({ errors })).toEqual([code]);
  }

  demo.kill('SIGINT');
  const { stdout, ...end } = await demo.end;
  expect(end).toEqual({ code: 0, stderr: '' });
  // The tokens that are out of calls have closed their gates.
  const warnings = stdout.slice(text.length).trim().split('\n');
  expect(stdout.startsWith(text)).toBe(true);
  expect(warnings.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'retry-after gate closed',
    'retry-after gate closed',
  ]);
});

it('the demo serves GraphiQL with its operation and headers, whatever the environment is', async () => {
  const demo = runDemo({ PORT: '0', NODE_ENV: 'production', GRAPHIQL: 'false' });
  const [, url = ''] = /GraphiQL +(\S+)/.exec(await demo.welcome()) ?? [];
  const page = await (await fetch(url, { headers: { accept: 'text/html' } })).text();
  expect(page.includes('"defaultQuery":"# Backfills of a sandbox')).toBe(true);
  expect(page.includes('Bearer sandbox-full')).toBe(true);
});

it('the demo lets pages of every port of localhost call it, and no others', async () => {
  const demo = runDemo({ PORT: '0' });
  const [, url = ''] = /GraphiQL +(\S+)/.exec(await demo.welcome()) ?? [];
  const allowed = async (origin: string): Promise<string | null> =>
    (await fetch(url, { method: 'OPTIONS', headers: { origin } })).headers.get('access-control-allow-origin');
  expect(await allowed('http://localhost:5173')).toBe('http://localhost:5173');
  expect(await allowed('https://localhost')).toBe('https://localhost');
  expect(await allowed('https://app.example.com')).toBeNull();
});

it('the demo takes another port when the default one is in use', async () => {
  // Whether 4000 is free depends on the machine: two demos cannot both have it.
  const demos = [runDemo({}), runDemo({})];
  const urls = await Promise.all(
    demos.map(async (demo) => /GraphiQL +(\S+)/.exec(await demo.welcome())?.[1]),
  );
  expect(urls).toEqual([
    expect.stringContaining('http://localhost:'),
    expect.stringContaining('http://localhost:'),
  ]);
  expect(urls[0]).not.toBe(urls[1]);
});

it.each(['PORT', 'SANDBOX_PORT'])(
  'the demo reports in one line that the given %s is in use',
  async (name) => {
    const port = await takenPort();
    const demo = runDemo({ PORT: '0', [name]: String(port) });
    const { code, stdout, stderr } = await demo.end;
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toMatch(new RegExp(`^${name} ${port} is in use.*\n$`));
  },
);

it.each([
  [{ SANDBOX_PORT: 'any' }, 'SANDBOX_PORT must be a whole number from 0 to 65535\n'],
  [{ SANDBOX_HOURLY_QUOTA: '0' }, 'SANDBOX_HOURLY_QUOTA must be a whole number from 1 to 999999999\n'],
  [
    { PORT: '80000', LOG_LEVEL: 'loud' },
    'PORT must be a whole number from 0 to 65535\nLOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent\n',
  ],
])('the demo refuses %j with one line per setting and exit code 78', async (env, said) => {
  expect(await runDemo(env).end).toEqual({ code: 78, stdout: '', stderr: said });
});

it('the demo warns of a variable that is named like a setting and is none', async () => {
  const welcome = await runDemo({ PORT: '0', CACHE_TTL: '5', SANDBOX_PORT: '0' }).welcome();
  const [line = ''] = welcome.split('\n');
  expect(JSON.parse(line)).toMatchObject({
    msg: 'unknown setting',
    variable: 'CACHE_TTL',
    nearest: 'CACHE_TTL_MS',
  });
  expect(welcome.match(/unknown setting/g)).toHaveLength(1);
});

it('the demo allows each token SANDBOX_HOURLY_QUOTA calls an hour', async () => {
  const demo = runDemo({ PORT: '0', SANDBOX_HOURLY_QUOTA: '2' });
  const [, url = ''] = /GraphiQL +(\S+)/.exec(await demo.welcome()) ?? [];
  const ask = async (id: string): Promise<ResponseBody> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Authorization: 'Bearer sandbox-full',
        'X-Team-Id': '936506',
      },
      body: JSON.stringify({ query: `{ transfer(id: ${id}) { latestBackfill { id } } }` }),
    });
    return (await response.json()) as ResponseBody;
  };
  for (const id of ['456789', '456801']) expect((await ask(id)).errors).toBeUndefined();
  expect(codesOf(await ask('456807'))).toEqual(['RATE_LIMITED']);
});
