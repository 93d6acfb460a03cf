import { describe, expect, it } from 'vitest';
import { envelope } from '../../src/sandbox/faults.ts';
import { overWebSocket } from '../support/streams.ts';
import { codesOf, createLatch, type Result, type Stack, startStack, TOKEN } from '../harness.ts';

const CREATE = `mutation ($input: CreateBackfillInput!) {
  createBackfill(input: $input) { id teamId status rangeStartDate rangeEndDate isStale transfer { id latestBackfill { id } } }
}`;
const CANCEL = 'mutation ($id: ID!) { cancelBackfill(id: $id) { id status removedUserId } }';
const JANUARY = { transferId: '5', rangeStartDate: '2026-01-01', rangeEndDate: '2026-01-31' };
const latestOf = (transferId: string): string =>
  `{ transfer(id: "${transferId}") { latestBackfill { id status } } }`;

function create(
  stack: Stack,
  input: Readonly<Record<string, unknown>> = JANUARY,
  options = {},
): Promise<Result> {
  return stack.query(CREATE, { variables: { input }, ...options });
}

function createdId({ data }: Result): string {
  return (data as { createBackfill: { id: string } }).createBackfill.id;
}

/** A stack whose team 1 has the transfer 5. */
async function withTransfer(env: Readonly<Record<string, string>> = {}): Promise<Stack> {
  const stack = await startStack(env);
  stack.world.addTransfer('1', '5');
  return stack;
}

function writesIn({ logLines }: Stack): readonly Readonly<Record<string, unknown>>[] {
  return logLines.filter(({ msg }) => msg === 'write');
}

describe('createBackfill', () => {
  it('creates a backfill by one call, and answers it as the latest of its transfer', async () => {
    const stack = await withTransfer();
    const result = await create(stack);
    expect(result.errors).toBeUndefined();
    const id = createdId(result);
    expect(result.data).toEqual({
      createBackfill: {
        id,
        teamId: '1',
        status: 'CREATED',
        rangeStartDate: '2026-01-01',
        rangeEndDate: '2026-01-31',
        isStale: false,
        transfer: { id: '5', latestBackfill: { id } },
      },
    });
    expect(stack.sandbox.calls.count('createBackfill')).toBe(1);
    const [call] = stack.sandbox.calls.all;
    expect(call).toMatchObject({
      method: 'POST',
      authorization: `Bearer ${TOKEN}`,
      requestId: result.headers.get('x-request-id'),
      headers: { 'content-type': 'application/json' },
    });
    expect(result.headers.get('cache-control')).toBe('no-store');
  });

  it.each([
    ['2026-02-30', '2026-03-01', /"rangeStartDate" must be a date of the calendar/],
    ['2026-01-01', '2026-1-31', /"rangeEndDate" must be a date of the calendar.*"2026-1-31"/],
    ['2026-01-01T00:00:00Z', '2026-01-31', /"rangeStartDate"/],
    [20260101, '2026-01-31', /"rangeStartDate"/],
    ['2026-02-01', '2026-01-31', /must not be before "rangeStartDate"; got 2026-02-01 to 2026-01-31/],
  ])('refuses the range %s to %s without a call', async (rangeStartDate, rangeEndDate, message) => {
    const stack = await withTransfer();
    const result = await create(stack, { transferId: '5', rangeStartDate, rangeEndDate });
    expect(codesOf(result)).toEqual(['BAD_USER_INPUT']);
    expect(result.errors?.[0]?.message).toMatch(message);
    expect(result.data).toEqual({ createBackfill: null });
    expect(stack.sandbox.calls.count()).toBe(0);
  });

  it('refuses an id that is none, and a caller without a credential, without a call', async () => {
    const stack = await withTransfer();
    expect(codesOf(await create(stack, { ...JANUARY, transferId: 'five' }))).toEqual(['BAD_USER_INPUT']);
    expect(codesOf(await create(stack, JANUARY, { team: null }))).toEqual(['BAD_USER_INPUT']);
    expect(codesOf(await create(stack, JANUARY, { token: null }))).toEqual(['UNAUTHENTICATED']);
    expect(stack.sandbox.calls.count()).toBe(0);
  });

  it('takes the team of the input before that of the header', async () => {
    const stack = await withTransfer();
    stack.world.addTransfer('2', '6');
    const result = await create(stack, { ...JANUARY, transferId: '6', teamId: '2' });
    expect(result.data).toMatchObject({ createBackfill: { teamId: '2' } });
  });

  it('passes on what only the REST API can judge, in its words', async () => {
    const stack = await withTransfer();
    const id = createdId(await create(stack));
    const result = await create(stack, { ...JANUARY, rangeStartDate: '2026-01-31' });
    expect(codesOf(result)).toEqual(['BAD_USER_INPUT']);
    expect(result.errors?.[0]?.extensions).toMatchObject({
      retryable: false,
      upstream: {
        status: 422,
        code: 'UNPROCESSABLE_ENTITY',
        description: `The date range overlaps with the active backfill ${id}.`,
      },
    });
  });

  it('is one call for identical creates under way, and each for others', async () => {
    const stack = await withTransfer();
    const latch = createLatch();
    stack.sandbox.faults.add({
      times: Infinity,
      when: { operation: 'createBackfill' },
      answer: { kind: 'hold', until: latch.opened },
    });
    stack.world.addToken('another', { teams: 'all', permissions: 'edit' });
    const same = [create(stack), create(stack, { ...JANUARY, teamId: '1' })];
    const others = [
      create(stack, { ...JANUARY, rangeEndDate: '2026-01-30' }),
      create(stack, JANUARY, { token: 'another' }),
    ];
    await expect.poll(() => stack.sandbox.calls.inFlight).toBe(3);
    latch.open();
    const [one, two] = (await Promise.all(same)).map(createdId);
    expect(one).toBe(two);
    await Promise.all(others);
    expect(stack.sandbox.calls.count('createBackfill')).toBe(3);
    expect(writesIn(stack).filter(({ shared }) => shared === true)).toHaveLength(1);
    // Once it has ended it is no more under way.
    expect(codesOf(await create(stack))).toEqual(['BAD_USER_INPUT']);
  });
});

describe('cancelBackfill', () => {
  it('cancels by one call, and readers see it from then on without another', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await stack.query(`{ backfill(id: "${id}") { status } transfer(id: "5") { latestBackfill { status } } }`);
    stack.clock.advance(1);
    const before = stack.sandbox.calls.count();
    const result = await stack.query(CANCEL, { variables: { id } });
    expect(result.data).toEqual({ cancelBackfill: { id, status: 'CANCELLED', removedUserId: '790' } });
    const read = await stack.query(
      `{ backfill(id: "${id}") { status } transfer(id: "5") { latestBackfill { id status } } }`,
    );
    expect(read.data).toEqual({
      backfill: { status: 'CANCELLED' },
      transfer: { latestBackfill: { id, status: 'CANCELLED' } },
    });
    expect(stack.sandbox.calls.count()).toBe(before + 1);
  });

  it('is a CONFLICT where the backfill has ended, and the next reader asks again', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await stack.query(`{ backfill(id: "${id}") { status } }`);
    stack.world.cancelBackfill('1', id);
    stack.clock.advance(1);
    const result = await stack.query(CANCEL, { variables: { id } });
    expect(codesOf(result)).toEqual(['CONFLICT']);
    expect(result.errors?.[0]).toMatchObject({
      message: 'The backfill has ended already, so it cannot be cancelled.',
      extensions: { retryable: false, upstream: { status: 422, code: 'CANNOT_CANCEL_BACKFILL' } },
    });
    stack.clock.advance(1);
    expect((await stack.query(`{ backfill(id: "${id}") { status } }`)).data).toEqual({
      backfill: { status: 'CANCELLED' },
    });
  });

  it('is NOT_FOUND where there is no such backfill, with a message of its own for each mutation', async () => {
    const stack = await withTransfer();
    const cancelled = await stack.query(CANCEL, { variables: { id: '99' } });
    const created = await create(stack, { ...JANUARY, transferId: '99' });
    expect([...codesOf(cancelled), ...codesOf(created)]).toEqual(['NOT_FOUND', 'NOT_FOUND']);
    expect(cancelled.errors?.[0]?.message).toMatch(/no such backfill/);
    expect(created.errors?.[0]?.message).toMatch(/no such transfer/);
  });
});

describe('a mutation', () => {
  it('is FORBIDDEN for a viewer, whose reads it does not harm', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const viewer = { token: 'sandbox-view' };
    stack.world.addToken(viewer.token, { teams: 'all', permissions: 'view' });
    const read = `{ backfill(id: "${id}") { status } }`;
    await stack.query(read, viewer);
    for (const transferId of ['5', '6', '7']) {
      const result = await create(stack, { ...JANUARY, transferId }, viewer);
      expect(codesOf(result)).toEqual(['FORBIDDEN']);
      expect(result.errors?.[0]?.message).toMatch(/may not create/);
    }
    expect(codesOf(await stack.query(CANCEL, { variables: { id }, ...viewer }))).toEqual(['FORBIDDEN']);
    // What was kept is given out, and what was not is read: no refusal is remembered.
    const calls = stack.sandbox.calls.count();
    expect((await stack.query(read, viewer)).data).toEqual({ backfill: { status: 'RUNNING' } });
    expect(stack.sandbox.calls.count()).toBe(calls);
    expect((await stack.query(latestOf('5'), viewer)).errors).toBeUndefined();
  });

  it('has a 401 act as any: what was kept for the credential is dropped', async () => {
    const stack = await withTransfer();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await stack.query(`{ backfill(id: "${id}") { status } }`);
    stack.sandbox.faults.add({
      when: { operation: 'createBackfill' },
      answer: { kind: 'status', status: 401, body: envelope('UNAUTHORIZED', 'No.') },
    });
    expect(codesOf(await create(stack))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await stack.query(`{ backfill(id: "${id}") { status } }`))).toEqual(['UNAUTHENTICATED']);
  });

  it('has a 429 close the gate for reads too, and is refused by a closed gate without a call', async () => {
    const stack = await withTransfer();
    stack.sandbox.faults.add({
      when: { operation: 'createBackfill' },
      answer: {
        kind: 'status',
        status: 429,
        headers: { 'retry-after': '30' },
        body: envelope('TOO_MANY_REQUESTS', 'Slow down.'),
      },
    });
    const result = await create(stack);
    expect(result.errors?.[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: 30 });
    expect(codesOf(await stack.query(latestOf('5')))).toEqual(['RATE_LIMITED']);
    expect(codesOf(await create(stack))).toEqual(['RATE_LIMITED']);
    expect(stack.sandbox.calls.count()).toBe(1);
  });

  it('passes where reads are held back to save the hour, and where they were refused lately', async () => {
    const stack = await withTransfer();
    const refused = { kind: 'status', status: 403, body: envelope('FORBIDDEN', 'No.') } as const;
    stack.sandbox.faults.add({ times: 2, answer: refused });
    for (const id of ['1', '2']) await stack.query(`{ backfill(id: "${id}") { id } }`);
    expect(codesOf(await stack.query('{ backfill(id: "3") { id } }'))).toEqual(['FORBIDDEN']);
    expect(stack.sandbox.calls.count()).toBe(2);
    const quotaOut = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': '0' };
    stack.sandbox.faults.add({
      answer: { kind: 'status', status: 422, headers: quotaOut, body: envelope('VALIDATION_FAILED', 'No.') },
    });
    expect(codesOf(await create(stack))).toEqual(['BAD_USER_INPUT']);
    expect((await create(stack)).errors).toBeUndefined();
  });

  it('is counted among the calls of its operation, and held to their limit', async () => {
    const stack = await withTransfer({ MAX_UPSTREAM_CALLS_PER_OPERATION: '1' });
    const mutation = (field: string): string =>
      `mutation { one: ${field}(input: { transferId: "5", rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-02" }) { id }
        two: ${field}(input: { transferId: "5", rangeStartDate: "2026-02-01", rangeEndDate: "2026-02-02" }) { id } }`;
    const result = await stack.query(mutation('createBackfill'), { headers: { 'x-explain-cost': '1' } });
    expect(codesOf(result)).toEqual(['REQUEST_LIMIT_EXCEEDED']);
    expect(stack.sandbox.calls.count()).toBe(1);
    expect(JSON.parse(result.body)).toMatchObject({
      extensions: { upstream: { calls: 1, quotaRemaining: 4_999 } },
    });
  });

  it('sends nothing in a dry run', async () => {
    const stack = await withTransfer();
    const result = await stack.query(
      `mutation { createBackfill(input: { transferId: "5", rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-02" }) {
         id transfer { latestBackfill { id } } }
       cancelBackfill(id: "7") { id } }`,
      { headers: { 'x-explain-cost': 'estimate' } },
    );
    expect(JSON.parse(result.body)).toMatchObject({ data: null, extensions: { upstream: { calls: 3 } } });
    expect(stack.sandbox.calls.count()).toBe(0);
    expect(writesIn(stack)).toEqual([]);
  });

  it('shows nothing that an earlier mutation of its operation has read', async () => {
    const stack = await withTransfer();
    const result = await stack.query(
      `mutation {
        one: createBackfill(input: { transferId: "5", rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-02" }) { ...Latest }
        two: createBackfill(input: { transferId: "5", rangeStartDate: "2026-02-01", rangeEndDate: "2026-02-02" }) { ...Latest }
      }
      fragment Latest on Backfill { id transfer { latestBackfill { id } } }`,
    );
    const { one, two } = result.data as Record<'one' | 'two', { id: string; transfer: unknown }>;
    expect(one.transfer).toEqual({ latestBackfill: { id: one.id } });
    expect(two.transfer).toEqual({ latestBackfill: { id: two.id } });
  });

  it('never runs by GET, nor from a body that a web page may send without being asked', async () => {
    const stack = await withTransfer();
    const url = `${stack.origin}/graphql?query=${encodeURIComponent('mutation { cancelBackfill(id: "1") { id } }')}`;
    const headers = { authorization: `Bearer ${TOKEN}`, 'x-team-id': '1' };
    expect((await fetch(url, { headers })).status).toBe(405);
    const body = JSON.stringify({ query: 'mutation { cancelBackfill(id: "1") { id } }' });
    for (const contentType of ['text/plain', 'application/x-www-form-urlencoded']) {
      const sent = { method: 'POST', headers: { ...headers, 'content-type': contentType }, body };
      expect((await fetch(`${stack.origin}/graphql`, sent)).status).toBe(415);
    }
    expect(stack.sandbox.calls.count()).toBe(0);
  });

  it('leaves a line of its own in the log, without the token, however it ends', async () => {
    const stack = await withTransfer({ CACHE_SECRET: 'a secret of at least thirty-two bytes.' });
    const done = await create(stack, JANUARY, { headers: { 'x-request-id': 'first' } });
    const overlapping = await create(stack, JANUARY, { headers: { 'x-request-id': 'second' } });
    const [first, second] = writesIn(stack);
    expect(first).toMatchObject({
      level: 'info',
      requestId: 'first',
      operation: 'createBackfill',
      teamId: '1',
      transferId: '5',
      backfillId: createdId(done),
      rangeStartDate: '2026-01-01',
      rangeEndDate: '2026-01-31',
      outcome: 'done',
      caller: expect.stringMatching(/^[\w-]{12}$/),
      upstreamRequestId: expect.stringMatching(/^[\w-]{8,64}$/),
    });
    expect(second).toMatchObject({
      requestId: 'second',
      outcome: 'BAD_USER_INPUT',
      caller: first?.['caller'],
      upstreamRequestId: overlapping.errors?.[0]?.extensions.upstream?.requestId,
    });
    expect(JSON.stringify(stack.logLines)).not.toContain(TOKEN);
  });

  it('works over a WebSocket, and says there what it says over HTTP', async () => {
    const stack = await withTransfer();
    const input = '{ transferId: "5", rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-02" }';
    for (const answer of [
      { data: { createBackfill: { status: 'CREATED' } } },
      { data: { createBackfill: null }, errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] },
    ]) {
      const stream = overWebSocket(stack.origin, `mutation { createBackfill(input: ${input}) { status } }`);
      await stream.completed;
      expect(stream.events).toMatchObject([answer]);
    }
    expect(writesIn(stack)).toHaveLength(2);
  });

  it('whose answer finds no room is not said to be retryable, since it was sent', async () => {
    const stack = await startStack({}, { totals: { unsentAnswers: 100 } });
    stack.world.addTransfer('1', '5');
    const result = await create(stack);
    expect(result.status).toBe(200);
    expect(result.errors).toMatchObject([
      {
        message: expect.stringContaining('Read what became of it'),
        extensions: { code: 'OUTCOME_UNKNOWN', retryable: false },
      },
    ]);
    expect(stack.sandbox.calls.count('createBackfill')).toBe(1);
  });
});
