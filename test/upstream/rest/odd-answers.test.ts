import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { brotliCompressSync, gzipSync } from 'node:zlib';
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

/** A row whose backfill has one error in its report, written so in the JSON. */
const reported = (name: string, written: string, shown = written): FaultRow =>
  body(name, DATA.replace('No rows', written), { ...RAW, errorReport: [{ error: shown }] });

/** The fields in which RECORD differs from the sandbox's backfill. */
const RAW = {
  createdUserId: '7',
  createdTime: '2026-02-01T09:00:00Z',
  startTime: null,
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
  body('JSON after a byte order mark', `\ufeff${DATA}`, RAW),
  body('JSON after two byte order marks', `\ufeff\ufeff${DATA}`),
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
  body('exactly 4 MiB', DATA + ' '.repeat(4 * MIB - DATA.length), RAW),
  body('4 MiB and a byte', DATA + ' '.repeat(4 * MIB - DATA.length + 1)),
  reported('a text of 1,000 letters', 'x'.repeat(1000)),
  reported('a text that is cut', 'x'.repeat(1001), 'x'.repeat(1000)),
  reported('a text that is cut within a character', `${'x'.repeat(999)}😀`, 'x'.repeat(999)),
  reported('a text that is cut after a character', `${'x'.repeat(998)}😀y`, `${'x'.repeat(998)}😀`),
  reported('the first half of a character', String.raw`a\ud83d`, 'a\ufffd'),
  reported('the second half of a character', String.raw`\ude00b`, '\ufffdb'),
  reported('a character in two escapes', String.raw`\ud83d\ude00`, '😀'),
  ...['null', '7', '"none"', '{}'].map((report) =>
    body(`the report ${report}`, DATA.replace(/\[\{.*\}\]/, report), { ...RAW, errorReport: [] }),
  ),
  ...[
    'null',
    '7',
    '{}',
    '{"transfer_run_date":"2026-01-04"}',
    '{"transfer_run_date":"2026-02-30","error":"odd"}',
    '{"transfer_run_date":"","error":"odd"}',
    '{"transfer_run_date":"2026-01-04","error":null}',
  ].map((odd) => body(`a report with the row ${odd}`, DATA.replace('[{', `[${odd},{`), RAW)),
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
  edited('a time in another zone', /(created_time":)"[^"]*"/, '$1"2026-02-01T01:30:00.5+05:30"', {
    createdTime: '2026-01-31T20:00:00.500Z',
  }),
  ...['2016-12-31T23:59:60Z', '', 'soon', '2026-02-30T00:00:00Z', '9999-12-31T23:30:00-01:00'].flatMap(
    (time) => [
      edited(`the required time "${time}"`, /(created_time":)"[^"]*"/, `$1"${time}"`),
      edited(`the optional time "${time}"`, /(start_time":)"[^"]*"/, `$1"${time}"`, { startTime: null }),
    ],
  ),
  edited('an optional time that is a number', /(start_time":)"[^"]*"/, '$11767225600', { startTime: null }),
  edited(
    'a removal that makes no sense',
    /"status"/,
    '"removed_time":"never","removed_user_id":-1,"status"',
    {
      removedTime: null,
      removedUserId: null,
    },
  ),
  edited('a counter below zero', /(_total":)\d+/, '$1-1'),
  edited('a counter beyond 2^53', /(_total":)\d+/, '$19007199254740993'),
];

const GZIP = gzipSync(DATA);
const gzip = (name: string, bytes: Buffer | string, outcome: Row['outcome'], status = 200): FaultRow => ({
  name,
  answer: { kind: 'raw', status, bytes, headers: { 'content-encoding': 'gzip' } },
  outcome,
});
/** Bytes of white space that gzip cannot make much smaller. */
const noise = (length: number): Buffer =>
  Buffer.from(randomBytes(length).map((byte) => (byte % 2 === 0 ? 0x20 : 0x0a)));

const ENCODINGS: readonly FaultRow[] = [
  gzip('the right JSON', GZIP, RAW),
  gzip('the right JSON after a byte order mark', gzipSync(`\ufeff${DATA}`), RAW),
  gzip(
    'the right JSON in two members',
    Buffer.concat([DATA.slice(0, 50), DATA.slice(50)].map((part) => gzipSync(part))),
    RAW,
  ),
  gzip('the right JSON that was not compressed', DATA, RAW),
  gzip('a large body', gzipSync(Buffer.concat([Buffer.from(DATA), noise(3 * MIB)])), RAW),
  gzip('exactly 4 MiB', gzipSync(DATA + ' '.repeat(4 * MIB - DATA.length)), RAW),
  gzip('4 MiB and a byte', gzipSync(DATA + ' '.repeat(4 * MIB - DATA.length + 1)), INVALID),
  gzip('a body that is cut off', GZIP.subarray(0, -12), INVALID),
  gzip('a large body that is cut off', gzipSync(noise(3 * MIB)).subarray(0, -12), INVALID),
  gzip('a wrong checksum', Buffer.concat([GZIP.subarray(0, -8), Buffer.alloc(8)]), INVALID),
  gzip('a header alone', GZIP.subarray(0, 10), INVALID),
  gzip('nothing', '', INVALID),
  gzip('403', gzipSync('{"error":"no"}'), 'FORBIDDEN', 403),
  gzip('403 that is cut off', GZIP.subarray(0, -12), 'FORBIDDEN', 403),
  gzip('503 that is cut off', GZIP.subarray(0, -12), UNAVAILABLE, 503),
  ...['GZIP', 'x-gzip', ' gzip '].map((coding) => ({
    name: `the right JSON, and the coding "${coding}"`,
    answer: { kind: 'raw', bytes: GZIP, headers: { 'content-encoding': coding } } as const,
    outcome: RAW,
  })),
  {
    name: 'no compression, and the coding "identity"',
    answer: { kind: 'raw', bytes: DATA, headers: { 'content-encoding': 'identity' } },
    outcome: RAW,
  },
  {
    name: 'another coding than was asked for',
    answer: { kind: 'raw', bytes: brotliCompressSync(DATA), headers: { 'content-encoding': 'br' } },
    outcome: INVALID,
  },
  { name: 'no word about it', answer: { kind: 'raw', bytes: GZIP }, outcome: INVALID },
];

describe('a status', () => {
  testEach(STATUSES);
});

describe('a body', () => {
  testEach(BODIES);
});

describe('a body in gzip', () => {
  testEach(ENCODINGS);
});

const ENCODED: readonly (readonly [string, (text: string) => Buffer, Readonly<Record<string, string>>])[] = [
  ['as it is', (text) => Buffer.from(text), {}],
  ['in gzip', (text) => gzipSync(text), { 'content-encoding': 'gzip' }],
];

describe('a list', () => {
  const ROWS = 100;
  /** A hundred backfills with a hundred errors of a thousand characters each. */
  const full = (): string => {
    const error = `{"transfer_run_date":"2026-01-03","error":"${'x'.repeat(1000)}"}`;
    const row = RECORD.replace(/\[\{.*\}\]/, `[${Array(100).fill(error).join(',')}]`);
    const rows = Array.from({ length: ROWS }, (_, n) => row.replace(`":${ID},`, `":${Number(ID) + n},`));
    return `{"data":[${rows.join(',')}]}`;
  };

  it.each(ENCODED)('of 10 MB is read in one call, %s', async (_how, encode, headers) => {
    const { sandbox, query } = await startStack();
    sandbox.faults.add({
      when: { operation: 'listIncompleteBackfills' },
      answer: { kind: 'raw', bytes: encode(full()), headers },
    });
    const { data, errors } = await query(
      `{ a: backfill(id: "${ID}") { errorReport { error } } b: backfill(id: "${Number(ID) + ROWS - 1}") { id } }`,
    );
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({ b: { id: '1101' } });
    expect((data as { a: { errorReport: unknown[] } }).a.errorReport).toHaveLength(100);
    expect(sandbox.calls.count()).toBe(1);
  });

  it.each(ENCODED)(
    'of more than 16 MiB is not read, %s, and the backfills are read one by one',
    async (_how, encode, headers) => {
      const { world, sandbox, query } = await startStack();
      for (const id of ['1002', '1003']) world.addBackfill({ id, transferId: id, status: 'RUNNING' });
      sandbox.faults.add({
        when: { operation: 'listIncompleteBackfills' },
        answer: { kind: 'raw', bytes: encode('{"data":[]}'.padEnd(16 * MIB + 1)), headers },
      });
      const { data, errors } = await query(
        '{ a: backfill(id: "1002") { id } b: backfill(id: "1003") { id } }',
      );
      expect(errors).toBeUndefined();
      expect(data).toEqual({ a: { id: '1002' }, b: { id: '1003' } });
      expect(sandbox.calls.count()).toBe(3);
    },
  );
});

describe('a body far beyond the limit', () => {
  it.each(['with its length announced', 'in chunks'])('is cut off at 4 MiB, %s', async (how) => {
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
