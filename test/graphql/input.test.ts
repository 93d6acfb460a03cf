import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codesOf, startStack } from '../harness.ts';
import { serve } from '../support/serve.ts';

const RULE = 'a whole number from 1 to 9223372036854775807, without sign or leading zeros';

const BAD_IDS = [
  '../1',
  '1?x',
  '1#x',
  '1/2',
  '%31',
  '0',
  '-1',
  '+1',
  '01',
  '1.0',
  '1e3',
  '0x10',
  ' 1',
  '1 ',
  '1\n',
  '',
  'latest',
  '9223372036854775808',
  '9'.repeat(400),
  '١٢٣',
  '１２',
  '12\u0000',
];

describe('a malformed id', () => {
  it.each(BAD_IDS)('%j is refused in every argument, by name and without an upstream call', async (bad) => {
    const { sandbox, query } = await startStack();
    const places = [
      { text: 'query ($bad: ID!) { backfill(id: $bad) { id } }', name: 'The argument "id"' },
      {
        text: 'query ($bad: ID!) { transfer(id: $bad) { latestBackfill { id } } }',
        name: 'The argument "id"',
      },
      { text: 'query ($bad: ID!) { backfill(id: "1", teamId: $bad) { id } }', name: 'The argument "teamId"' },
      {
        text: 'query ($bad: ID!) { transfers(ids: ["1", $bad]) { latestBackfill { id } } }',
        name: 'Each id in the argument "ids"',
      },
    ];
    for (const { text, name } of places) {
      const answer = await query(text, { variables: { bad } });
      expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
      expect(answer.errors?.[0]?.message).toContain(`${name} must be ${RULE}; got "`);
      expect(answer.errors?.[0]?.message.length).toBeLessThan(250);
    }
    expect(sandbox.calls.count()).toBe(0);
  });

  it.each(['../1', '1?x', '0', '-1', '01', '9223372036854775808', '9'.repeat(400), '1,2'])(
    '%j is refused as the header X-Team-Id',
    async (bad) => {
      const { sandbox, query } = await startStack();
      const { errors } = await query('{ backfill(id: "1") { id } }', { team: bad });
      expect(errors).toMatchObject([
        {
          extensions: { code: 'BAD_USER_INPUT' },
          message: expect.stringContaining('The header X-Team-Id must be'),
        },
      ]);
      expect(sandbox.calls.count()).toBe(0);
    },
  );

  it('is named with its place in a list, if several are malformed each of them', async () => {
    const { query } = await startStack();
    const { errors } = await query('{ transfers(ids: ["1", "x", "2", ""]) { id } }');
    expect(errors?.[0]?.message).toBe(
      `Each id in the argument "ids" must be ${RULE}; got "x" at index 1, "" at index 3.`,
    );
  });

  it('is ignored in the header if the argument names the team', async () => {
    const { query } = await startStack();
    expect(
      (await query('{ transfer(id: "1", teamId: "7") { teamId } }', { team: 'x' })).errors,
    ).toBeUndefined();
  });
});

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

  it('is refused without a call, or appears in exactly one path', async () => {
    const paths: (string | undefined)[] = [];
    const origin = await serve((request, response) => {
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
  }, 60_000);
});

describe('an id as a number', () => {
  it('is exact in the query, whatever its size', async () => {
    const { sandbox, query } = await startStack();
    await query('{ a: backfill(id: 9007199254740993) { id } b: backfill(id: 9223372036854775807) { id } }');
    expect(sandbox.calls.all.flatMap(({ id }) => id ?? [])).toEqual([
      '9007199254740993',
      '9223372036854775807',
    ]);
  });

  it('is taken in variables up to 2^53', async () => {
    const { sandbox, query } = await startStack();
    await query('query ($id: ID!) { backfill(id: $id) { id } }', { variables: { id: 9007199254740991 } });
    expect(sandbox.calls.all.map(({ id }) => id)).toEqual(['9007199254740991']);
  });

  it('is refused in variables beyond 2^53, where JSON readers round it', async () => {
    const { sandbox, query } = await startStack();
    const single = await query('query ($id: ID!) { backfill(id: $id) { id } }', {
      variables: { id: 9007199254740992 },
    });
    const listed = await query('query ($ids: [ID!]!) { transfers(ids: $ids) { id } }', {
      variables: { ids: ['1', 1e19] },
    });
    expect(single.errors?.[0]?.message).toBe(
      'Variable "$id" is a number beyond 2^53, which JSON readers round; send it as a string.',
    );
    expect(listed.errors?.[0]?.message).toContain('Variable "$ids.1" is a number beyond 2^53');
    expect([...codesOf(single), ...codesOf(listed)]).toEqual(['BAD_USER_INPUT', 'BAD_USER_INPUT']);
    expect(sandbox.calls.count()).toBe(0);
  });

  it.each([1.5, -3, 0])('%d is refused', async (id) => {
    const { sandbox, query } = await startStack();
    expect(
      codesOf(await query('query ($id: ID!) { backfill(id: $id) { id } }', { variables: { id } })),
    ).toEqual(['BAD_USER_INPUT']);
    expect(sandbox.calls.count()).toBe(0);
  });
});

describe('more than 100 ids', () => {
  it('are refused with the limit and the number, without an upstream call', async () => {
    const { sandbox, query } = await startStack();
    const ids = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n + 1));
    const text = 'query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { id } } }';
    const tooMany = await query(text, { variables: { ids: ids(101) } });
    expect(tooMany.errors).toMatchObject([
      {
        message: 'The argument "ids" takes at most 100 ids; got 101.',
        extensions: { code: 'BAD_USER_INPUT' },
      },
    ]);
    expect(sandbox.calls.count()).toBe(0);
    expect((await query(text, { variables: { ids: ids(100) } })).errors).toBeUndefined();
  });
});

describe('a missing team', () => {
  it('is BAD_USER_INPUT with a message that names the argument and the header', async () => {
    const { sandbox, query } = await startStack();
    const { errors } = await query('{ backfill(id: "1") { id } }', { team: null });
    expect(errors).toMatchObject([
      {
        message: 'No team: send the header X-Team-Id or the argument "teamId".',
        extensions: { code: 'BAD_USER_INPUT' },
      },
    ]);
    expect(sandbox.calls.count()).toBe(0);
  });
});

describe('a credential', () => {
  const operations = [
    '{ backfill(id: "1") { id } }',
    '{ transfer(id: "1") { id } }',
    '{ transfers(ids: ["1"]) { latestBackfill { id } } }',
  ];

  it('is required: without one the error is UNAUTHENTICATED, without an upstream call', async () => {
    const { sandbox, query } = await startStack();
    for (const text of operations) {
      const { errors, status } = await query(text, { token: null });
      expect(errors).toMatchObject([
        {
          message: 'No credential: send the header "Authorization: Bearer <token>".',
          extensions: { code: 'UNAUTHENTICATED', retryable: false },
        },
      ]);
      expect(status).toBe(200);
    }
    expect(sandbox.calls.count()).toBe(0);
  });

  it.each([
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Bearer a\tb',
    'Bearer tök',
    'Basic dXNlcjpwYXNz',
    'token',
    'Bearer a, Bearer b',
  ])('%j is UNAUTHENTICATED without an upstream call and is not repeated', async (authorization) => {
    const { sandbox, query, logLines } = await startStack();
    for (const text of operations) {
      const answer = await query(text, { token: null, headers: { authorization } });
      expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
      expect(answer.errors?.[0]?.message).toContain('must be "Bearer <token>"');
      expect(answer.body).not.toContain('dXNlcjpwYXNz');
    }
    expect(JSON.stringify(logLines)).not.toContain('dXNlcjpwYXNz');
    expect(sandbox.calls.count()).toBe(0);
  });

  it('is forwarded as it came, whatever the case of its scheme', async () => {
    const { sandbox, query } = await startStack();
    await query('{ backfill(id: "1") { id } }', {
      token: null,
      headers: { authorization: 'bearer sandbox-full' },
    });
    expect(sandbox.calls.all.map(({ authorization }) => authorization)).toEqual(['bearer sandbox-full']);
  });

  it('is not required for the schema and __typename', async () => {
    const { query } = await startStack();
    const { data, errors } = await query('{ __typename __schema { queryType { name } } }', {
      token: null,
      team: null,
    });
    expect(errors).toBeUndefined();
    expect(data).toEqual({ __typename: 'Query', __schema: { queryType: { name: 'Query' } } });
  });
});
