import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toPublicError } from '../../../src/graphql/errors.ts';
import { createLog } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { parseCredential } from '../../../src/upstream/credentials.ts';
import { type Caller, createBackfillsClient } from '../../../src/upstream/rest/client.ts';
import type { HttpResponse } from '../../../src/upstream/transport/http.ts';
import { createManualClock, type Result, startStack } from '../../harness.ts';
import { serve } from '../../support/serve.ts';
import { id, readOf, RECORD } from '../../support/records.ts';

/** Longer than a property takes on a busy machine. */
const PATIENCE = 60_000;
const SECRET = 'SECRET_TOKEN_1';
const HOST = 'rest.internal:8443';
/** Part of every text of the upstream, so that it shows if any of that text is passed on. */
const MARK = 'uPsTrEaM';

/** The codes of the contract's table that an HTTP response of the upstream can lead to. */
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
/** Statuses that decide the code by themselves, whatever the body is. */
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

/** JSON whose keys include those that matter and those of prototypes. */
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

/** JSON text. A bigint becomes a bare integer. */
function write(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, item]) => `${JSON.stringify(key)}:${write(item)}`)
    .join(',')}}`;
}

/** A good body with up to three of its fields replaced or removed. */
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
/** A body with some of its characters replaced or removed. */
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
/** Every status, the usual ones more often. */
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
  // A header that is sent more than once is a list.
  fc.oneof(headerTexts, fc.array(headerTexts, { minLength: 2, maxLength: 3 })),
  { maxKeys: 3 },
);

function callerWith(authorization: string): Caller {
  const credential = parseCredential(authorization);
  if (credential === undefined) throw new Error('no credential');
  return { credential, requestId: 'fuzz', traceparent: undefined };
}

/** Checks what a client may rely on in an error, and what an error may never contain. */
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
  expect(upstream.code ?? 'NONE').toMatch(/^[A-Z][A-Z0-9_]{0,63}$/);
  if (status >= 500) expect(upstream).not.toHaveProperty('description');
  expect(upstream.description?.length ?? 0).toBeLessThanOrEqual(2048);
  const shown = JSON.stringify({ message, extensions });
  expect(shown).not.toContain(SECRET);
  expect(shown).not.toContain(HOST);
  if (status >= 500) expect(shown.replace(/"requestId":"[\w-]*"/, '')).not.toContain(MARK);
}

const OPTIONS = { timeoutMs: 1_000, cause: 'read', isAccepted: true, onExchange: () => undefined } as const;

describe('any HTTP response of the upstream', () => {
  it(
    'is data of the right shape, or one error of the table without anything secret',
    async () => {
      const clock = createManualClock();
      let answer: HttpResponse = { status: 200, headers: {}, text: '' };
      const logged: string[] = [];
      const client = createBackfillsClient({
        http: {
          get: () => Promise.resolve(answer),
          send: () => Promise.resolve(answer),
          isAtEase: () => true,
          usualMs: () => 0,
          load: () => ({ running: 0, waiting: 0, circuitClosed: true }),
          circuits: () => ({ all: 'closed', ownOpen: 0 }),
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
          const record = await client
            .getBackfill(caller, id('1'), id('17'), OPTIONS)
            .catch((error: unknown) => {
              checkError(error, status);
            });
          if (record !== undefined) {
            good++;
            expect(status).toBe(200);
            expect(record.transfer_backfill_id).toBe('17');
            // The parsed record has the documented shape itself, and parsing it again changes nothing.
            expect(readOf(record)).toEqual(record);
          }
          expect(logged.join('')).not.toContain(SECRET);
          expect(Object.hasOwn(Object.prototype, 'code')).toBe(false);
        }),
        { numRuns: 5_000 },
      );
      // Without this the property would hold for a client that rejects everything.
      expect(good).toBeGreaterThan(50);
    },
    PATIENCE,
  );

  it(
    'becomes the field or one error in the GraphQL result',
    async () => {
      let raw = Buffer.alloc(0);
      const origin = await serve(({ socket }) => {
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
          // By then the circuit breaker, the retry-after gate and the cache have forgotten the run before.
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
  // 1xx is not a final HTTP response: the connection ends without one.
  if (status < 200) expect(extensions?.code).toBe('UPSTREAM_UNAVAILABLE');
  else expect(codesFor(status) ?? [...CODES]).toContain(extensions?.code);
  if (status >= 500)
    expect(JSON.stringify(extensions?.upstream ?? {}).replace(/"requestId":"[\w-]*"/, '')).not.toContain(
      MARK,
    );
}
