import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { envelope, type FaultAnswer } from '../../../src/sandbox/faults.ts';
import { codesOf, startStack } from '../../harness.ts';
import { serve } from '../../support/serve.ts';
import {
  DATA,
  expectOutcome,
  type FaultRow,
  ID,
  INVALID,
  READ,
  readAgain,
  RECORD,
  type Row,
  startOddUpstream,
  testEach,
  UNAVAILABLE,
} from '../../support/odd-upstream.ts';

const MIB = 1024 * 1024;

const status = (
  code: number,
  body: string | object = '',
  headers: Readonly<Record<string, string>> = {},
): FaultAnswer => ({ kind: 'status', status: code, body, headers });
/** A row whose HTTP response is 200 with this body. */
const body = (name: string, bytes: Buffer | string, outcome: Row['outcome'] = INVALID): FaultRow => ({
  name,
  answer: { kind: 'raw', bytes, headers: { 'content-type': 'application/json' } },
  outcome,
});
const edited = (name: string, from: RegExp, to: string, outcome: Row['outcome'] = INVALID): FaultRow => ({
  name,
  answer: {
    kind: 'edit',
    edit: (json) => {
      if (!from.test(json)) throw new Error(`nothing in ${json} to edit`);
      return json.replace(from, to);
    },
  },
  outcome,
});

/** The fields in which RECORD differs from the sandbox's backfill. */
const RAW = {
  createdUserId: '7',
  createdTime: '2026-02-01T09:00:00Z',
  rangeStartDate: '2026-01-01',
  transferRunsTotal: 31,
  errorReport: [{ error: 'No rows' }],
};

const STATUSES: readonly FaultRow[] = [
  { name: '201 with good data', answer: status(201, JSON.parse(DATA) as object), outcome: INVALID },
  { name: '204', answer: status(204), outcome: INVALID },
  { name: '206 with good data', answer: status(206, JSON.parse(DATA) as object), outcome: INVALID },
  { name: '304', answer: status(304), outcome: INVALID },
  { name: '200 with nothing in it', answer: status(200), outcome: INVALID },
  ...[
    ['ACCESS_DENIED', 'FORBIDDEN'],
    ['VALIDATION_FAILED', 'BAD_USER_INPUT'],
    ['API_KEY_INVALID', 'UNAUTHENTICATED'],
    ['CONFLICT_ERROR', 'CONFLICT'],
    ['TOO_MANY_REQUESTS', 'RATE_LIMITED'],
    ['API_ROW_QUOTA_EXCEEDED', 'QUOTA_EXCEEDED'],
    ['INTERNAL_SERVER_ERROR', 'UPSTREAM_ERROR'],
    ['SOMETHING_ELSE', INVALID],
    ['toString', INVALID],
  ].flatMap(([theirs = '', outcome = '']) =>
    [200, 202].map((code) => ({
      name: `${code} with the error ${theirs}`,
      answer: status(code, envelope(theirs, 'M')),
      outcome,
    })),
  ),
  {
    name: '200 with data and an error',
    answer: status(200, { data: {}, error: { code: 'FORBIDDEN' } }),
    outcome: 'FORBIDDEN',
  },
  { name: '200 with the error as a plain string', answer: status(200, { error: 'no' }), outcome: INVALID },
  { name: '200 with the error true', answer: status(200, { error: true, data: {} }), outcome: INVALID },
  {
    name: '400 with the error as a plain string',
    answer: status(400, { error: 'no' }),
    outcome: 'BAD_USER_INPUT',
  },
  {
    name: '401 with a bare OAuth error',
    answer: status(401, { error: 'invalid_token', error_description: 'expired' }),
    outcome: 'UNAUTHENTICATED',
  },
  {
    name: '400 with a bare OAuth error',
    answer: status(400, { error: 'invalid_request', error_description: 'bad' }),
    outcome: 'BAD_USER_INPUT',
  },
  { name: '401 with nothing in it', answer: status(401), outcome: 'UNAUTHENTICATED' },
  { name: '403 with a list', answer: status(403, [1, 2]), outcome: 'FORBIDDEN' },
  { name: '404 with nothing in it', answer: status(404), outcome: INVALID },
  {
    name: '404 with the error as a plain string',
    answer: status(404, { error: 'Not Found' }),
    outcome: INVALID,
  },
  { name: '404 with a number for a code', answer: status(404, { error: { code: 404 } }), outcome: INVALID },
  {
    name: '404 of another framework',
    answer: status(404, { status: 404, error: 'Not Found', path: '/v1' }),
    outcome: INVALID,
  },
  { name: '500 with good data', answer: status(500, JSON.parse(DATA) as object), outcome: 'UPSTREAM_ERROR' },
  ...[502, 503, 504].map((code) => ({
    name: `${code} with a page of HTML`,
    answer: { kind: 'status', status: code, body: '<h1>10.1.2.3</h1>', contentType: 'text/html' } as const,
    outcome: UNAVAILABLE,
  })),
];

const BODIES: readonly FaultRow[] = [
  {
    name: 'the right JSON with the content type of a page',
    answer: { kind: 'raw', bytes: DATA, headers: { 'content-type': 'text/html; charset=latin1' } },
    outcome: RAW,
  },
  { name: 'the right JSON without a content type', answer: { kind: 'raw', bytes: DATA }, outcome: RAW },
  ...['null', '17', '"text"', 'true', '[]', '{}', '[{"data":{}}]', '""', '  '].map((json) =>
    body(`the body ${json}`, json),
  ),
  ...['null', '17', '"text"', 'false', '[]', '{}'].map((json) => body(`data ${json}`, `{"data":${json}}`)),
  body('data in data', `{"data":${DATA}}`),
  body('data in a list', `{"data":[${RECORD}]}`),
  body('data in items', `{"data":{"items":[${RECORD}]}}`),
  body('data without the envelope', RECORD),
  body('JSON with more after it', `${DATA}{}`),
  body('half of the JSON, announced as all of it', DATA.slice(0, 100)),
  body('JSON with comments', `/* hello */${DATA}`),
  body('JSON after a byte order mark', `\ufeff${DATA}`),
  body('JSON in UTF-16', Buffer.from(DATA, 'utf16le')),
  body('JSON among white space', `\r\n\t ${DATA} \n`, RAW),
  body('100,000 brackets', '['.repeat(100_000)),
  body('100,000 brackets, closed again', `{"data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
  body(
    '100,000 brackets and long digits',
    `{"data":${'['.repeat(100_000)}12345678901234567890${']'.repeat(100_000)}}`,
  ),
  body('invalid UTF-8 in a key', Buffer.from(DATA.replace('"status"', '"stat\xff"'), 'latin1')),
  body('invalid UTF-8 between the values', Buffer.from(DATA.replace('"status"', '\xff"status"'), 'latin1')),
  body('invalid UTF-8 in a text', Buffer.from(DATA.replace('No rows', 'No r\xffws'), 'latin1'), {
    ...RAW,
    errorReport: [{ error: 'No r\ufffdws' }],
  }),
  body('exactly 1 MiB', DATA + ' '.repeat(MIB - DATA.length), RAW),
  body('1 MiB and a byte', DATA + ' '.repeat(MIB - DATA.length + 1)),
  body(
    'keys of prototypes',
    DATA.replace(
      '"status"',
      '"__proto__":{"polluted":"polluted","removed_user_id":13},"constructor":{"prototype":{"polluted":1}},"status"',
    ),
    RAW,
  ),
  body(
    'keys of prototypes and long digits',
    DATA.replace(
      '"status"',
      '"long":12345678901234567890,"__proto__":{"polluted":"polluted","removed_user_id":13},"status"',
    ),
    RAW,
  ),
  body('data as the prototype of the body', `{"__proto__":${DATA}}`),
  body('data as the prototype of the body, long digits', `{"__proto__":${DATA},"n":12345678901234567890}`),
  body('a backfill as the prototype of data', `{"data":{"__proto__":${RECORD}}}`),
  body('a key twice, the right value last', DATA.replace('"status"', '"status":"FAILED","status"'), RAW),
  body(
    'a key twice, the right value last, long digits',
    DATA.replace('"status"', '"long":12345678901234567890,"status":"FAILED","status"'),
    RAW,
  ),
  body('data twice, the right one last', `{"data":null,"data":${RECORD}}`, RAW),
  edited('ids as strings', /(_id":)(\d+)/g, '$1"$2"', {}),
  edited('an id beyond 2^53', /(created_user_id":)\d+/, '$19007199254740993', {
    createdUserId: '9007199254740993',
  }),
  edited('the greatest id', /(created_user_id":)\d+/, '$19223372036854775807', {
    createdUserId: '9223372036854775807',
  }),
  edited('the greatest id as a string', /(created_user_id":)\d+/, '$1"9223372036854775807"', {
    createdUserId: '9223372036854775807',
  }),
  ...[
    '1.5',
    '12345678901234567.5',
    '-1',
    '0',
    '9223372036854775808',
    '1e30',
    '""',
    '"01"',
    '" 1"',
    '"1e3"',
    '[1]',
  ].map((id) => edited(`the id ${id}`, /(created_user_id":)\d+/, `$1${id}`)),
  edited('another id than asked', /(transfer_backfill_id":)\d+/, '$11003'),
  edited(
    'another id than asked, next to it beyond 2^53',
    /(transfer_backfill_id":)\d+/,
    '$19007199254740993',
  ),
  edited('a status nobody knows', /(status":)"\w+"/, '$1"PAUSED"', { status: 'UNKNOWN' }),
  edited('a status in lower case', /(status":)"\w+"/, '$1"running"', { status: 'UNKNOWN' }),
  edited('a status with the name of a method', /(status":)"\w+"/, '$1"toString"', { status: 'UNKNOWN' }),
  edited('an empty status', /(status":)"\w+"/, '$1""', { status: 'UNKNOWN' }),
  edited('a status that is no text', /(status":)"\w+"/, '$17'),
  edited('unknown keys', /"status"/, '"new":{"a":[1,2]},"status"', {}),
  edited(
    'a time that in UTC is beyond the year 9999',
    /(created_time":)"[^"]*"/,
    '$1"9999-12-31T23:30:00-01:00"',
  ),
  edited('a time in another zone', /(created_time":)"[^"]*"/, '$1"2026-02-01T01:30:00.5+05:30"', {
    createdTime: '2026-01-31T20:00:00.500Z',
  }),
  edited('a counter below zero', /(_total":)\d+/, '$1-1'),
  edited('a counter beyond 2^53', /(_total":)\d+/, '$19007199254740993'),
  {
    name: 'the right JSON in gzip, which was not asked for',
    answer: { kind: 'raw', bytes: gzipSync(DATA), headers: { 'content-encoding': 'gzip' } },
    outcome: INVALID,
  },
  {
    name: 'a word about gzip without any gzip',
    answer: { kind: 'raw', bytes: DATA, headers: { 'content-encoding': 'gzip' } },
    outcome: RAW,
  },
  {
    name: '403 in gzip',
    answer: {
      kind: 'raw',
      status: 403,
      bytes: gzipSync('{"error":"no"}'),
      headers: { 'content-encoding': 'gzip' },
    },
    outcome: 'FORBIDDEN',
  },
];

describe('a status', () => {
  testEach(STATUSES);
});

describe('a body', () => {
  testEach(BODIES);
});

describe('a body far beyond the limit', () => {
  it.each(['with its length announced', 'in chunks'])('is cut off at 1 MiB, %s', async (how) => {
    const size = 200 * MIB;
    const chunk = Buffer.alloc(64 * 1024, ' ');
    let sent = 0;
    const closed: Promise<unknown>[] = [];
    const upstream = await startOddUpstream((_request, response) => {
      closed.push(once(response, 'close'));
      if (how !== 'in chunks') response.setHeader('content-length', size);
      const fill = (): void => {
        while (sent < size && !response.destroyed) {
          sent += chunk.length;
          if (!response.write(chunk)) {
            response.once('drain', fill);
            return;
          }
        }
        response.end();
      };
      fill();
    });
    const { query } = await startStack({ SUPERMETRICS_API_URL: `${upstream.origin}/v1` });
    const before = process.memoryUsage().arrayBuffers;
    expect(codesOf(await query(READ))).toEqual([INVALID]);
    // There was no retry, and the connection was closed. The rest of what was sent filled system buffers.
    expect(closed).toHaveLength(1);
    await closed[0];
    expect(sent).toBeLessThan(20 * MIB);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * MIB);
    upstream.restore();
    await readAgain(query);
  });

  it('is never made out of a gzip bomb', async () => {
    const bomb = gzipSync(Buffer.alloc(100 * MIB, ' '));
    const { world, sandbox, query } = await startStack();
    world.addBackfill({ id: ID, transferId: '5', status: 'RUNNING' });
    const restore = sandbox.faults.add({
      times: Infinity,
      answer: { kind: 'raw', bytes: bomb, headers: { 'content-encoding': 'gzip' } },
    });
    const before = process.memoryUsage();
    const result = await query(READ);
    const after = process.memoryUsage();
    restore();
    expect(codesOf(result)).toEqual([INVALID]);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(20 * MIB);
    expect(after.heapUsed - before.heapUsed).toBeLessThan(50 * MIB);
    await readAgain(query);
  });
});

describe('a redirect', () => {
  it.each([300, 301, 302, 303, 305, 307, 308])('%d is not followed', async (code) => {
    let requests = 0;
    const target = await serve((_request, response) => {
      requests++;
      response.end(DATA);
    });
    const { world, sandbox, query } = await startStack();
    world.addBackfill({ id: ID, transferId: '5', status: 'RUNNING' });
    const restore = sandbox.faults.add({
      times: Infinity,
      answer: status(code, DATA, { location: `${target}/v1/teams/1/backfills/${ID}` }),
    });
    const result = await query(READ);
    restore();
    expectOutcome(result, INVALID, undefined, target);
    expect(sandbox.calls.count()).toBe(1);
    await readAgain(query);
    expect(requests).toBe(0);
  });
});

describe('a credential in an HTTP response', () => {
  const secret = 'SECRET_TOKEN_1';

  it.each<[string, string | object, Readonly<Record<string, string>>]>([
    ['as the request id of the envelope', { meta: { request_id: secret }, error: { code: 'X' } }, {}],
    ['as the request id of the header', '', { 'x-request-id': secret }],
    ['within a request id', '', { 'x-request-id': `req-${secret}-1` }],
    ['as the code', { error: { code: secret } }, {}],
    ['within the code', { error: { code: `NO_${secret}` } }, {}],
    ['in the description', { error: { code: 'X', description: `Bearer ${secret}` } }, {}],
    ['in the data', { data: { [secret]: secret } }, { 'x-request-id': secret }],
  ])('is neither passed on nor logged: %s', async (_where, answer, headers) => {
    const { sandbox, query, logLines } = await startStack();
    for (const code of [200, 403, 418, 500]) {
      sandbox.faults.add({ answer: status(code, answer, headers) });
      const { errors, body: text } = await query(READ, { token: secret });
      expect(errors).toHaveLength(1);
      expect(text).not.toContain(secret);
    }
    expect(JSON.stringify(logLines)).not.toContain(secret);
  });
});
