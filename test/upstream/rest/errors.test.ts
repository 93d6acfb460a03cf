import { describe, expect, it } from 'vitest';
import { envelope, type FaultAnswer } from '../../../src/sandbox/faults.ts';
import { codesOf, createLatch, type GraphqlError, startStack, TOKEN } from '../../harness.ts';

interface Row {
  readonly name: string;
  readonly answer: FaultAnswer;
  readonly extensions: Readonly<Record<string, unknown>>;
}

/** Every HTTP response of the sandbox has a request id, in its body or as X-Request-Id. */
const REQUEST_ID: unknown = expect.stringMatching(/^[\w-]{8,64}$/);

const json = (status: number, code: string, headers: Readonly<Record<string, string>> = {}): FaultAnswer => ({
  kind: 'status',
  status,
  headers,
  body: envelope(code, 'Some message', 'Some description'),
});
const upstream = (status: number, code: string): Record<string, unknown> => ({
  status,
  code,
  description: 'Some description',
  requestId: REQUEST_ID,
});
const misshapen = (name: string, edit: (json: string) => string): Row => ({
  name,
  answer: { kind: 'edit', edit },
  extensions: {
    code: 'UPSTREAM_INVALID_RESPONSE',
    retryable: false,
    upstream: { status: 200, requestId: REQUEST_ID },
  },
});

const ROWS: readonly Row[] = [
  ...[
    [400, 'BAD_REQUEST', 'BAD_USER_INPUT'],
    [400, 'INVALID_PARAMETER', 'BAD_USER_INPUT'],
    [422, 'UNPROCESSABLE_ENTITY', 'BAD_USER_INPUT'],
    [422, 'VALIDATION_FAILED', 'BAD_USER_INPUT'],
    [401, 'API_KEY_INVALID', 'UNAUTHENTICATED'],
    [401, 'UNAUTHORIZED', 'UNAUTHENTICATED'],
    [401, 'INVALID_ACCESS_TOKEN', 'UNAUTHENTICATED'],
    [401, 'A_CODE_NOBODY_KNOWS', 'UNAUTHENTICATED'],
    [403, 'ACCESS_DENIED', 'FORBIDDEN'],
    [403, 'FORBIDDEN', 'FORBIDDEN'],
    [409, 'CONFLICT_ERROR', 'CONFLICT'],
  ].map(([status, theirs, code]) => ({
    name: `${status} ${theirs}`,
    answer: json(Number(status), String(theirs)),
    extensions: { code, retryable: false, upstream: upstream(Number(status), String(theirs)) },
  })),
  {
    name: 'an empty 401',
    answer: { kind: 'status', status: 401, body: '' },
    extensions: {
      code: 'UNAUTHENTICATED',
      retryable: false,
      upstream: { status: 401, requestId: REQUEST_ID },
    },
  },
  {
    name: '429 with Retry-After in seconds',
    answer: json(429, 'TOO_MANY_REQUESTS', { 'retry-after': '3600' }),
    extensions: {
      code: 'RATE_LIMITED',
      retryable: true,
      retryAfterSeconds: 3600,
      upstream: upstream(429, 'TOO_MANY_REQUESTS'),
    },
  },
  {
    name: '429 with Retry-After as a date',
    answer: json(429, 'RATE_LIMIT_EXCEEDED', { 'retry-after': 'Mon, 02 Mar 2026 10:01:30 GMT' }),
    extensions: {
      code: 'RATE_LIMITED',
      retryable: true,
      retryAfterSeconds: 90,
      upstream: upstream(429, 'RATE_LIMIT_EXCEEDED'),
    },
  },
  {
    name: '429 with Retry-After as a date by a clock that is ahead',
    answer: json(429, 'RATE_LIMIT_EXCEEDED', {
      date: 'Mon, 02 Mar 2026 11:00:00 GMT',
      'retry-after': 'Mon, 02 Mar 2026 11:01:30 GMT',
    }),
    extensions: {
      code: 'RATE_LIMITED',
      retryable: true,
      retryAfterSeconds: 90,
      upstream: upstream(429, 'RATE_LIMIT_EXCEEDED'),
    },
  },
  ...['86401', '99999999999', 'Mon, 02 Mar 2037 10:01:30 GMT'].map((retryAfter) => ({
    name: `429 with the Retry-After ${retryAfter}, of which a day is believed`,
    answer: json(429, 'RATE_LIMIT_EXCEEDED', { 'retry-after': retryAfter }),
    extensions: {
      code: 'RATE_LIMITED',
      retryable: true,
      retryAfterSeconds: 86_400,
      upstream: upstream(429, 'RATE_LIMIT_EXCEEDED'),
    },
  })),
  {
    name: '429 without Retry-After or body',
    answer: { kind: 'status', status: 429, body: '' },
    extensions: { code: 'RATE_LIMITED', retryable: true, upstream: { status: 429, requestId: REQUEST_ID } },
  },
  {
    name: '429 of the row quota',
    answer: json(429, 'API_ROW_QUOTA_EXCEEDED'),
    extensions: {
      code: 'QUOTA_EXCEEDED',
      retryable: false,
      upstream: upstream(429, 'API_ROW_QUOTA_EXCEEDED'),
    },
  },
  ...[500, 501, 507].map((status) => ({
    name: `${status} with its code, and without any of its text`,
    answer: json(status, 'INTERNAL_SERVER_ERROR'),
    extensions: {
      code: 'UPSTREAM_ERROR',
      retryable: true,
      upstream: { status, code: 'INTERNAL_SERVER_ERROR', requestId: REQUEST_ID },
    },
  })),
  {
    name: '503 with its code, and without any of its text',
    answer: json(503, 'SERVICE_UNAVAILABLE'),
    extensions: {
      code: 'UPSTREAM_UNAVAILABLE',
      retryable: true,
      upstream: { status: 503, code: 'SERVICE_UNAVAILABLE', requestId: REQUEST_ID },
    },
  },
  ...[502, 503, 504].map((status) => ({
    name: `${status} with a page of HTML`,
    answer: {
      kind: 'status',
      status,
      body: '<h1>Bad gateway at 10.1.2.3</h1>',
      contentType: 'text/html',
    } as const,
    extensions: {
      code: 'UPSTREAM_UNAVAILABLE',
      retryable: true,
      upstream: { status, requestId: REQUEST_ID },
    },
  })),
  {
    name: '503 with Retry-After',
    answer: { kind: 'status', status: 503, body: '', headers: { 'retry-after': '30' } },
    extensions: {
      code: 'UPSTREAM_UNAVAILABLE',
      retryable: true,
      retryAfterSeconds: 30,
      upstream: { status: 503, requestId: REQUEST_ID },
    },
  },
  {
    name: 'a connection that ends without an HTTP response',
    answer: { kind: 'reset', at: 'before-headers' },
    extensions: { code: 'UPSTREAM_UNAVAILABLE', retryable: true },
  },
  {
    name: 'no HTTP response in time',
    answer: { kind: 'hang' },
    extensions: { code: 'UPSTREAM_TIMEOUT', retryable: true },
  },
  {
    name: 'a body that never ends',
    answer: { kind: 'drip', everyMs: 5, bytes: 10 },
    extensions: { code: 'UPSTREAM_TIMEOUT', retryable: true },
  },
  {
    name: 'a body over the size limit',
    answer: { kind: 'flood', bytes: 5 * 1024 * 1024 },
    extensions: { code: 'UPSTREAM_INVALID_RESPONSE', retryable: false },
  },
  {
    name: 'a 200 with an error envelope of a known kind',
    answer: json(200, 'ACCESS_DENIED'),
    extensions: { code: 'FORBIDDEN', retryable: false, upstream: upstream(200, 'ACCESS_DENIED') },
  },
  {
    name: 'a 200 with an error envelope of no known kind',
    answer: json(200, 'SOMETHING_ELSE'),
    extensions: {
      code: 'UPSTREAM_INVALID_RESPONSE',
      retryable: false,
      upstream: { status: 200, code: 'SOMETHING_ELSE', requestId: REQUEST_ID },
    },
  },
  {
    name: 'a 404 without the envelope',
    answer: { kind: 'status', status: 404, body: '<h1>Not Found</h1>', contentType: 'text/html' },
    extensions: {
      code: 'UPSTREAM_INVALID_RESPONSE',
      retryable: false,
      upstream: { status: 404, requestId: REQUEST_ID },
    },
  },
  {
    name: 'a redirect',
    answer: { kind: 'status', status: 302, headers: { location: 'http://127.0.0.1:1/' }, body: '' },
    extensions: {
      code: 'UPSTREAM_INVALID_RESPONSE',
      retryable: false,
      upstream: { status: 302, requestId: REQUEST_ID },
    },
  },
  {
    name: 'a status that is not documented',
    answer: json(418, 'TEAPOT'),
    extensions: {
      code: 'UPSTREAM_INVALID_RESPONSE',
      retryable: false,
      upstream: { status: 418, code: 'TEAPOT', requestId: REQUEST_ID },
    },
  },
  {
    name: 'a body that is not JSON',
    answer: { kind: 'raw', bytes: '{"data":' },
    extensions: { code: 'UPSTREAM_INVALID_RESPONSE', retryable: false, upstream: { status: 200 } },
  },
  {
    name: 'a body without data',
    answer: { kind: 'status', status: 200, body: { meta: {} } },
    extensions: {
      code: 'UPSTREAM_INVALID_RESPONSE',
      retryable: false,
      upstream: { status: 200, requestId: REQUEST_ID },
    },
  },
  misshapen('data of another shape', (text) => text.replace('"created_time"', '"made_time"')),
  misshapen('a counter beyond int32', (text) => text.replace(/(_total":)\d+/, '$12147483648')),
  misshapen('a date that does not exist', (text) =>
    text.replace(/(range_start_date":)"[^"]*"/, '$1"2026-02-30"'),
  ),
  misshapen('a time without a zone', (text) =>
    text.replace(/(created_time":)"[^"]*"/, '$1"2026-02-03T04:05:06"'),
  ),
  misshapen('an id beyond int64', (text) => text.replace(/(created_user_id":)\d+/, '$19223372036854775808')),
  misshapen('an id that is a fraction', (text) => text.replace(/(created_user_id":)\d+/, '$11.5')),
  misshapen('another backfill of another transfer', (text) => text.replace(/(_id":)\d/g, '$14')),
];

/** A read can fail in three places: by id, nested, and as one of fifty in a list. */
describe.each(ROWS)('$name', ({ answer, extensions }) => {
  const env = { UPSTREAM_TIMEOUT_MS: '100' };
  const expected = { ...extensions, requestId: expect.any(String) };

  it('is the error of backfill', async () => {
    const { world, sandbox, query } = await startStack(env);
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    sandbox.faults.add({ times: Infinity, answer });
    const { status, data, errors } = await query(
      `{ broken: backfill(id: "${id}") { id } transfer(id: "5") { id } }`,
    );
    expect(status).toBe(200);
    expect(data).toEqual({ broken: null, transfer: { id: '5' } });
    expect(errors).toEqual([
      {
        message: expect.stringMatching(SENTENCE),
        path: ['broken'],
        locations: expect.any(Array),
        extensions: expected,
      },
    ]);
  });

  it('is the error of transfer.latestBackfill', async () => {
    const { world, sandbox, query } = await startStack(env);
    world.addBackfill({ transferId: '5', status: 'RUNNING' });
    sandbox.faults.add({ times: Infinity, answer });
    const { status, data, errors } = await query('{ transfer(id: "5") { id latestBackfill { id } } }');
    expect(status).toBe(200);
    expect(data).toEqual({ transfer: { id: '5', latestBackfill: null } });
    expect(errors).toMatchObject([{ path: ['transfer', 'latestBackfill'], extensions: expected }]);
  });

  it('is the error of one of 50 transfers in a list, and the others have their values', async () => {
    const { world, sandbox, query } = await startStack({ UPSTREAM_TIMEOUT_MS: '1000' });
    const ids = Array.from({ length: 50 }, (_, n) => String(100 + n));
    for (const transferId of ids) world.addBackfill({ transferId, status: 'RUNNING' });
    sandbox.faults.add({ when: { id: '123' }, times: Infinity, answer });
    const { status, data, errors } = await query(
      'query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { status } } }',
      {
        variables: { ids },
      },
    );
    expect(status).toBe(200);
    expect(data).toEqual({
      transfers: ids.map((id) => ({ latestBackfill: id === '123' ? null : { status: 'RUNNING' } })),
    });
    expect(errors).toMatchObject([{ path: ['transfers', 23, 'latestBackfill'], extensions: expected }]);
  });
});

const SENTENCE = /^[A-Z].*\.$/;

describe('an enveloped 404', () => {
  it('is NOT_FOUND with a null field at backfill', async () => {
    const { query } = await startStack();
    const { data, errors } = await query('{ backfill(id: "404") { id } }');
    expect(data).toEqual({ backfill: null });
    expect(errors).toMatchObject([
      {
        message: 'There is no such backfill, or it does not belong to this team.',
        extensions: {
          code: 'NOT_FOUND',
          retryable: false,
          upstream: { status: 404, code: 'NOT_FOUND', description: expect.any(String) },
        },
      },
    ]);
  });

  it('is null without an error at latestBackfill', async () => {
    const { query } = await startStack();
    const { data, errors } = await query('{ transfer(id: "404") { latestBackfill { id } } }');
    expect(data).toEqual({ transfer: { latestBackfill: null } });
    expect(errors).toBeUndefined();
  });
});

describe('an upstream that accepts no connection', () => {
  it('is UPSTREAM_UNAVAILABLE', async () => {
    const { query } = await startStack({ SUPERMETRICS_API_URL: 'http://127.0.0.1:1/v1' });
    expect(codesOf(await query('{ backfill(id: "1") { id } }'))).toEqual(['UPSTREAM_UNAVAILABLE']);
  });
});

describe('a wrong base URL', () => {
  it('is UPSTREAM_INVALID_RESPONSE instead of NOT_FOUND, and is logged with a hint', async () => {
    const { sandbox, logLines, query } = await startStack();
    const wrong = await startStack({ SUPERMETRICS_API_URL: sandbox.url.replace('/v1', '/v2') });
    expect(codesOf(await wrong.query('{ transfer(id: "5") { latestBackfill { id } } }'))).toEqual([
      'UPSTREAM_INVALID_RESPONSE',
    ]);
    expect(wrong.logLines).toContainEqual(
      expect.objectContaining({ level: 'warn', reason: expect.stringContaining('SUPERMETRICS_API_URL') }),
    );
    expect(logLines.filter(({ level }) => level === 'warn')).toEqual([]);
    expect(codesOf(await query('{ transfer(id: "5") { latestBackfill { id } } }'))).toEqual([]);
  });
});

describe('the upstream description of a 4xx', () => {
  it.each([
    { name: 'its description', body: { code: 'BAD_REQUEST', message: 'M', description: 'D' }, shown: 'D' },
    { name: 'its message without a description', body: { code: 'BAD_REQUEST', message: 'M' }, shown: 'M' },
    { name: 'a plain string', body: 'just text', shown: 'just text' },
    {
      name: 'at most 2048 characters',
      body: { code: 'BAD_REQUEST', message: 'M', description: 'x'.repeat(5000) },
      shown: 'x'.repeat(2048),
    },
    {
      name: 'cut between two characters',
      body: { code: 'BAD_REQUEST', description: `${'x'.repeat(2047)}😀` },
      shown: 'x'.repeat(2047),
    },
    {
      name: 'with half a character replaced',
      body: { code: 'BAD_REQUEST', description: 'a\ud83d b' },
      shown: 'a\ufffd b',
    },
    {
      name: 'never the credential',
      body: { code: 'BAD_REQUEST', message: `token ${TOKEN} is bad` },
      shown: 'token [redacted] is bad',
    },
  ])('is passed on: $name', async ({ body, shown }) => {
    const { sandbox, query } = await startStack();
    sandbox.faults.add({
      answer: { kind: 'status', status: 400, body: { meta: { request_id: 'abcdefgh' }, error: body } },
    });
    const { errors } = await query('{ backfill(id: "1") { id } }');
    expect(errors?.[0]?.extensions.upstream).toMatchObject({
      status: 400,
      description: shown,
      requestId: 'abcdefgh',
    });
  });

  it('never contains the upstream host', async () => {
    const { sandbox, query } = await startStack();
    const { host } = new URL(sandbox.url);
    sandbox.faults.add({
      answer: {
        kind: 'status',
        status: 403,
        body: envelope('FORBIDDEN', 'No', `See http://${host}/v1/help`),
      },
    });
    const { body } = await query('{ backfill(id: "1") { id } }');
    expect(body).toContain('See http://[redacted]/v1/help');
    expect(body).not.toContain(host);
  });
});

describe.each([400, 500, 503])("the upstream's code of a %i", (status) => {
  it.each([
    { what: 'of 64 characters is passed on', code: 'X'.repeat(64), shown: 'X'.repeat(64) },
    { what: 'with digits is passed on', code: 'E_42', shown: 'E_42' },
    { what: 'of 65 characters is left out', code: 'X'.repeat(65), shown: undefined },
    { what: 'that is prose is left out', code: 'Out of memory', shown: undefined },
    { what: 'that begins with a digit is left out', code: '42_E', shown: undefined },
    { what: 'that holds the credential is left out', code: 'BAD_S3CR3T', shown: undefined },
  ])('$what', async ({ code, shown }) => {
    const { world, sandbox, query } = await startStack();
    world.addToken('S3CR3T', { teams: 'all', permissions: 'view' });
    sandbox.faults.add({ times: Infinity, answer: json(status, code) });
    const { errors } = await query('{ backfill(id: "1") { id } }', { token: 'S3CR3T' });
    expect(errors?.[0]?.extensions.upstream).toMatchObject({ status });
    expect(errors?.[0]?.extensions.upstream?.code).toBe(shown);
  });
});

describe('the request id', () => {
  it('is in every error of every kind of request', async () => {
    const { query } = await startStack();
    const requests = [
      '{ backfill(id: "404") { id } }',
      '{ backfill(id: "x") { id } }',
      '{ nope }',
      '{',
      'query ($id: ID!) { backfill(id: $id) { id } }',
    ];
    for (const text of requests) {
      const { errors, headers } = await query(text, { headers: { 'x-request-id': 'my-request.1' } });
      expect(errors?.map(({ extensions }: GraphqlError) => extensions.requestId)).toEqual(['my-request.1']);
      expect(errors?.[0]?.extensions).toMatchObject({ code: expect.any(String), retryable: false });
      expect(headers.get('x-request-id')).toBe('my-request.1');
    }
  });
});

describe('a bug of the gateway', () => {
  it('is INTERNAL_SERVER_ERROR, and only the log has its text', async () => {
    const { clock, world, sandbox, query, logLines } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const latch = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' } });
    const answer = query(`{ broken: backfill(id: "${id}") { id } transfer(id: "5") { id } }`);
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    clock.now = () => {
      throw new TypeError('cannot read secrets of undefined');
    };
    latch.open();
    const { status, data, errors, body } = await answer;
    expect(status).toBe(200);
    expect(data).toEqual({ broken: null, transfer: { id: '5' } });
    expect(errors).toEqual([
      {
        message: 'Internal server error.',
        path: ['broken'],
        locations: expect.any(Array),
        extensions: { code: 'INTERNAL_SERVER_ERROR', retryable: false, requestId: expect.any(String) },
      },
    ]);
    expect(body).not.toContain('secrets');
    expect(logLines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        requestId: errors?.[0]?.extensions.requestId,
        err: expect.objectContaining({ type: 'TypeError', message: 'cannot read secrets of undefined' }),
      }),
    );
  });
});
