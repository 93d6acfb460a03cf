import { describe, expect, it } from 'vitest';
import { envelope, type FaultAnswer } from '../../../src/sandbox/faults.ts';
import type { Operation } from '../../../src/sandbox/routes.ts';
import { codesOf, createLatch, type Result, type Stack, startStack } from '../../harness.ts';

const LIST = '{ incompleteBackfills { items { id status isStale } isPartial fetchedAt isStale } }';
const AT_START = '2026-03-02T10:00:00Z';
const TTL_MS = 2_000;

interface List {
  readonly items: readonly { readonly id: string; readonly status: string; readonly isStale: boolean }[];
  readonly isPartial: boolean;
  readonly fetchedAt: string;
  readonly isStale: boolean;
}

function listIn({ data }: Result): List | null {
  return (data as { incompleteBackfills: List | null }).incompleteBackfills;
}

function idsIn(result: Result): readonly string[] | undefined {
  return listIn(result)?.items.map(({ id }) => id);
}

/** The calls since the last time, by operation. */
function callsOf({ sandbox }: Stack): Partial<Record<Operation, number>> {
  const operations: Operation[] = ['listIncompleteBackfills', 'getBackfillById', 'getLatestBackfill'];
  const counts = operations.map((operation) => [operation, sandbox.calls.count(operation)] as const);
  sandbox.calls.reset();
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

function failLists({ sandbox }: Stack, answer: FaultAnswer): () => void {
  return sandbox.faults.add({ when: { operation: 'listIncompleteBackfills' }, times: Infinity, answer });
}

const REFUSED: FaultAnswer = {
  kind: 'status',
  status: 403,
  body: envelope('ACCESS_DENIED', 'Access denied', 'not for you'),
};
const FAILED: FaultAnswer = { kind: 'status', status: 500, body: envelope('INTERNAL_SERVER_ERROR', 'oops') };

describe('the list of incomplete backfills', () => {
  it('holds what is not over, newest first, for one call', async () => {
    const stack = await startStack();
    const { world, clock } = stack;
    const statuses = ['CREATED', 'COMPLETED', 'SCHEDULED', 'RUNNING', 'CANCELLED', 'FAILED'] as const;
    const ids = statuses.map((status, n) => {
      clock.advance(1_000);
      const createdAt = status === 'COMPLETED' || status === 'CANCELLED' ? {} : { createdAt: clock.now() };
      return world.addBackfill({ transferId: String(n + 5), status, ...createdAt });
    });
    const result = await stack.query(LIST);
    expect(result.errors).toBeUndefined();
    expect(idsIn(result)).toEqual([ids[5], ids[3], ids[2], ids[0]]);
    expect(listIn(result)).toMatchObject({
      isPartial: false,
      isStale: false,
      fetchedAt: '2026-03-02T10:00:06Z',
    });
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    expect(result.headers.get('cache-control')).toBe('private, max-age=2');
  });

  it('costs one call for each lifetime, team and credential, whoever asks', async () => {
    const stack = await startStack();
    stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await Promise.all(Array.from({ length: 10 }, () => stack.query(LIST)));
    await stack.query(
      '{ a: incompleteBackfills { fetchedAt } b: incompleteBackfills(statuses: FAILED) { isStale } }',
    );
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    stack.clock.advance(TTL_MS + 1);
    await Promise.all(Array.from({ length: 10 }, () => stack.query(LIST)));
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    await stack.query(LIST, { team: '2' });
    await stack.query(LIST, { token: 'sandbox-readonly' });
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 2 });
  });

  it('makes reads of its backfills by id free, in the same operation too', async () => {
    const stack = await startStack();
    const ids = ['5', '6', '7'].map((transferId) =>
      stack.world.addBackfill({ transferId, status: 'RUNNING' }),
    );
    const one = await stack.query(
      `{ backfill(id: "${String(ids[0])}") { id } incompleteBackfills { items { id } } }`,
    );
    expect(one.errors).toBeUndefined();
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    await stack.query('query ($ids: [ID!]!) { backfills(ids: $ids) { id status } }', { variables: { ids } });
    expect(callsOf(stack)).toEqual({});
  });

  it('is filtered by status, and refuses a status that it cannot hold', async () => {
    const stack = await startStack();
    const failed = stack.world.addBackfill({ transferId: '5', status: 'FAILED' });
    const odd = stack.world.addBackfill({ transferId: '6', status: 'RUNNING' });
    stack.world.set(odd, { status: 'PAUSED' });
    const filtered = await stack.query(
      '{ incompleteBackfills(statuses: [FAILED, UNKNOWN]) { items { id status } } }',
    );
    expect(idsIn(filtered)?.toSorted()).toEqual([failed, odd].toSorted());
    const none = await stack.query('{ incompleteBackfills(statuses: [CREATED]) { items { id } } }');
    expect(idsIn(none)).toEqual([]);
    callsOf(stack);

    const refused = await stack.query(
      '{ incompleteBackfills(statuses: [RUNNING, COMPLETED]) { items { id } } }',
    );
    expect(codesOf(refused)).toEqual(['BAD_USER_INPUT']);
    expect(refused.errors?.[0]?.message).toBe(
      'The list holds no backfills of the status COMPLETED; "statuses" may name CREATED, SCHEDULED, RUNNING, FAILED, UNKNOWN.',
    );
    const tooMany = await stack.query(
      'query ($s: [BackfillStatus!]) { incompleteBackfills(statuses: $s) { isStale } }',
      {
        variables: { s: Array.from({ length: 101 }, () => 'FAILED') },
      },
    );
    expect(codesOf(tooMany)).toEqual(['BAD_USER_INPUT']);
    expect(callsOf(stack)).toEqual({});
  });

  it('says that it may be partial where the REST API may have cut it, or a row makes no sense', async () => {
    const stack = await startStack();
    const ids = Array.from({ length: 100 }, (_, n) =>
      stack.world.addBackfill({ transferId: String(n + 5), status: 'RUNNING' }),
    );
    expect(listIn(await stack.query(LIST))).toMatchObject({ isPartial: true });
    stack.world.cancelBackfill('1', String(ids[0]));
    stack.clock.advance(TTL_MS + 1);
    expect(listIn(await stack.query(LIST))).toMatchObject({ isPartial: false });
    stack.world.set(String(ids[1]), { created_time: 'yesterday' });
    stack.clock.advance(TTL_MS + 1);
    const partial = listIn(await stack.query(LIST));
    expect(partial).toMatchObject({ isPartial: true });
    expect(partial?.items).toHaveLength(98);
  });

  it('shows a backfill as it was read since, and leaves it out once it is over', async () => {
    const stack = await startStack();
    const { world, clock } = stack;
    const [a, b] = ['5', '6'].map((transferId) => world.addBackfill({ transferId, status: 'RUNNING' }));
    await stack.query(LIST);
    clock.advance(1_000);
    world.cancelBackfill('1', String(a));
    world.set(String(b), { status: 'FAILED' });
    for (const id of [a, b]) {
      const noCache = { headers: { 'cache-control': 'no-cache' } };
      await stack.query(`{ backfill(id: "${String(id)}") { id } }`, noCache);
    }
    callsOf(stack);
    const after = listIn(await stack.query(LIST));
    expect(after).toMatchObject({ items: [{ id: b, status: 'FAILED' }], fetchedAt: AT_START });
    expect(callsOf(stack)).toEqual({});
  });

  it('is read past the cache for no-cache, at most once a second', async () => {
    const stack = await startStack();
    const noCache = { headers: { 'cache-control': 'no-cache' } };
    stack.world.addTransfer('1', '5');
    await stack.query(LIST);
    stack.clock.advance(1_000);
    await stack.query(LIST, noCache);
    await stack.query(LIST, noCache);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 2 });
  });

  it('is not answered to no-cache by a reading from before it asked', async () => {
    const stack = await startStack();
    const { sandbox, world } = stack;
    world.addTransfer('1', '5');
    const latch = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' } });
    const first = stack.query(LIST);
    await expect.poll(() => sandbox.calls.count('listIncompleteBackfills')).toBe(1);
    stack.clock.advance(1);
    const id = world.addBackfill({ transferId: '5', status: 'CREATED' });
    const both = `{ backfill(id: "${id}") { id } ${LIST.slice(1)}`;
    const second = stack.query(both, { headers: { 'cache-control': 'no-cache' } });
    await expect.poll(() => sandbox.calls.count('getBackfillById')).toBe(1);
    latch.open();
    expect(idsIn(await first)).toEqual([]);
    expect(idsIn(await second)).toEqual([id]);
  });
});

describe('a list that is kept', () => {
  it('is shown for no longer than the REST API has accepted the credential for', async () => {
    const stack = await startStack({ CACHE_TTL_MS: '300000' });
    stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await stack.query(LIST);
    stack.clock.advance(59_999);
    await stack.query(LIST);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    stack.clock.advance(2);
    await stack.query(LIST);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });

  it('is read again where one of its backfills is not kept any more', async () => {
    const stack = await startStack({ CACHE_MAX_BYTES: '1048576' });
    const running = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await stack.query(LIST);
    const large = Array.from({ length: 12 }, (_, n) => {
      const id = stack.world.addBackfill({ transferId: String(n + 6), status: 'COMPLETED' });
      const error = 'x'.repeat(1_000);
      stack.world.set(id, {
        error_report: Array.from({ length: 100 }, () => ({ transfer_run_date: '2026-01-01', error })),
      });
      return id;
    });
    for (const id of large) await stack.query(`{ backfill(id: "${id}") { id } }`);
    callsOf(stack);
    expect(idsIn(await stack.query(LIST))).toEqual([running]);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });
});

describe('a list that cannot be had', () => {
  it('is stale while the upstream fails, with its backfills marked, and an error once it is too old', async () => {
    const stack = await startStack({ CACHE_STALE_MS: '60000' });
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await stack.query(LIST);
    const repair = failLists(stack, FAILED);
    stack.clock.advance(TTL_MS + 1);
    const stale = await stack.query(LIST);
    expect(stale.errors).toBeUndefined();
    expect(listIn(stale)).toEqual({
      items: [{ id, status: 'RUNNING', isStale: true }],
      isPartial: false,
      fetchedAt: AT_START,
      isStale: true,
    });
    expect(stale.headers.get('cache-control')).toBe('no-store');
    stack.clock.advance(60_000);
    const failed = await stack.query(LIST);
    expect(listIn(failed)).toBeNull();
    expect(failed.errors).toMatchObject([
      { path: ['incompleteBackfills'], extensions: { code: 'UPSTREAM_ERROR', upstream: { status: 500 } } },
    ]);
    repair();
    expect(listIn(await stack.query(LIST))).toMatchObject({ isStale: false });
  });

  it('is asked for again at once after a failure, although backfills are read without it for a while', async () => {
    const stack = await startStack();
    failLists(stack, FAILED);
    expect(codesOf(await stack.query(LIST))).toEqual(['UPSTREAM_ERROR']);
    expect(codesOf(await stack.query(LIST))).toEqual(['UPSTREAM_ERROR']);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 2 });
    expect(stack.logLines.filter(({ msg }) => String(msg).startsWith('team list not used'))).toHaveLength(1);
  });

  it('is stale after STALE_AFTER_MS while its reading goes on', async () => {
    const stack = await startStack();
    stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await stack.query(LIST);
    stack.clock.advance(TTL_MS + 1);
    const latch = createLatch();
    stack.sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
    const waiting = stack.query(LIST);
    await expect.poll(() => stack.sandbox.calls.count('listIncompleteBackfills')).toBe(2);
    stack.clock.advance(3_000);
    expect(listIn(await waiting)).toMatchObject({ isStale: true, fetchedAt: AT_START });
    latch.open();
    await expect.poll(async () => listIn(await stack.query(LIST))?.isStale).toBe(false);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 2 });
  });

  it('is FORBIDDEN to those who may not list, who still read one by one', async () => {
    const stack = await startStack();
    const ids = ['5', '6'].map((transferId) => stack.world.addBackfill({ transferId, status: 'RUNNING' }));
    await stack.query(LIST);
    failLists(stack, REFUSED);
    stack.clock.advance(TTL_MS + 1);
    const refused = await stack.query(LIST);
    expect(listIn(refused)).toBeNull();
    expect(codesOf(refused)).toEqual(['FORBIDDEN']);
    callsOf(stack);
    const oneByOne = await stack.query('query ($ids: [ID!]!) { backfills(ids: $ids) { id isStale } }', {
      variables: { ids },
    });
    expect(oneByOne.data).toEqual({ backfills: ids.map((id) => ({ id, isStale: false })) });
    expect(callsOf(stack)).toEqual({ getBackfillById: 2 });
    // Asked for again as often as somebody wants it.
    expect(codesOf(await stack.query(LIST))).toEqual(['FORBIDDEN']);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
  });

  it('counts among the refusals after which the team is not asked for a while', async () => {
    const stack = await startStack();
    const answer = REFUSED;
    stack.sandbox.faults.add({ times: Infinity, answer });
    await stack.query(LIST);
    await stack.query('{ backfill(id: "5") { id } }');
    callsOf(stack);
    expect(codesOf(await stack.query(LIST))).toEqual(['FORBIDDEN']);
    expect(callsOf(stack)).toEqual({});
  });

  it('is not shown to a credential that is not accepted any more', async () => {
    const stack = await startStack();
    stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await stack.query(LIST);
    stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 401, body: '' } });
    await stack.query('{ backfill(id: "999") { id } }');
    const after = await stack.query(LIST);
    expect(listIn(after)).toBeNull();
    expect(codesOf(after)).toEqual(['UNAUTHENTICATED']);
  });
});

describe('what the list costs', () => {
  it('is reported and estimated, together with the reads that it serves', async () => {
    const stack = await startStack();
    const ids = ['5', '6', '7'].map((transferId) =>
      stack.world.addBackfill({ transferId, status: 'RUNNING' }),
    );
    const page = `{ incompleteBackfills { items { id } } backfills(ids: ${JSON.stringify(ids)}) { id } }`;
    const costOf = async (explain: string): Promise<unknown> => {
      const { body } = await stack.query(page, { headers: { 'x-explain-cost': explain } });
      return (JSON.parse(body) as { extensions: { upstream: unknown } }).extensions.upstream;
    };
    // Nothing says yet that the list holds them.
    expect(await costOf('estimate')).toMatchObject({ calls: 4 });
    expect(callsOf(stack)).toEqual({});
    expect(await costOf('1')).toMatchObject({ calls: 1, cacheHits: 3 });
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1 });
    expect(await costOf('estimate')).toMatchObject({ calls: 0, cacheHits: 4 });
    expect(await costOf('1')).toMatchObject({ calls: 0, cacheHits: 4 });
  });

  it('uses up one of the calls that an operation may make', async () => {
    const stack = await startStack({ MAX_UPSTREAM_CALLS_PER_OPERATION: '2' });
    for (const teamId of ['1', '2', '3']) stack.world.addBackfill({ teamId, transferId: '5' });
    const fields = ['1', '2', '3'].map(
      (team) => `t${team}: incompleteBackfills(teamId: ${team}) { isStale }`,
    );
    const result = await stack.query(`{ ${fields.join(' ')} }`);
    expect(codesOf(result)).toEqual(['REQUEST_LIMIT_EXCEEDED']);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 2 });
  });
});

describe('many backfills by their ids', () => {
  const MANY = 'query ($ids: [ID!]!) { backfills(ids: $ids) { id status } }';

  it('come in the order of their ids, and one that failed is null with its error at its index', async () => {
    const stack = await startStack();
    const [a, b] = ['5', '6'].map((transferId) => stack.world.addBackfill({ transferId, status: 'RUNNING' }));
    const { data, errors } = await stack.query(MANY, { variables: { ids: [b, '404', a, b] } });
    const rows = [b, a].map((id) => ({ id, status: 'RUNNING' }));
    expect(data).toEqual({ backfills: [rows[0], null, rows[1], rows[0]] });
    expect(errors).toMatchObject([{ path: ['backfills', 1], extensions: { code: 'NOT_FOUND' } }]);
    expect(callsOf(stack)).toEqual({ listIncompleteBackfills: 1, getBackfillById: 1 });
  });

  it('are at most 100, and each id is looked at before anything is read', async () => {
    const stack = await startStack();
    const tooMany = await stack.query(MANY, {
      variables: { ids: Array.from({ length: 101 }, (_, n) => `${n + 1}`) },
    });
    expect(tooMany).toMatchObject({ status: 200, data: null });
    expect(tooMany.errors).toMatchObject([
      {
        message: 'The argument "ids" takes at most 100 ids; got 101.',
        extensions: { code: 'BAD_USER_INPUT' },
      },
    ]);
    expect(codesOf(await stack.query(MANY, { variables: { ids: ['1', 'x'] } }))).toEqual(['BAD_USER_INPUT']);
    expect(callsOf(stack)).toEqual({});
  });
});
