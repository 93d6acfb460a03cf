import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toPublicError } from '../../src/graphql/errors.ts';
import { isResourceId, type ResourceId } from '../../src/ids.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createAdmission } from '../../src/upstream/quota/admission.ts';
import { createBackfills } from '../../src/upstream/reads/backfills.ts';
import type { BackfillsClient, Caller } from '../../src/upstream/rest/client.ts';
import { createBackfillsClient } from '../../src/upstream/rest/client.ts';
import { createCredentials } from '../../src/upstream/credentials.ts';
import { UpstreamError } from '../../src/upstream/errors.ts';
import type { HttpResponse } from '../../src/upstream/transport/http.ts';
import { createRetryAfterGate } from '../../src/upstream/quota/retry-after-gate.ts';
import { createGovernor } from '../../src/upstream/quota/governor.ts';
import { createFreshness } from '../../src/upstream/cache/freshness.ts';
import type { ReadContext } from '../../src/upstream/reads/read.ts';
import { parseJson } from '../../src/upstream/rest/lossless-json.ts';
import { type BackfillRecord, backfillRecord } from '../../src/upstream/rest/records.ts';
import { OperationCost } from '../../src/upstream/reads/operation-cost.ts';
import { toUtc } from '../../src/upstream/rest/timestamps.ts';
import { createLog } from '../../src/log.ts';
import { createManualClock, type Result, startStack } from '../harness.ts';
import { listen } from '../support/listen.ts';

/** Longer than a property should take on a machine that is busy. */
const PATIENCE = 60_000;
const SECRET = 'SECRET_TOKEN_1';
const HOST = 'rest.internal:8443';
/** Put into everything that an answer can say, so that it shows wherever any of it is passed on. */
const MARK = 'uPsTrEaM';

/** The codes that an answer of the upstream's can have, after the contract's table. */
const CODES: ReadonlySet<unknown> = new Set([
  'BAD_USER_INPUT',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'CONFLICT',
  'RATE_LIMITED',
  'QUOTA_EXCEEDED',
  'UPSTREAM_ERROR',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_INVALID_RESPONSE',
]);
/** Statuses that say for themselves what they mean, whatever else is in the answer. */
const CODE_OF_STATUS: Readonly<Partial<Record<number, readonly string[]>>> = {
  400: ['BAD_USER_INPUT'],
  401: ['UNAUTHENTICATED'],
  403: ['FORBIDDEN'],
  404: ['NOT_FOUND', 'UPSTREAM_INVALID_RESPONSE'],
  409: ['CONFLICT'],
  422: ['BAD_USER_INPUT'],
  429: ['RATE_LIMITED', 'QUOTA_EXCEEDED'],
  502: ['UPSTREAM_UNAVAILABLE'],
  503: ['UPSTREAM_UNAVAILABLE'],
  504: ['UPSTREAM_UNAVAILABLE'],
};
function codesFor(status: number): readonly string[] | undefined {
  if (status >= 500) return CODE_OF_STATUS[status] ?? ['UPSTREAM_ERROR'];
  return CODE_OF_STATUS[status] ?? (status >= 300 ? ['UPSTREAM_INVALID_RESPONSE'] : undefined);
}

const RECORD = {
  transfer_backfill_id: 17,
  transfer_id: 5,
  range_start_date: '2026-01-01',
  range_end_date: '2026-01-31',
  created_time: '2026-02-01T09:00:00Z',
  created_user_id: 7,
  removed_time: null,
  status: 'RUNNING',
  transfer_runs_total: 31,
  transfer_runs_created: 31,
  transfer_runs_completed: 15,
  transfer_runs_failed: 1,
  error_report: [{ transfer_run_date: '2026-01-03', error: 'No rows' }],
};

/** JSON with the keys that matter among others, and those that prototypes have. */
const keys = fc.oneof(
  fc.constantFrom('data', 'error', 'code', 'message', 'description', 'meta', 'request_id', 'items'),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'prototype', ''),
  fc.constantFrom(...Object.keys(RECORD)),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    'NOT_FOUND',
    'ACCESS_DENIED',
    'API_ROW_QUOTA_EXCEEDED',
    'toString',
    '__proto__',
    'COMPLETED',
  ),
  fc.constantFrom(MARK, SECRET, HOST, `${MARK}_${SECRET}`, `x${HOST}x`, '0', '-1', '9223372036854775808'),
  fc.constantFrom('2026-02-30', '2026-02-30T00:00:00Z', '0000-00-00T00:00:00+9999', 'x'.repeat(5000)),
);
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 5 },
    texts,
    fc.double(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(keys, tie('json'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

/** JSON text; bigints are written as the integers they are. */
function write(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, item]) => `${JSON.stringify(key)}:${write(item)}`)
    .join(',')}}`;
}

/** A good answer with one to three of its fields other than they should be, missing, or left as they are. */
const mutated = fc
  .array(fc.tuple(fc.constantFrom(...Object.keys(RECORD)), fc.option(json, { nil: undefined })), {
    maxLength: 3,
  })
  .map((edits) => {
    const record: Record<string, unknown> = { ...RECORD, ...Object.fromEntries(edits) };
    const kept = Object.entries(record).filter(([, value]) => value !== undefined);
    return write({ meta: { request_id: 'abcdefgh' }, data: Object.fromEntries(kept) });
  });
const errorBody = fc
  .record({
    meta: json,
    error: fc.record({ code: json, message: json, description: json }, { requiredKeys: [] }),
  })
  .map(write);
/** Some of its characters put elsewhere, doubled or left out. */
const broken = fc
  .tuple(fc.oneof(mutated, errorBody), fc.nat(), fc.nat(40), fc.string({ unit: 'binary', maxLength: 5 }))
  .map(([text, at, length, put]) => {
    const start = at % (text.length + 1);
    return text.slice(0, start) + put + text.slice(start + length);
  });

const bodies: fc.Arbitrary<Buffer> = fc.oneof(
  fc.oneof(json.map(write), mutated, mutated, errorBody, errorBody, broken).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);
/** The usual ones more often, but each. */
const statuses = fc.oneof(
  { arbitrary: fc.constant(200), weight: 4 },
  {
    arbitrary: fc.constantFrom(201, 204, 304, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504),
    weight: 3,
  },
  { arbitrary: fc.integer({ min: 100, max: 599 }), weight: 3 },
);
const headerTexts = fc.oneof(
  fc.constantFrom('0', '3600', '-1', '1.5', '1e9', '99999999999', 'soon', '', MARK, SECRET, 'abcdefgh'),
  fc.constantFrom(
    'Mon, 02 Mar 2026 10:01:30 GMT',
    'Sat, 31 Dec 275760 00:00:00 GMT',
    'Sun Nov  6 08:49:37 1994',
  ),
  fc.string({ maxLength: 20 }),
);
const headers = fc.dictionary(
  fc.constantFrom('retry-after', 'x-request-id', 'content-type', '__proto__'),
  // Sent more than once, a header is a list.
  fc.oneof(headerTexts, fc.array(headerTexts, { minLength: 2, maxLength: 3 })),
  { maxKeys: 3 },
);

function id(digits: string): ResourceId {
  if (isResourceId(digits)) return digits;
  throw new Error(`${digits} is no id`);
}

function callerWith(authorization: string): Caller {
  const credential = createCredentials().parse(authorization);
  if (credential === undefined) throw new Error('no credential');
  return { credential, requestId: 'fuzz', traceparent: undefined };
}

/** What every client may rely on of one error, and what may never be in it. */
function checkError(error: unknown, status: number): void {
  const { message, extensions } = toPublicError(error);
  expect(CODES).toContain(extensions['code']);
  const expected = codesFor(status);
  if (expected !== undefined) expect(expected).toContain(extensions['code']);
  expect(message).toMatch(/^[A-Z].*\.$/);
  expect(extensions['retryable']).toBeTypeOf('boolean');
  const seconds: unknown = extensions['retryAfterSeconds'] ?? 0;
  expect(Number.isInteger(seconds) && Number(seconds) >= 0).toBe(true);
  const upstream = (extensions['upstream'] ?? {}) as { code?: string; description?: string };
  if (status >= 500) expect(Object.keys(upstream)).not.toContain('code');
  if (status >= 500) expect(upstream).not.toHaveProperty('description');
  expect(upstream.description?.length ?? 0).toBeLessThanOrEqual(2048);
  const shown = JSON.stringify({ message, extensions });
  expect(shown).not.toContain(SECRET);
  expect(shown).not.toContain(HOST);
  if (status >= 500) expect(shown.replace(/"requestId":"[\w-]*"/, '')).not.toContain(MARK);
}

describe('any answer of the upstream', () => {
  it(
    'is data of the right shape, or one error of the table that says no more than it may',
    async () => {
      const clock = createManualClock();
      let answer: HttpResponse = { status: 200, headers: {}, text: '' };
      const logged: string[] = [];
      const client = createBackfillsClient({
        exchange: {
          get: () => Promise.resolve(answer),
          load: () => ({ running: 0, waiting: 0, circuitClosed: true }),
        },
        upstreamHost: HOST,
        clock,
        log: createLog('debug', { write: (line) => void logged.push(line) }),
        metrics: createMetrics(),
      });
      const caller = callerWith(`Bearer ${SECRET}`);
      let good = 0;
      await fc.assert(
        fc.asyncProperty(bodies, statuses, headers, async (bytes, status, given) => {
          answer = { status, headers: given, text: bytes.toString('utf8') };
          logged.length = 0;
          const record = await client.getBackfill(caller, id('1'), id('17')).catch((error: unknown) => {
            checkError(error, status);
          });
          if (record !== undefined) {
            good++;
            expect(status).toBe(200);
            expect(record.transfer_backfill_id).toBe('17');
            // What was read is itself of the shape, and reading it once more changes nothing.
            expect(backfillRecord.parse(record)).toEqual(record);
          }
          expect(logged.join('')).not.toContain(SECRET);
          expect(Object.hasOwn(Object.prototype, 'code')).toBe(false);
        }),
        { numRuns: 5_000 },
      );
      // The property would hold for a client that never understands anything, too.
      expect(good).toBeGreaterThan(50);
    },
    PATIENCE,
  );

  it(
    'is answered over HTTP with the field or one error',
    async () => {
      let raw = Buffer.alloc(0);
      const origin = await listen(({ socket }) => {
        socket.on('error', () => undefined);
        socket.end(raw);
      });
      const { query, clock } = await startStack({
        SUPERMETRICS_API_URL: `${origin}/v1`,
        UPSTREAM_TIMEOUT_MS: '5000',
      });
      await fc.assert(
        fc.asyncProperty(bodies, statuses, async (bytes, status) => {
          const bodiless = status < 200 || status === 204 || status === 304;
          raw = Buffer.concat([
            Buffer.from(`HTTP/1.1 ${status} X\r\ncontent-length: ${bodiless ? 0 : bytes.length}\r\n\r\n`),
            bodiless ? Buffer.alloc(0) : bytes,
          ]);
          // What one run did to the circuit, the gate and the cache is over by the next.
          clock.advance(1_000_000);
          const result = await query('{ backfill(id: "17") { id status createdTime } }', { token: SECRET });
          checkResult(result, status);
        }),
        { numRuns: 300 },
      );
    },
    PATIENCE,
  );
});

function checkResult({ status: httpStatus, data, errors, body }: Result, status: number): void {
  expect(httpStatus).toBe(200);
  expect(body).not.toContain(SECRET);
  if (errors === undefined) {
    expect(status).toBe(200);
    expect(data).toEqual({
      backfill: {
        id: '17',
        status: expect.stringMatching(/^(CREATED|SCHEDULED|RUNNING|FAILED|COMPLETED|CANCELLED|UNKNOWN)$/),
        createdTime: expect.stringMatching(/^\S+Z$/),
      },
    });
    return;
  }
  expect(data).toEqual({ backfill: null });
  expect(errors).toHaveLength(1);
  const extensions = errors[0]?.extensions;
  // 1xx is no answer: with it, the connection ends without one.
  if (status < 200) expect(extensions?.code).toBe('UPSTREAM_UNAVAILABLE');
  else expect(codesFor(status) ?? [...CODES]).toContain(extensions?.code);
  if (status >= 500)
    expect(JSON.stringify(extensions?.upstream ?? {}).replace(/"requestId":"[\w-]*"/, '')).not.toContain(
      MARK,
    );
}

describe('any id', () => {
  const ids = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.string({ unit: 'grapheme', maxLength: 30 }),
    fc.constantFrom(
      '..',
      '1/../2',
      '1%2f2',
      '1?x=1',
      '1#',
      '1;',
      ' 1',
      '1 ',
      '+1',
      '1e3',
      '0x1',
      '１',
      '1\n',
      '1\u0000',
    ),
    fc.integer({ min: 1, max: 5000 }).map((length) => '9'.repeat(length)),
    fc.bigInt({ min: 0n, max: 2n ** 64n }).map(String),
    fc.tuple(fc.maxSafeNat(), fc.string({ maxLength: 3 })).map(([digits, rest]) => `${digits}${rest}`),
  );

  it(
    'is refused without a call, or is a part of exactly one path',
    async () => {
      const paths: (string | undefined)[] = [];
      const origin = await listen((request, response) => {
        paths.push(request.url);
        response.writeHead(404).end('{"error":{"code":"NOT_FOUND"}}');
      });
      const { query } = await startStack({ SUPERMETRICS_API_URL: `${origin}/v1`, CACHE_TTL_MS: '0' });
      await fc.assert(
        fc.asyncProperty(fc.oneof(ids, fc.constant('1')), ids, async (teamId, backfillId) => {
          paths.length = 0;
          const { status, data, errors } = await query(
            'query ($t: ID, $b: ID!) { backfill(teamId: $t, id: $b) { id } }',
            { variables: { t: teamId, b: backfillId } },
          );
          expect(status).toBe(200);
          expect(data).toEqual({ backfill: null });
          const fits = [teamId, backfillId].every(
            (text) => /^[1-9]\d*$/.test(text) && BigInt(text) < 2n ** 63n,
          );
          expect(errors?.map(({ extensions }) => extensions.code)).toEqual([
            fits ? 'NOT_FOUND' : 'BAD_USER_INPUT',
          ]);
          expect(paths).toEqual(fits ? [`/v1/teams/${teamId}/backfills/${backfillId}`] : []);
        }),
        { numRuns: 500 },
      );
    },
    PATIENCE,
  );
});

describe('any two reads that differ in credential, team, resource or id', () => {
  interface Read {
    readonly token: string;
    readonly resource: 'backfill' | 'latest';
    readonly team: ResourceId;
    readonly id: ResourceId;
  }
  // Few, and such as could run into each other where they are put together.
  const few = fc.constantFrom('1', '11', '111', '12', '2', '21', '9223372036854775807').map(id);
  const tokens = fc.oneof(
    fc.constantFrom('a', 'aa', 'A', 'a/1', 'a.1', 'a.0', 'a/1/backfill/1', '/', '.', 'Bearer'),
    fc.stringMatching(/^[\x21-\x7e]{1,20}$/),
  );
  const reads: fc.Arbitrary<Read> = fc.record({
    token: tokens,
    resource: fc.constantFrom('backfill', 'latest'),
    team: few,
    id: few,
  });
  /** Says of a record for whom and what it was made. */
  const proofOf = (token: string, team: ResourceId, resource: string, key: ResourceId): string =>
    createHash('sha256')
      .update(JSON.stringify([token, team, resource, key]))
      .digest('hex');

  it(
    'never get the answer of one another',
    async () => {
      const made = (caller: Caller, team: ResourceId, resource: string, key: ResourceId): BackfillRecord => ({
        ...backfillRecord.parse(RECORD),
        // Its own for each transfer, or a latest read would rightly answer reads by id.
        transfer_backfill_id: resource === 'backfill' ? key : id(`9000${key.slice(0, 15)}`),
        status: proofOf(caller.credential.token, team, resource, key),
      });
      const fake: BackfillsClient = {
        getBackfill: (caller, team, key) => Promise.resolve(made(caller, team, 'backfill', key)),
        getLatestBackfill: (caller, team, key) => Promise.resolve(made(caller, team, 'latest', key)),
        listIncompleteBackfills: (caller, team) =>
          Promise.resolve({
            isWhole: true,
            // Older than any that is the latest of its transfer.
            records: listed.map((key) => ({
              ...made(caller, team, 'backfill', key),
              created_time: '1999-01-01T00:00:00Z',
            })),
          }),
      };
      let listed: readonly ResourceId[] = [];
      const metrics = createMetrics();
      await fc.assert(
        fc.asyncProperty(
          fc.array(reads, { minLength: 2, maxLength: 12 }),
          fc.nat(11),
          async (all, refused) => {
            const clock = createManualClock();
            const credentials = createCredentials();
            const governor = createGovernor(clock, { finalTtlMs: 60_000 });
            listed = all.filter((_, index) => index % 2 === 0).map(({ id: key }) => key);
            const client = createBackfills({
              client: fake,
              admit: createAdmission({ credentials, gate: createRetryAfterGate(clock), governor }),
              lifetimes: createFreshness({ ttlMs: 2_000, finalTtlMs: 60_000 }, governor),
              clock,
              log: createLog('silent'),
              metrics,
              maxEntries: 100,
              staleMs: 300_000,
              timeoutMs: 1_000,
            });
            const answer = async ({ token, resource, team, id: key }: Read): Promise<string | undefined> => {
              const credential = credentials.parse(`Bearer ${token}`);
              if (credential === undefined) throw new Error(`${token} is no token`);
              const reader: ReadContext = {
                caller: { credential, requestId: 'fuzz', traceparent: undefined },
                mode: { kind: 'fresh' },
                cost: new OperationCost(100),
              };
              const found = await (resource === 'backfill'
                ? client.backfill(reader, team, key)
                : client.latestBackfill(reader, team, key));
              expect(found?.teamId).toBe(team);
              return found?.record.status;
            };
            const expected = all.map(({ token, team, resource, id: key }) =>
              proofOf(token, team, resource, key),
            );
            // All at once, which shares loads, and one after another, which shares what is kept.
            expect(await Promise.all(all.map(answer))).toEqual(expected);
            const one = credentials.parse(`Bearer ${all[refused % all.length]?.token ?? ''}`);
            if (one !== undefined) credentials.refuse(one);
            for (const [n, read] of all.entries()) expect(await answer(read)).toBe(expected[n]);
          },
        ),
        { numRuns: 1_000 },
      );
    },
    PATIENCE,
  );
});

describe('parseJson', () => {
  /** Whether a JavaScript number says exactly what the digits say. */
  const exact = (value: unknown): unknown => {
    if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value) ? 0 : value;
    if (Array.isArray(value)) return value.map(exact);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, exact(item)]));
  };
  const outcome = (parse: (text: string) => unknown, text: string): unknown => {
    try {
      return { value: parse(text) };
    } catch (error) {
      return error instanceof SyntaxError ? 'SyntaxError' : error;
    }
  };
  const LONG = '12345678901234567890';

  it('agrees with JSON.parse wherever a number can hold what is written, with long digits elsewhere or not', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 }).map(exact),
        fc.nat(4),
        (value, space) => {
          const text = JSON.stringify(value, null, space);
          expect(parseJson(text)).toEqual(JSON.parse(text));
          expect(parseJson(`[${text},"${LONG}"]`)).toEqual([JSON.parse(text), LONG]);
          expect(parseJson(`[${LONG},${text}]`)).toEqual([LONG, JSON.parse(text)]);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('takes for JSON what JSON.parse does, and the same for the value of a key that comes twice', () => {
    const tokens = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"',
        '\\',
        '0',
        '12',
        '-',
        '.',
        'e',
        '+',
        ' ',
        '\t',
        '\n',
        'true',
        'null',
      ],
      ...[
        '"a"',
        '"a":',
        '"a":1,',
        '"__proto__":',
        '"\\u0061":',
        '\u00a0',
        '\ufeff',
        '\u2028',
        '\u0000',
        '\ud800',
      ],
    );
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        expect(outcome(parseJson, text)).toEqual(outcome(JSON.parse, text));
        const long = `[${text},"${LONG}"]`;
        expect(outcome(parseJson, long)).toEqual(outcome(JSON.parse, long));
        const object = `{"a":[${text}],"a":"last","b":"${LONG}"}`;
        expect(outcome(parseJson, object)).toEqual(outcome(JSON.parse, object));
      }),
      { numRuns: 10_000 },
    );
  });

  it('keeps every integer exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), (integer) => {
        expect(String(parseJson(`{"id":${integer}}`.replace(/^.*:|}$/g, '')))).toBe(String(integer));
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('toUtc', () => {
  const two = (value: number): string => String(value).padStart(2, '0');
  const moments = fc.date({
    min: new Date('0001-01-03T00:00:00Z'),
    max: new Date('9999-12-28T00:00:00Z'),
    noInvalidDate: true,
  });
  const offsets = fc.oneof(
    fc.constantFrom(0, 0, 330, -210),
    fc.integer({ min: -(23 * 60 + 59), max: 23 * 60 + 59 }),
  );
  const styles = fc.record({
    separator: fc.constantFrom('T', 't', ' '),
    zulu: fc.constantFrom('Z', 'z', '+00:00', '-00:00', '+0000'),
    colon: fc.boolean(),
    fraction: fc.constantFrom('none', 'short', 'milliseconds', 'nanoseconds'),
  });

  it('denotes the same moment as what it was given, in any valid form', () => {
    fc.assert(
      fc.property(moments, offsets, styles, (date, offset, { separator, zulu, colon, fraction }) => {
        const moment = fraction === 'none' ? new Date(Math.floor(date.getTime() / 1000) * 1000) : date;
        const local = new Date(moment.getTime() + offset * 60_000).toISOString();
        const digits =
          fraction === 'none'
            ? ''
            : fraction === 'short'
              ? local.slice(19, 23).replace(/0+$/, '').replace(/\.$/, '')
              : local.slice(19, 23) + (fraction === 'nanoseconds' ? '999999' : '');
        const distance = Math.abs(offset);
        const zone =
          offset === 0
            ? zulu
            : `${offset < 0 ? '-' : '+'}${two(Math.floor(distance / 60))}${colon ? ':' : ''}${two(distance % 60)}`;
        const utc = toUtc(`${local.slice(0, 10)}${separator}${local.slice(11, 19)}${digits}${zone}`) ?? '';
        expect(utc).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/);
        expect(Date.parse(utc)).toBe(moment.getTime());
        expect(toUtc(utc)).toBe(utc);
      }),
      { numRuns: 5_000 },
    );
  });

  it('takes nothing that is no moment, and never throws', () => {
    const near = fc
      .array(fc.constantFrom('0', '1', '2', '3', '9', '-', ':', 'T', 'Z', '.', '+', ' '), { maxLength: 25 })
      .map((parts) => parts.join(''));
    // The 24th hour, which RFC 3339 does not have, is taken for the first of the next day.
    const hours = fc.nat(25).filter((hour) => hour !== 24);
    const calendar = fc
      .tuple(fc.nat(9999), fc.nat(14), fc.nat(32), hours, fc.nat(61), fc.nat(61))
      .map(([year, ...rest]) => {
        const [month = '', day = '', ...time] = rest.map(two);
        return `${String(year).padStart(4, '0')}-${month}-${day}T${time.join(':')}Z`;
      });
    fc.assert(
      fc.property(fc.oneof(near, calendar, fc.string({ unit: 'binary' })), (text) => {
        const utc = toUtc(text);
        if (utc === undefined) return;
        expect(new Date(utc).toISOString().replace('.000Z', 'Z')).toBe(utc);
        // Whatever day was named is the day that is meant.
        if (text.endsWith('Z') && text.length === 20)
          expect(utc.slice(0, 19)).toBe(text.slice(0, 19).replace(' ', 'T'));
      }),
      { numRuns: 10_000 },
    );
  });
});

describe('isResourceId', () => {
  it('takes int64 from 1 and nothing else', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.bigInt({ min: -5n, max: 2n ** 65n }).map(String), fc.string({ unit: 'binary' })),
        (text) => {
          const digits = /^(0|[1-9]\d*)$/.test(text) ? BigInt(text) : 0n;
          expect(isResourceId(text)).toBe(digits > 0n && digits < 2n ** 63n);
        },
      ),
      { numRuns: 5_000 },
    );
  });
});

describe('an UpstreamError of any kind', () => {
  it('has a row in the table', () => {
    for (const kind of ['unavailable', 'timeout', 'tooManyCalls'] as const) {
      expect(toPublicError(new UpstreamError(kind, 'why')).extensions['code']).not.toBe(
        'INTERNAL_SERVER_ERROR',
      );
    }
  });
});
