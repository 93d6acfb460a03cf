import { describe, expect, test } from 'vitest';
import { DEMO_TOKENS } from '../../src/sandbox/world/tokens.ts';
import { ask, CANCEL, HOUR, MINUTE, START, start, time } from '../support/sandbox.ts';

const RANGE = { range_start: '2024-01-01', range_end: '2024-01-31' };

describe('the five operations', () => {
  test('get by id answers a backfill with ids beyond 2^53 as exact bare integers', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill({ transferId: '9007199254740993', id: '9223372036854775807' });

    const { status, text } = await ask(sandbox, 'GET /teams/1/backfills/9223372036854775807');

    expect(status).toBe(200);
    expect(text).toContain('"transfer_backfill_id":9223372036854775807,"transfer_id":9007199254740993,');
  });

  test('get by id answers 404 for the backfills of other teams', async () => {
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

    time.now = START;
    expect((await ask(sandbox, 'GET /teams/1/transfers/10/backfills/latest')).data).toMatchObject({
      transfer_backfill_id: 100,
    });
    time.now = START + 900;
    expect((await ask(sandbox, 'GET /teams/1/transfers/10/backfills/latest')).data).toMatchObject({
      transfer_backfill_id: 100,
    });
  });

  test('latest answers the same 404 for a transfer that never ran, does not exist, or belongs to another team', async () => {
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

  test('the team list has the incomplete backfills, FAILED among them, newest first and at most 100', async () => {
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

  test('the team list has a backfill of a status that the API does not have, and it can be cancelled', async () => {
    const sandbox = await start();
    const id = sandbox.world.addBackfill({ transferId: '10', status: 'COMPLETED' });
    sandbox.world.set(id, { status: 'PAUSED' });
    expect((await ask(sandbox, 'GET /teams/1/backfills')).list).toMatchObject([{ status: 'PAUSED' }]);

    await ask(sandbox, `PATCH /teams/1/backfills/${id}`, { body: CANCEL });
    expect((await ask(sandbox, 'GET /teams/1/backfills')).list).toEqual([]);
  });

  test('the team list of another team is refused', async () => {
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

  test('create accepts a range again once the backfill over it has ended', async () => {
    const sandbox = await start();
    sandbox.world.addTransfer('1', '10');
    await ask(sandbox, 'POST /teams/1/transfers/10/backfills', { body: RANGE });
    time.now += HOUR;
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

  test('the exhausted token gets Retry-After of an hour and no remaining quota', async () => {
    const { headers } = await ask(await start(), READ, { token: DEMO_TOKENS.exhausted });
    expect(headers.get('retry-after')).toBe('3600');
    expect(headers.get('x-ratelimit-remaining')).toBe('0');
  });

  test('a 401 names the scheme in WWW-Authenticate', async () => {
    const { headers } = await ask(await start(), READ, { token: null });
    expect(headers.get('www-authenticate')).toBe('Bearer');
    expect(headers.get('access-control-allow-origin')).toBe('*');
  });

  test('the user of the token is the creator of the backfill', async () => {
    const sandbox = await start();
    sandbox.world.addTransfer('1', '10');
    sandbox.world.addToken('mine', { teams: ['1'], permissions: 'edit', userId: '4242' });
    const created = await ask(sandbox, WRITE, { token: 'mine', body: RANGE });
    expect(created.data).toMatchObject({ created_user_id: 4242 });
  });
});
