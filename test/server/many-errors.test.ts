import { describe, expect, it, onTestFinished } from 'vitest';
import { envelope, type FaultAnswer } from '../../src/sandbox/faults.ts';
import { codesOf, startStack } from '../harness.ts';

const IDS = Array.from({ length: 20 }, (_, n) => String(n + 1));
const PAGE = `{ transfers(ids: ${JSON.stringify(IDS)}) { latestBackfill { id } } }`;

const refusal = (
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): FaultAnswer => ({
  kind: 'status',
  status,
  headers,
  body: envelope(code, 'Some message', 'Some description'),
});

describe('a failure that all reads of a credential share', () => {
  it.each([
    ['401', 'UNAUTHENTICATED', refusal(401, 'API_KEY_INVALID')],
    ['403', 'FORBIDDEN', refusal(403, 'ACCESS_DENIED')],
    ['429', 'RATE_LIMITED', refusal(429, 'TOO_MANY_REQUESTS', { 'retry-after': '60' })],
    ['a row quota', 'QUOTA_EXCEEDED', refusal(429, 'API_ROW_QUOTA_EXCEEDED')],
    ['503', 'UPSTREAM_UNAVAILABLE', refusal(503, 'SERVICE_UNAVAILABLE')],
  ] as const)(
    'is told whole once for %s, and its repeats say what clients branch on',
    async (_name, code, answer) => {
      const { sandbox, query } = await startStack();
      sandbox.faults.add({ when: {}, times: Infinity, answer });
      const { data, errors = [] } = await query(PAGE, { headers: { 'x-request-id': 'the-request' } });
      expect(data).toEqual({ transfers: IDS.map(() => ({ latestBackfill: null })) });
      expect(errors.map(({ path }) => path?.[1]).sort()).toEqual(IDS.map((_, n) => n).sort());
      const [first, ...repeats] = errors;
      expect(first?.extensions).toMatchObject({ code, requestId: 'the-request' });
      // The status of the REST API, or the seconds until it is asked again.
      expect(Object.keys(first?.extensions ?? {}).length).toBeGreaterThan(3);
      for (const { message, extensions } of repeats) {
        expect(message).toBe(first?.message);
        expect(extensions).toEqual({
          code,
          retryable: first?.extensions.retryable,
          requestId: 'the-request',
        });
      }
    },
  );

  it('is told whole again in the next answer', async () => {
    const { sandbox, query } = await startStack();
    sandbox.faults.add({ when: {}, times: Infinity, answer: refusal(403, 'ACCESS_DENIED') });
    for (let n = 0; n < 2; n++) {
      const { errors } = await query(PAGE);
      expect(errors?.[0]?.extensions).toHaveProperty('upstream');
    }
  });
});

describe('the errors of a page of 100 rows', () => {
  const ids = Array.from({ length: 100 }, (_, n) => String(n + 1));
  const text = 'query ($ids: [ID!]!) { transfers(ids: $ids) { id latestBackfill { id status } } }';

  it.each([
    ['a refused credential', refusal(401, 'API_KEY_INVALID')],
    ['a refused team', refusal(403, 'ACCESS_DENIED')],
    ['a rate limit', refusal(429, 'TOO_MANY_REQUESTS', { 'retry-after': '60' })],
    ['a rate limit that names no time', refusal(429, 'TOO_MANY_REQUESTS')],
    ['a row quota', refusal(429, 'API_ROW_QUOTA_EXCEEDED')],
    ['an open circuit', refusal(503, 'SERVICE_UNAVAILABLE')],
    ['an upstream that hangs', { kind: 'hang' }],
    ['connections that break', { kind: 'reset', at: 'before-headers' }],
  ] as const)('repeat no more than code, retryable and requestId: %s', async (_name, answer) => {
    const { sandbox, query } = await startStack({ UPSTREAM_TIMEOUT_MS: '300' });
    sandbox.faults.add({ when: {}, times: Infinity, answer });
    const { errors = [] } = await query(text, { variables: { ids } });
    expect(errors).toHaveLength(100);
    for (const { extensions } of errors.slice(1)) {
      expect(Object.keys(extensions).sort()).toEqual(['code', 'requestId', 'retryable']);
    }
    expect(JSON.stringify(errors).length).toBeLessThan(28_000);
  });

  it('name each call that the REST API answered with 500, since each failed by itself, and are small all the same', async () => {
    const { sandbox, query } = await startStack();
    sandbox.faults.add({ when: {}, times: Infinity, answer: { kind: 'status', status: 500 } });
    const { errors = [] } = await query(text, { variables: { ids } });
    expect(new Set(errors.map(({ extensions }) => extensions.upstream?.requestId)).size).toBe(100);
    expect(JSON.stringify(errors).length).toBeLessThan(37_000);
  });
});

describe('a failure of one read', () => {
  it('is told whole each time', async () => {
    const { sandbox, query } = await startStack();
    sandbox.faults.add({ when: {}, times: Infinity, answer: refusal(400, 'INVALID_PARAMETER') });
    const { errors = [] } = await query(PAGE);
    expect(errors).toHaveLength(IDS.length);
    for (const { extensions } of errors) expect(extensions).toHaveProperty('upstream');
  });
});

describe('an answer with more than 5,000 errors', () => {
  const representations = (length: number, id: unknown): unknown[] =>
    Array.from({ length }, () => ({ __typename: 'Transfer', teamId: '1', id }));

  it('is one error that names the first, and the log has the codes of both', async () => {
    const { sandbox, logLines, query } = await startStack();
    sandbox.faults.add({ when: { id: '5' }, times: Infinity, answer: refusal(403, 'ACCESS_DENIED') });
    const text = `query ($r: [_Any!]!) {
      _entities(representations: $r) { ... on Transfer { a: latestBackfill { id } b: latestBackfill { id } } }
    }`;
    const { status, data, errors, body } = await query(text, {
      variables: { r: representations(2_501, '5') },
    });
    expect([status, data]).toEqual([200, null]);
    expect(errors).toMatchObject([
      {
        message: expect.stringContaining('may hold 5000; the first: This credential may not read'),
        extensions: { code: 'REQUEST_LIMIT_EXCEEDED', retryable: false, requestId: expect.any(String) },
      },
    ]);
    expect(body.length).toBeLessThan(1_000);
    expect(logLines.filter(({ msg }) => msg === 'request')).toMatchObject([
      { codes: ['FORBIDDEN', 'REQUEST_LIMIT_EXCEEDED'] },
    ]);
  });

  it('is not one with 5,000', async () => {
    const { query } = await startStack();
    const text = 'query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }';
    const answer = await query(text, { variables: { r: representations(5_000, 'x') } });
    expect(codesOf(answer)).toEqual(Array.from({ length: 5_000 }, () => 'BAD_USER_INPUT'));
  });
});

describe('an error that is no bug', () => {
  it('has no stack written out, however many there are', async () => {
    const { sandbox, query } = await startStack({ MAX_UPSTREAM_CALLS_PER_OPERATION: '1' });
    sandbox.faults.add({ when: {}, times: Infinity, answer: refusal(403, 'ACCESS_DENIED') });
    let written = 0;
    const { prepareStackTrace } = Error;
    onTestFinished(() => {
      Error.prepareStackTrace = prepareStackTrace;
    });
    Error.prepareStackTrace = (error) => {
      written++;
      return String(error);
    };
    const text = `query ($r: [_Any!]!) {
      _entities(representations: $r) { ... on Transfer { latestBackfill { id } } }
    }`;
    // Malformed, refused by the REST API, and beyond the limit of calls.
    const r = Array.from({ length: 300 }, (_, n) => ({
      __typename: 'Transfer',
      id: n % 3 === 0 ? 'x' : String(n),
    }));
    expect((await query(text, { variables: { r } })).errors).toHaveLength(300);
    expect(written).toBeLessThan(50);
  });
});
