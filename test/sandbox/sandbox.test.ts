import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  DEMO_BACKFILL_IDS,
  DEMO_TEAM_ID,
  DEMO_TRANSFER_IDS,
  createDemoWorld,
} from '../../src/sandbox/world/demo-world.ts';
import { envelope } from '../../src/sandbox/faults.ts';
import { startSandbox } from '../../src/sandbox/server.ts';
import type { Sandbox, SandboxOptions } from '../../src/sandbox/server.ts';
import { DEMO_TOKENS } from '../../src/sandbox/world/tokens.ts';
import { createWorld } from '../../src/sandbox/world/world.ts';
import type { World } from '../../src/sandbox/world/world.ts';

const START = Date.parse('2026-03-01T12:00:00Z');
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

let now = START;
let open: Sandbox[] = [];

afterEach(async () => {
  await Promise.all(open.map((sandbox) => sandbox.close()));
  open = [];
  now = START;
});

async function start(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ now: () => now, world: emptyWorld(), ...options });
  open.push(sandbox);
  return sandbox;
}

function emptyWorld(): World {
  return createWorld({ now: () => now });
}

interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly data: Record<string, unknown>;
  readonly list: readonly Record<string, unknown>[];
  readonly error: Record<string, unknown>;
}

async function ask(
  sandbox: Sandbox,
  request: string,
  { token = DEMO_TOKENS.full, body, headers = {} }: AskOptions = {},
): Promise<Asked> {
  const [method = 'GET', path = '/'] = request.split(' ');
  const response = await fetch(sandbox.url + path, {
    method,
    headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type') === 'application/json';
  const json = (isJson ? JSON.parse(text) : {}) as { data?: unknown; error?: unknown };
  return {
    status: response.status,
    headers: response.headers,
    text,
    data: Object(json.data) as Record<string, unknown>,
    list: Array.isArray(json.data) ? (json.data as Record<string, unknown>[]) : [],
    error: Object(json.error) as Record<string, unknown>,
  };
}

interface AskOptions {
  readonly token?: string | null;
  readonly body?: string | object;
  readonly headers?: Record<string, string>;
}

const RANGE = { range_start: '2024-01-01', range_end: '2024-01-31' };
const CANCEL = { status: 'CANCELLED' };

describe('the five operations', () => {
  test('get by id answers a backfill with ids beyond 2^53 as exact bare integers', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill({ transferId: '9007199254740993', id: '9223372036854775807' });

    const { status, text } = await ask(sandbox, 'GET /teams/1/backfills/9223372036854775807');

    expect(status).toBe(200);
    expect(text).toContain('"transfer_backfill_id":9223372036854775807,"transfer_id":9007199254740993,');
  });

  test('get by id knows nothing of other teams', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill({ teamId: '1', transferId: '10', id: '100' });
    sandbox.world.addTransfer('2', '20');
    sandbox.world.addToken('of-2', { teams: ['2'], permissions: 'edit' });

    expect((await ask(sandbox, 'GET /teams/2/backfills/100')).status).toBe(404);
    expect(await ask(sandbox, 'GET /teams/1/backfills/100', { token: 'of-2' })).toMatchObject({
      status: 404,
      error: { code: 'NOT_FOUND' },
    });
    expect((await ask(sandbox, 'GET /teams/1/backfills/100')).status).toBe(200);
  });

  test('latest is the one created last, and of two in one second the one with the higher id', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill({ transferId: '10', id: '900', createdAt: START - 2000, status: 'COMPLETED' });
    sandbox.world.addBackfill({ transferId: '10', id: '99', createdAt: START + 900 });
    sandbox.world.addBackfill({ transferId: '10', id: '100', createdAt: START });

    now = START;
    expect((await ask(sandbox, 'GET /teams/1/transfers/10/backfills/latest')).data).toMatchObject({
      transfer_backfill_id: 100,
    });
    now = START + 900;
    expect((await ask(sandbox, 'GET /teams/1/transfers/10/backfills/latest')).data).toMatchObject({
      transfer_backfill_id: 100,
    });
  });

  test('latest answers 404 alike for a transfer never run, not there, and not ours', async () => {
    const sandbox = await start();
    sandbox.world.addTransfer('1', '10');
    const answers = await Promise.all(
      ['1/transfers/10', '1/transfers/11', '2/transfers/10'].map((where) =>
        ask(sandbox, `GET /teams/${where}/backfills/latest`),
      ),
    );

    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
    expect(new Set(answers.map(({ error }) => error['description'])).size).toBe(1);
  });

  test('the list has the incomplete ones, FAILED among them, newest first and at most 100', async () => {
    const sandbox = await start();
    for (const status of ['CREATED', 'SCHEDULED', 'RUNNING', 'FAILED', 'COMPLETED', 'CANCELLED'] as const) {
      sandbox.world.addBackfill({ transferId: '10', status, createdAt: START - MINUTE });
    }
    const rows = (await ask(sandbox, 'GET /teams/1/backfills')).list;
    expect(rows.map(({ status }) => status)).toEqual(['FAILED', 'RUNNING', 'SCHEDULED', 'CREATED']);

    for (let n = 1; n <= 120; n += 1) {
      sandbox.world.addBackfill({ transferId: '11', id: String(n), status: 'RUNNING', createdAt: START - n });
    }
    const many = (await ask(sandbox, 'GET /teams/1/backfills')).list;
    expect(many).toHaveLength(100);
  });

  test('the list of a team that is not ours is refused', async () => {
    expect(await ask(await start(), 'GET /teams/2/backfills')).toMatchObject({
      status: 403,
      error: { code: 'FORBIDDEN' },
    });
  });

  test('create answers 200 with a CREATED backfill of as many runs as the range has days', async () => {
    const sandbox = await start();
    sandbox.world.addTransfer('1', '10');

    const created = await ask(sandbox, 'POST /teams/1/transfers/10/backfills', { body: RANGE });

    expect(created.status).toBe(200);
    expect(created.data).toMatchObject({
      status: 'CREATED',
      transfer_id: 10,
      range_start_date: '2024-01-01',
      range_end_date: '2024-01-31',
      created_time: '2026-03-01T12:00:00Z',
      transfer_runs_total: 31,
      transfer_runs_created: 0,
    });
    const latest = await ask(sandbox, 'GET /teams/1/transfers/10/backfills/latest');
    expect(latest.data).toEqual(created.data);
  });

  test.each([
    ['a range that overlaps with an active backfill', '10', RANGE, 422, 'UNPROCESSABLE_ENTITY'],
    [
      'a range that ends before it begins',
      '10',
      { ...RANGE, range_end: '2023-12-31' },
      422,
      'VALIDATION_FAILED',
    ],
    ['a day that does not exist', '10', { ...RANGE, range_start: '2024-02-30' }, 400, 'BAD_REQUEST'],
    ['a field that is missing', '10', { range_start: '2024-01-01' }, 400, 'BAD_REQUEST'],
    ['a body that is no JSON', '10', '{', 400, 'BAD_REQUEST'],
    ['a transfer that is not there', '11', RANGE, 404, 'NOT_FOUND'],
    ['a transfer that is no id', '1e3', RANGE, 400, 'INVALID_PARAMETER'],
  ])('create refuses %s', async (_, transferId, body, status, code) => {
    const sandbox = await start();
    sandbox.world.addBackfill({
      transferId: '10',
      status: 'RUNNING',
      rangeStart: '2024-01-31',
      rangeEnd: '2024-02-05',
    });

    const refused = await ask(sandbox, `POST /teams/1/transfers/${transferId}/backfills`, { body });

    expect(refused).toMatchObject({ status, error: { code } });
  });

  test('create takes a range again once the backfill over it has ended', async () => {
    const sandbox = await start();
    sandbox.world.addTransfer('1', '10');
    await ask(sandbox, 'POST /teams/1/transfers/10/backfills', { body: RANGE });
    now += HOUR;
    expect((await ask(sandbox, 'POST /teams/1/transfers/10/backfills', { body: RANGE })).status).toBe(200);
  });

  test.each([
    ['a final backfill', '101', CANCEL, 422, 'CANNOT_CANCEL_BACKFILL'],
    ['another status', '100', { status: 'COMPLETED' }, 400, 'BAD_REQUEST'],
    ['no body', '100', '', 400, 'BAD_REQUEST'],
    ['a backfill that is not there', '102', CANCEL, 404, 'NOT_FOUND'],
    ['an id beyond 64 bits', '9223372036854775808', CANCEL, 400, 'INVALID_PARAMETER'],
  ])('cancel refuses %s', async (_, id, body, status, code) => {
    const sandbox = await start();
    sandbox.world.addBackfill({ transferId: '10', id: '100', status: 'RUNNING' });
    sandbox.world.addBackfill({ transferId: '10', id: '101', status: 'COMPLETED' });

    expect(await ask(sandbox, `PATCH /teams/1/backfills/${id}`, { body })).toMatchObject({
      status,
      error: { code },
    });
  });

  test('a path of another prefix, or unknown, answers a 404 without the envelope', async () => {
    const sandbox = await start();
    const elsewhere = await fetch(sandbox.url.replace('/v1', '/v2/teams/1/backfills'));
    expect(elsewhere.status).toBe(404);
    expect(elsewhere.headers.get('content-type')).toContain('text/html');
    expect((await ask(sandbox, 'GET /teams')).text).toContain('<h1>404');
    expect((await ask(sandbox, 'DELETE /teams/1/backfills')).status).toBe(405);
  });

  test('request ids come in both documented formats, the same in body and header', async () => {
    const sandbox = await start();
    sandbox.world.addTransfer('1', '10');
    const answers = [
      await ask(sandbox, 'GET /teams/1/backfills'),
      await ask(sandbox, 'GET /teams/1/backfills/7'),
    ];
    const ids = answers.map(({ headers }) => headers.get('x-request-id') ?? '');

    expect(ids.map((id) => id.length).sort()).toEqual([32, 36]);
    answers.forEach(({ text }, n) => expect(text).toContain(`"request_id":"${ids[n] ?? ''}"`));
  });
});

describe('tokens', () => {
  const READ = 'GET /teams/1/transfers/10/backfills/latest';
  const WRITE = 'POST /teams/1/transfers/10/backfills';

  test.each([
    [DEMO_TOKENS.full, 200, 200, undefined],
    [DEMO_TOKENS.viewer, 200, 403, 'FORBIDDEN'],
    [DEMO_TOKENS.noAccess, 403, 403, 'ACCESS_DENIED'],
    [DEMO_TOKENS.exhausted, 429, 429, 'TOO_MANY_REQUESTS'],
    [DEMO_TOKENS.rowQuota, 429, 429, 'API_ROW_QUOTA_EXCEEDED'],
    ['somebody', 401, 401, 'API_KEY_INVALID'],
    [null, 401, 401, 'UNAUTHORIZED'],
  ])('%s may read: %d, may write: %d', async (token, read, write, code) => {
    const sandbox = await start();
    sandbox.world.addBackfill({ transferId: '10', status: 'COMPLETED' });

    expect((await ask(sandbox, READ, { token })).status).toBe(read);
    const written = await ask(sandbox, WRITE, { token, body: RANGE });
    expect(written.status).toBe(write);
    expect(written.error['code']).toBe(code);
  });

  test('the exhausted one is told to come back in an hour, with nothing left', async () => {
    const { headers } = await ask(await start(), READ, { token: DEMO_TOKENS.exhausted });
    expect(headers.get('retry-after')).toBe('3600');
    expect(headers.get('x-ratelimit-remaining')).toBe('0');
  });

  test('a 401 says which scheme it wants', async () => {
    const { headers } = await ask(await start(), READ, { token: null });
    expect(headers.get('www-authenticate')).toBe('Bearer');
    expect(headers.get('access-control-allow-origin')).toBe('*');
  });

  test('who wrote stands in the backfill', async () => {
    const sandbox = await start();
    sandbox.world.addTransfer('1', '10');
    sandbox.world.addToken('mine', { teams: ['1'], permissions: 'edit', userId: '4242' });
    const created = await ask(sandbox, WRITE, { token: 'mine', body: RANGE });
    expect(created.data).toMatchObject({ created_user_id: 4242 });
  });
});

describe('life cycle', () => {
  async function seen(sandbox: Sandbox, id: string, at: number): Promise<Record<string, unknown>> {
    now = START + at;
    return (await ask(sandbox, `GET /teams/1/backfills/${id}`)).data;
  }

  const plan = {
    transferId: '10',
    id: '3',
    rangeStart: '2024-01-01',
    rangeEnd: '2024-01-10',
    scheduleDelayMs: 10 * SECOND,
    startDelayMs: 10 * SECOND,
    msPerRun: SECOND,
  };

  test('goes from CREATED over SCHEDULED and RUNNING to COMPLETED, its counts growing', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill(plan);
    const counts = async (at: number) => {
      const row = await seen(sandbox, '3', at);
      return [row['status'], row['transfer_runs_created'], row['transfer_runs_completed']];
    };

    expect(await counts(9_999)).toEqual(['CREATED', 0, 0]);
    expect(await counts(10_000)).toEqual(['SCHEDULED', 0, 0]);
    expect(await counts(15_000)).toEqual(['SCHEDULED', 5, 0]);
    expect(await counts(20_000)).toEqual(['RUNNING', 10, 0]);
    expect(await counts(24_500)).toEqual(['RUNNING', 10, 4]);
    expect(await counts(30_000)).toEqual(['COMPLETED', 10, 10]);
    expect(await seen(sandbox, '3', 30_000)).toMatchObject({
      start_time: '2026-03-01T12:00:20Z',
      end_time: '2026-03-01T12:00:30Z',
      removed_time: null,
      error_report: [],
    });
  });

  test('a failing one gives up after its last failing run and reports each', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill({
      ...plan,
      failingRuns: [2, 4],
      outcome: 'FAILED',
      errorTexts: ['boom', 'x'.repeat(2000)],
    });

    expect(await seen(sandbox, '3', 23_000)).toMatchObject({
      status: 'RUNNING',
      transfer_runs_completed: 2,
      transfer_runs_failed: 1,
      error_report: [{ transfer_run_date: '2024-01-03', error: 'boom' }],
    });
    expect(await seen(sandbox, '3', HOUR)).toMatchObject({
      status: 'FAILED',
      end_time: '2026-03-01T12:00:25Z',
      transfer_runs_completed: 3,
      transfer_runs_failed: 2,
      error_report: [{ error: 'boom' }, { transfer_run_date: '2024-01-05', error: 'x'.repeat(1000) }],
    });
  });

  test('a cancelled one lets the run under way end, and no other', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill(plan);
    now = START + 24_500;
    const cancelled = await ask(sandbox, 'PATCH /teams/1/backfills/3', { body: CANCEL });

    expect(cancelled.data).toMatchObject({
      status: 'CANCELLED',
      end_time: '2026-03-01T12:00:24Z',
      removed_time: '2026-03-01T12:00:24Z',
      removed_user_id: 790,
      transfer_runs_completed: 4,
    });
    expect(await seen(sandbox, '3', 25_000)).toMatchObject({
      status: 'CANCELLED',
      transfer_runs_completed: 5,
    });
    expect(await seen(sandbox, '3', HOUR)).toMatchObject({
      transfer_runs_completed: 5,
      end_time: '2026-03-01T12:00:24Z',
    });
  });

  test('one cancelled while SCHEDULED never starts, and makes no more runs', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill(plan);
    now = START + 15_000;
    await ask(sandbox, 'PATCH /teams/1/backfills/3', { body: CANCEL });

    expect(await seen(sandbox, '3', HOUR)).toMatchObject({
      start_time: null,
      transfer_runs_created: 5,
      transfer_runs_completed: 0,
    });
  });

  test('a FAILED one can still be cancelled', async () => {
    const sandbox = await start();
    const id = sandbox.world.addBackfill({ transferId: '10', status: 'FAILED' });
    const answer = await ask(sandbox, `PATCH /teams/1/backfills/${id}`, { body: CANCEL });
    expect(answer.data).toMatchObject({ status: 'CANCELLED' });
  });

  test('optional fields without a value are null for some backfills and absent for others', async () => {
    const sandbox = await start();
    for (const id of ['3', '4', '5', '7'])
      sandbox.world.addBackfill({ transferId: '10', id, status: 'CREATED' });
    const names = ['removed_time', 'removed_user_id', 'start_time', 'end_time', 'error_report'];
    const rows = await Promise.all(['3', '4', '5', '7'].map((id) => seen(sandbox, id, 0)));

    expect(rows.map((row) => names.filter((name) => name in row))).toEqual([
      names,
      ['start_time', 'end_time', 'error_report'],
      ['error_report'],
      ['start_time', 'end_time'],
    ]);
  });

  test('fields can be forced to exact values, or out of the answer', async () => {
    const sandbox = await start();
    const id = sandbox.world.addBackfill({ transferId: '10', status: 'RUNNING' });
    sandbox.world.set(id, { status: 'PAUSED', transfer_runs_completed: 12, created_user_id: undefined });
    const row = await seen(sandbox, id, 0);

    expect(row).toMatchObject({ status: 'PAUSED', transfer_runs_completed: 12 });
    expect(row).not.toHaveProperty('created_user_id');
  });
});

describe('the demo world', () => {
  const latestOf = (world: World, ids: readonly string[]) =>
    ids.map((id) => world.latest(DEMO_TEAM_ID, id)?.status);

  test('has fifty transfers for a dashboard and one of every kind', () => {
    const world = createDemoWorld({ now: () => now });
    const { dashboard, failed, cancelled, scheduled, neverRun, partlyFailed } = DEMO_TRANSFER_IDS;

    expect(new Set(dashboard).size).toBe(50);
    expect(latestOf(world, dashboard).filter((status) => status === undefined)).toHaveLength(1);
    expect(latestOf(world, [failed, cancelled, scheduled, partlyFailed, neverRun])).toEqual([
      'FAILED',
      'CANCELLED',
      'SCHEDULED',
      'COMPLETED',
      undefined,
    ]);
    expect(world.latest(DEMO_TEAM_ID, DEMO_TRANSFER_IDS.huge)).toMatchObject({
      transfer_backfill_id: DEMO_BACKFILL_IDS.huge,
      status: 'RUNNING',
    });
    expect(world.getBackfill(DEMO_TEAM_ID, DEMO_BACKFILL_IDS.failed)?.error_report).toHaveLength(3);
  });

  test.each([0, 5 * HOUR, 1000 * HOUR])(
    'shows backfills CREATED, SCHEDULED, RUNNING and ended at every moment, %d ms on',
    (elapsed) => {
      const world = createDemoWorld({ now: () => now });
      for (let second = 0; second < 600; second += 1) {
        now = START + elapsed + second * SECOND;
        const statuses = latestOf(world, DEMO_TRANSFER_IDS.lively).map((status) =>
          status === 'COMPLETED' || status === 'FAILED' ? 'ended' : status,
        );
        for (const status of ['CREATED', 'SCHEDULED', 'RUNNING', 'ended']) {
          expect(statuses, `second ${second}`).toContain(status);
        }
      }
    },
  );

  test('moves visibly: a run of a lively transfer ends every two seconds or sooner', () => {
    const world = createDemoWorld({ now: () => now });
    for (let second = 0; second < 300; second += 2) {
      const completed = () =>
        DEMO_TRANSFER_IDS.lively.map((id) => world.latest(DEMO_TEAM_ID, id)?.transfer_runs_completed).join();
      now = START + second * SECOND;
      const before = completed();
      now += 2 * SECOND;
      expect(completed()).not.toBe(before);
    }
  });

  test('keeps nothing of the thousands of backfills that go by, and still answers each', () => {
    const world = createDemoWorld({ now: () => now });
    const [lively = ''] = DEMO_TRANSFER_IDS.lively;
    const stored = world.stored;
    const early = world.latest(DEMO_TEAM_ID, lively)?.transfer_backfill_id ?? '';
    now = START + 30 * 24 * HOUR;
    const late = world.latest(DEMO_TEAM_ID, lively)?.transfer_backfill_id ?? '';

    expect(BigInt(late) - BigInt(early)).toBe(BigInt((30 * 24 * HOUR) / (2 * MINUTE)));
    expect(world.getBackfill(DEMO_TEAM_ID, early)).toMatchObject({ status: 'COMPLETED' });
    expect(world.getBackfill(DEMO_TEAM_ID, String(BigInt(late) + 1n))).toBeUndefined();
    expect(world.incomplete(DEMO_TEAM_ID).length).toBeLessThan(30);
    expect(world.stored).toBe(stored);
  });

  test('a backfill of a lively transfer can be cancelled, and the next one comes all the same', () => {
    const world = createDemoWorld({ now: () => now });
    const [lively = ''] = DEMO_TRANSFER_IDS.lively;
    const id = world.latest(DEMO_TEAM_ID, lively)?.transfer_backfill_id ?? '';

    expect(world.cancelBackfill(DEMO_TEAM_ID, id)).toMatchObject({ backfill: { status: 'CANCELLED' } });
    now += 2 * MINUTE;
    expect(world.getBackfill(DEMO_TEAM_ID, id)).toMatchObject({ status: 'CANCELLED' });
    expect(world.latest(DEMO_TEAM_ID, lively)).toMatchObject({ status: 'CREATED' });
  });

  test('is what a sandbox serves unless told otherwise', async () => {
    const sandbox = await startSandbox();
    open.push(sandbox);
    const list = await ask(sandbox, `GET /teams/${DEMO_TEAM_ID}/backfills`);
    expect(list.list.length).toBeGreaterThan(10);
    expect((await ask(sandbox, 'GET /teams/424242/backfills')).status).toBe(200);
    expect((await ask(sandbox, 'GET /teams/424242/backfills', { token: DEMO_TOKENS.viewer })).status).toBe(
      403,
    );
  });
});

describe('quota', () => {
  const READ = 'GET /teams/1/backfills';

  test('counts per token from its first call, tells what is left on 4xx only, and opens again after the hour', async () => {
    const sandbox = await start({ hourlyQuota: 2 });
    sandbox.world.addTransfer('1', '10');
    const left = ({ headers }: Asked) => [
      headers.get('x-ratelimit-limit'),
      headers.get('x-ratelimit-remaining'),
    ];

    const missing = await ask(sandbox, 'GET /teams/1/backfills/5');
    expect(left(missing)).toEqual(['2', '1']);
    now += 10 * MINUTE;
    const good = await ask(sandbox, READ);
    expect(good.status).toBe(200);
    expect(left(good)).toEqual([null, null]);
    now += 20 * MINUTE + 400;
    const refused = await ask(sandbox, READ);
    expect(refused).toMatchObject({ status: 429, error: { code: 'TOO_MANY_REQUESTS' } });
    expect(left(refused)).toEqual(['2', '0']);
    expect(refused.headers.get('retry-after')).toBe('1800');
    expect((await ask(sandbox, READ, { token: DEMO_TOKENS.viewer })).status).toBe(200);
    now = START + HOUR;
    expect((await ask(sandbox, READ)).status).toBe(200);
  });

  test('without an end tells no numbers', async () => {
    const sandbox = await start({ hourlyQuota: Infinity });
    const { headers } = await ask(sandbox, 'GET /teams/1/backfills/5');
    expect(headers.has('x-ratelimit-limit')).toBe(false);
  });
});

describe('faults', () => {
  const READ = 'GET /teams/1/backfills/100';

  async function startWithOne(options: SandboxOptions = {}): Promise<Sandbox> {
    const sandbox = await start(options);
    sandbox.world.addBackfill({ transferId: '10', id: '100', status: 'RUNNING' });
    return sandbox;
  }

  test('a status with the documented envelope, once, then the ordinary answer', async () => {
    const { faults, ...sandbox } = await startWithOne();
    const body = envelope('INTERNAL_SERVER_ERROR', 'An unexpected error occurred.');
    faults.add({ answer: { kind: 'status', status: 500, body, headers: { 'x-strange': 'yes' } } });
    expect(faults.pending()).toEqual(['status 500 for any request: 1 left']);

    const failed = await ask({ faults, ...sandbox }, READ);

    expect(failed).toMatchObject({ status: 500, error: { code: 'INTERNAL_SERVER_ERROR' } });
    expect(failed.headers.get('x-request-id')).toBe(body.meta.request_id);
    expect(failed.headers.get('x-strange')).toBe('yes');
    expect(faults.pending()).toEqual([]);
    expect((await ask({ faults, ...sandbox }, READ)).status).toBe(200);
  });

  test('only the requests that match are met, in the order of adding, as often as told', async () => {
    const sandbox = await startWithOne();
    const { faults } = sandbox;
    const status = (code: number) => ({ kind: 'status', status: code }) as const;
    faults.add({
      when: { operation: 'getBackfillById', id: '100', teamId: '1' },
      times: 2,
      answer: status(503),
    });
    faults.add({ when: { operation: 'getBackfillById' }, answer: status(502) });
    const remove = faults.add({ times: Infinity, answer: status(504) });
    expect(faults.pending()).toEqual([
      'status 503 for operation getBackfillById, id 100, teamId 1: 2 left',
      'status 502 for operation getBackfillById: 1 left',
    ]);

    const seen: number[] = [];
    for (const path of [READ, 'GET /teams/1/backfills/101', READ, 'GET /teams/1/backfills', READ]) {
      seen.push((await ask(sandbox, path)).status);
    }
    expect(seen).toEqual([503, 502, 503, 504, 504]);
    expect(faults.pending()).toEqual([]);
    remove();
    expect((await ask(sandbox, READ)).status).toBe(200);
    faults.add({ answer: status(500) });
    faults.clear();
    expect((await ask(sandbox, READ)).status).toBe(200);
    expect(() => faults.add({ times: 0, answer: status(500) })).toThrow(RangeError);
  });

  test('raw bytes as they are', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({
      answer: { kind: 'raw', status: 502, headers: { 'content-type': 'x/y' }, bytes: '<bad>' },
    });
    const { status, headers, text } = await ask(sandbox, READ);
    expect([status, headers.get('content-type'), text]).toEqual([502, 'x/y', '<bad>']);
  });

  test('a hanging request is under way until the client leaves', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'hang' } });
    const leaving = new AbortController();
    const asked = fetch(`${sandbox.url}/teams/1/backfills/100`, { signal: leaving.signal });
    await vi.waitFor(() => expect(sandbox.faults.pending()).toEqual([]));
    expect(sandbox.calls.inFlight).toBe(1);

    leaving.abort();
    await expect(asked).rejects.toThrow('aborted');
    await vi.waitFor(() => expect(sandbox.calls.inFlight).toBe(0));
    expect(sandbox.calls.all).toMatchObject([{ status: undefined }]);
  });

  test('a hanging request and an idle connection do not keep the sandbox from closing', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'hang' } });
    const idle = connect(Number(new URL(sandbox.url).port), '127.0.0.1').on('error', () => undefined);
    await once(idle, 'connect');
    const asked = expect(ask(sandbox, READ)).rejects.toThrow('fetch failed');
    await vi.waitFor(() => expect(sandbox.faults.pending()).toEqual([]));
    await sandbox.close();
    await asked;
    idle.destroy();
  });

  test('a delayed answer comes after the delay', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'delay', ms: 30 } });
    const before = performance.now();
    expect((await ask(sandbox, READ)).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThanOrEqual(29);
  });

  test('every ordinary answer takes the latency', async () => {
    const sandbox = await startWithOne({ latencyMs: 30 });
    const before = performance.now();
    await ask(sandbox, READ);
    expect(performance.now() - before).toBeGreaterThanOrEqual(29);
  });

  test.each([
    ['sending', 'CANCELLED'],
    ['request', 'RUNNING'],
  ] as const)(
    'a held answer made when %s tells %s after a cancellation meanwhile',
    async (answerFrom, status) => {
      const sandbox = await startWithOne();
      let release: () => void = () => undefined;
      const until = new Promise<void>((resolve) => (release = resolve));
      sandbox.faults.add({ answer: { kind: 'hold', until, answerFrom } });
      const held = ask(sandbox, READ);
      await vi.waitFor(() => expect(sandbox.faults.pending()).toEqual([]));
      await ask(sandbox, 'PATCH /teams/1/backfills/100', { body: CANCEL });
      release();

      expect((await held).data).toMatchObject({ status });
    },
  );

  test('a reset before the headers is a failed request, later it is a failed body', async () => {
    const sandbox = await startWithOne();
    const url = `${sandbox.url}/teams/1/backfills/100`;
    const headers = { authorization: `Bearer ${DEMO_TOKENS.full}` };
    sandbox.faults.add({ answer: { kind: 'reset', at: 'before-headers' } });
    await expect(fetch(url, { headers })).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });

    for (const at of ['after-headers', 'in-body'] as const) {
      sandbox.faults.add({ answer: { kind: 'reset', at } });
      const response = await fetch(url, { headers });
      expect(response.status).toBe(200);
      await expect(response.text()).rejects.toThrow('terminated');
    }
  });

  test('a truncated body has all the text and less than was announced', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'truncate' } });
    const response = await fetch(`${sandbox.url}/teams/1/backfills/100`, {
      headers: { authorization: `Bearer ${DEMO_TOKENS.full}` },
    });
    const pieces: Uint8Array[] = [];
    const reading = (async () => {
      for await (const piece of response.body ?? []) pieces.push(piece);
    })();
    await expect(reading).rejects.toThrow('terminated');
    const text = Buffer.concat(pieces).toString();
    expect(JSON.parse(text)).toHaveProperty('data');
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(text.length);
  });

  test('a dripping body goes on until the client leaves', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'drip', everyMs: 1, bytes: 3 } });
    const response = await fetch(`${sandbox.url}/teams/1/backfills/100`);
    let received = 0;
    for await (const piece of response.body ?? []) {
      received += piece.length;
      if (received > 20) break;
    }
    await vi.waitFor(() => expect(sandbox.calls.inFlight).toBe(0));
    expect(received).toBeGreaterThan(20);
  });

  test('a flood has exactly as many bytes as told, all of them good JSON', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'flood', bytes: 3_000_000 } });
    const { status, headers, text } = await ask(sandbox, READ);
    expect(status).toBe(200);
    expect(headers.has('content-length')).toBe(false);
    expect(text).toHaveLength(3_000_000);
  });

  test('a script that throws says so instead of hiding behind a closed connection', async () => {
    const sandbox = await startWithOne();
    const edit = () => {
      throw new Error('never mind');
    };
    sandbox.faults.add({ answer: { kind: 'edit', edit } });
    expect(await ask(sandbox, READ)).toMatchObject({ status: 500, text: 'Sandbox: Error: never mind' });
  });

  test('an edited answer is the ordinary one with its text changed', async () => {
    const sandbox = await startWithOne();
    sandbox.faults.add({ answer: { kind: 'edit', edit: (json) => json.replace('"RUNNING"', '"PAUSED é"') } });
    const { data, headers, text } = await ask(sandbox, READ);
    expect(data).toMatchObject({ transfer_backfill_id: 100, status: 'PAUSED é' });
    expect(headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
  });
});

describe('the call log', () => {
  test('tells of every request what was asked and what was said', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill({ transferId: '10', id: '100' });
    const headers = { 'x-request-id': 'mine-1', traceparent: '00-abc-def-01' };
    now += 5;
    await ask(sandbox, 'GET /teams/1/backfills/100?x=1', { headers });
    await ask(sandbox, 'GET /teams/1/transfers/10/backfills/latest', { token: null });
    await ask(sandbox, 'GET /nothing');

    expect(sandbox.calls.all).toMatchObject([
      {
        operation: 'getBackfillById',
        method: 'GET',
        path: '/v1/teams/1/backfills/100',
        teamId: '1',
        id: '100',
        authorization: 'Bearer sandbox-full',
        requestId: 'mine-1',
        traceparent: '00-abc-def-01',
        headers: { host: new URL(sandbox.url).host },
        at: START + 5,
        status: 200,
      },
      {
        operation: 'getLatestBackfill',
        id: '10',
        authorization: undefined,
        requestId: undefined,
        status: 401,
      },
      { operation: 'unknown', teamId: undefined, id: undefined, status: 404 },
    ]);
  });

  test('counts by operation and by path, until reset', async () => {
    const { calls, ...sandbox } = await start();
    for (const path of ['1/backfills', '1/backfills', '1/backfills/7'])
      await ask({ calls, ...sandbox }, `GET /teams/${path}`);

    expect(calls.count()).toBe(3);
    expect(calls.count('listIncompleteBackfills')).toBe(2);
    expect(calls.count('createBackfill')).toBe(0);
    expect(Object.fromEntries(calls.countByPath())).toEqual({
      'GET /v1/teams/1/backfills': 2,
      'GET /v1/teams/1/backfills/7': 1,
    });
    calls.reset();
    expect([calls.count(), calls.all.length, calls.countByPath().size, calls.maxInFlight]).toEqual([
      0, 0, 0, 0,
    ]);
  });

  test('knows how many requests were under way at once', async () => {
    const sandbox = await start();
    let release: () => void = () => undefined;
    const until = new Promise<void>((resolve) => (release = resolve));
    sandbox.faults.add({ times: 5, answer: { kind: 'hold', until } });
    const held = Array.from({ length: 5 }, () => ask(sandbox, 'GET /teams/1/backfills/7'));
    await vi.waitFor(() => expect(sandbox.calls.inFlight).toBe(5));
    release();
    await Promise.all(held);

    expect(sandbox.calls).toMatchObject({ inFlight: 0, maxInFlight: 5 });
    sandbox.calls.reset();
    for (let n = 0; n < 20; n += 1) await ask(sandbox, 'GET /teams/1/backfills/7');
    expect(sandbox.calls.maxInFlight).toBe(1);
  });
});
