import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { codesOf, type Result } from '../harness.ts';
import { runDemo } from './run-demo.ts';

type ResponseBody = Pick<Result, 'data' | 'errors'>;

/** @returns a port that is in use until the test ends */
async function takenPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

it('the demo leaves its address at the end of a terminal of 80×24, after a curl line that works, and ends with 0 at SIGINT', async () => {
  const demo = runDemo({ PORT: '0' });
  const text = await demo.welcome();

  const lines = text.split('\n');
  // npm prints six lines before it.
  expect(lines.length).toBeLessThanOrEqual(24 - 6);
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  const [, endpoint = ''] = /GraphiQL +(\S+)/.exec(text) ?? [];
  expect(endpoint).toMatch(/^http:\/\/localhost:\d+\/graphql$/);
  expect(lines.slice(-2)).toEqual([`  Open      ${new URL('/', endpoint).href}`, '']);
  expect((await fetch(new URL('/', endpoint), { redirect: 'manual' })).status).toBeLessThan(400);

  const [command = ''] = /^ {2}curl [^]+?'$(?=\n\n)/m.exec(text) ?? [];
  const headers = Object.fromEntries(
    [...command.matchAll(/-H '([^:']+): ([^']+)'/g)].map(([, name = '', value = '']) => [name, value]),
  );
  expect(headers).toEqual({ Authorization: 'Bearer sandbox-full', 'X-Team-Id': '936506' });
  const [, url = ''] = /-g '([^']+)'$/.exec(command) ?? [];
  expect(url.startsWith(endpoint.replace('http://', ''))).toBe(true);
  const answer = await fetch(`http://${url}`, { headers });
  expect(await answer.json()).toEqual({
    data: { backfill: { id: '12345', teamId: '936506', progress: expect.any(Number) as number } },
  });

  demo.kill('SIGINT');
  expect(await demo.end).toEqual({ code: 0, stdout: text, stderr: '' });
});

it('the demo says with --help what it does and takes, in lines that fit a terminal', async () => {
  const { code, stdout, stderr } = await runDemo({ PORT: 'nonsense' }, ['--help']).end;
  expect([code, stderr]).toEqual([0, '']);
  for (const said of ['Usage: npm run demo --', 'SANDBOX_PORT', 'SANDBOX_HOURLY_QUOTA', 'Examples:\n'])
    expect(stdout).toContain(said);
  expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

it.each([[['--verbose']], [['4001']], [['--help=yes']]])(
  'the demo refuses the unknown argument %j in one line, with 64',
  async (args) => {
    expect(await runDemo({ PORT: '0' }, args).end).toEqual({
      code: 64,
      stdout: '',
      stderr: `argument "${args.join()}" is unknown: see npm run demo -- --help\n`,
    });
  },
);

it('the demo serves GraphiQL with its operation and headers, whatever the environment is', async () => {
  const demo = runDemo({ PORT: '0', NODE_ENV: 'production', GRAPHIQL: 'false' });
  const [, url = ''] = /GraphiQL +(\S+)/.exec(await demo.welcome()) ?? [];
  const page = await (await fetch(url, { headers: { accept: 'text/html' } })).text();
  expect(page.includes('"query":"# A row that moves')).toBe(true);
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

it('the demo prints the trace of each operation as a tree with --traces', async () => {
  const demo = runDemo({ PORT: '0' }, ['--traces']);
  const welcome = await demo.welcome();
  const [, url = ''] = /GraphiQL +(\S+)/.exec(welcome) ?? [];
  await fetch(url, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Authorization: 'Bearer sandbox-full',
      'X-Team-Id': '936506',
    },
    body: JSON.stringify({ query: 'query Row { transfer(id: 456789) { latestBackfill { id } } }' }),
  });
  demo.kill('SIGINT');
  const { stdout } = await demo.end;
  expect(stdout.slice(welcome.length).replace(/[\d.]+ ms$/gm, '# ms')).toBe(`
POST (server) 200  # ms
  query Row  # ms
    read  # ms
      getLatestBackfill  # ms
        GET (client) 200  # ms
`);
});
