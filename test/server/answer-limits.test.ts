import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getIntrospectionQuery } from 'graphql';
import { describe, expect, it, onTestFinished } from 'vitest';
import { envelope } from '../../src/sandbox/faults.ts';
import { codesOf, type Result, type Stack, startStack } from '../harness.ts';
import { overSse, overWebSocket } from '../support/streams.ts';

const BACKFILL = `id teamId transfer { id teamId } status rangeStartDate rangeEndDate createdTime createdUserId
  startTime endTime removedTime removedUserId transferRunsTotal transferRunsCreated transferRunsCompleted
  transferRunsFailed progress estimatedEndTime errorReport { transferRunDate error } fetchedAt isStale`;
const TRANSFER = `id teamId latestBackfill { ${BACKFILL} }`;
const ENTITIES = (selection: string): string =>
  `query ($r: [_Any!]!) { _entities(representations: $r) { ${selection} } }`;

const aliased = (count: number, field: string): string =>
  Array.from({ length: count }, (_, n) => `a${n}: ${field}`).join(' ');

const references = (typename: 'Backfill' | 'Transfer', count: number, id = '5'): unknown[] =>
  Array.from({ length: count }, () => ({ __typename: typename, id }));

/** A backfill whose report has that many texts of a thousand characters. */
function addReported({ world }: Stack, texts: number): string {
  const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  const error_report = Array.from({ length: texts }, () => ({
    transfer_run_date: '2026-01-01',
    error: 'x'.repeat(1_000),
  }));
  world.set(id, { error_report });
  return id;
}

/** Expects one small error in the place of an answer, which took the event loop no long time at once. */
async function expectRefused(ask: () => Promise<Result>, message: string): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  onTestFinished(() => void delay.disable());
  const { status, data, errors, body } = await ask();
  // A tenth of it where nothing else uses the machine.
  expect(delay.max / 1e6).toBeLessThan(1_000);
  expect([status, data]).toEqual([200, null]);
  expect(errors).toMatchObject([
    {
      message: expect.stringContaining(message),
      extensions: { code: 'REQUEST_LIMIT_EXCEEDED', retryable: false, requestId: expect.any(String) },
    },
  ]);
  expect(errors).toHaveLength(1);
  expect(body.length).toBeLessThan(1_000);
}

const TOO_LARGE = 'larger than 16777216 bytes';
const TOO_MANY = 'more than 120000 fields';

describe('an answer', () => {
  it.each([
    ['500 backfills with every field', ENTITIES(`... on Backfill { ${BACKFILL} }`), 'Backfill', 500],
    [
      '5,000 transfers with a handful of fields',
      ENTITIES('... on Transfer { id teamId latestBackfill { id status progress isStale fetchedAt } }'),
      'Transfer',
      5_000,
    ],
    [
      '5,000 backfills with a handful of fields',
      ENTITIES('... on Backfill { id status progress isStale fetchedAt }'),
      'Backfill',
      5_000,
    ],
  ] as const)('to a router has %s', async (_name, text, typename, count) => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const r = references(typename, count, typename === 'Transfer' ? '5' : id);
    const { data, errors } = await stack.query(text, { variables: { r } });
    expect(errors).toBeUndefined();
    expect((data as { _entities: unknown[] })._entities).toHaveLength(count);
  });

  it('has 100 transfers with every field under five aliases', async () => {
    const { query } = await startStack();
    const ids = Array.from({ length: 100 }, (_, n) => String(n + 1));
    const text = `query ($ids: [ID!]!) { ${aliased(5, `transfers(ids: $ids) { ${TRANSFER} }`)} }`;
    const { data, errors } = await query(text, { variables: { ids } });
    expect(errors).toBeUndefined();
    expect(Object.keys(data as object)).toHaveLength(5);
  });

  it('has the whole schema for GraphiQL', async () => {
    const { query } = await startStack();
    const text = getIntrospectionQuery({
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
      oneOf: true,
    });
    expect((await query(text, { token: null })).errors).toBeUndefined();
  });

  it('has a report of 15 MiB, with every text once', async () => {
    const stack = await startStack();
    const id = addReported(stack, 110);
    const { errors, body } = await stack.query(ENTITIES('... on Backfill { errorReport { error } }'), {
      variables: { r: references('Backfill', 137, id) },
    });
    expect(errors).toBeUndefined();
    expect(body.length).toBeGreaterThan(15_000_000);
  });
});

describe('an answer that would be larger than 16 MiB is one error, and is never made', () => {
  it.each([
    [
      '4,000 references to it',
      ENTITIES('... on Backfill { errorReport { transferRunDate error } }'),
      'Backfill',
      4_000,
    ],
    [
      '1,000 references to its transfer',
      ENTITIES('... on Transfer { latestBackfill { errorReport { error } } }'),
      'Transfer',
      1_000,
    ],
    [
      'one text under many names',
      ENTITIES(`... on Backfill { errorReport { ${aliased(200, 'error')} } }`),
      'Backfill',
      1,
    ],
    [
      'one report under many names',
      ENTITIES(`... on Backfill { ${aliased(200, 'errorReport { error }')} }`),
      'Backfill',
      1,
    ],
    [
      'a selection that a directive skips before the one that counts',
      ENTITIES(
        '... on Transfer { latestBackfill @skip(if: true) { id } latestBackfill { errorReport { error } } }',
      ),
      'Transfer',
      1_000,
    ],
    [
      'a report in a fragment',
      `${ENTITIES('...F')} fragment F on _Entity { ... on Backfill { ...R } } fragment R on Backfill { errorReport { error } }`,
      'Backfill',
      1_000,
    ],
  ] as const)('by a report of 110 KB and %s', async (_name, text, typename, count) => {
    const stack = await startStack();
    const id = addReported(stack, 110);
    const r = references(typename, count, typename === 'Transfer' ? '5' : id);
    await expectRefused(() => stack.query(text, { variables: { r } }), TOO_LARGE);
  });

  it('by a report that another backfill of the answer has too', async () => {
    const stack = await startStack();
    const id = addReported(stack, 110);
    const text = `{ ${aliased(200, `backfill(id: ${id}) { errorReport { error } }`)} }`;
    await expectRefused(() => stack.query(text), TOO_LARGE);
  });

  it.each([
    ['the team list', `{ incompleteBackfills { ${aliased(200, 'items { errorReport { error } }')} } }`],
    [
      'many by their ids',
      `query ($ids: [ID!]!) { backfills(ids: $ids) { ${aliased(3, 'errorReport { error }')} } }`,
    ],
  ])('by a report of 110 KB in %s', async (_name, text) => {
    const stack = await startStack();
    const id = addReported(stack, 110);
    const ids = Array.from({ length: 100 }, () => id);
    await expectRefused(() => stack.query(text, { variables: { ids } }), TOO_LARGE);
  });

  it('by texts that grow when they are written as JSON', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const error_report = Array.from({ length: 100 }, () => ({
      transfer_run_date: '2026-01-01',
      error: '\u0001'.repeat(1_000),
    }));
    stack.world.set(id, { error_report });
    const text = `{ ${aliased(40, `backfill(id: ${id}) { errorReport { error } }`)} }`;
    await expectRefused(() => stack.query(text), TOO_LARGE);
  });

  it('by the name of a field', async () => {
    const { sandbox, query } = await startStack();
    const text = ENTITIES(`... on Transfer { ${'a'.repeat(10_000)}: id }`);
    await expectRefused(() => query(text, { variables: { r: references('Transfer', 2_000) } }), TOO_LARGE);
    expect(sandbox.calls.count()).toBe(0);
  });
});

describe('an answer with more than 120,000 fields is one error, and nothing is read for it', () => {
  it.each([
    ['4,900 references under 299 names', ENTITIES(`... on Transfer { ${aliased(299, 'id')} }`)],
    [
      '4,900 references with ten names for a read',
      ENTITIES(`... on Transfer { ${aliased(10, 'latestBackfill { id }')} }`),
    ],
    ['two names for a read of each', ENTITIES(`... on Transfer { ${aliased(2, 'latestBackfill { id }')} }`)],
    ['every field of each', ENTITIES(`... on Transfer { ${TRANSFER} }`)],
    ['a fragment', `${ENTITIES('...F')} fragment F on Transfer { ${aliased(299, 'teamId')} }`],
    ['the team list under 60 names', `{ ${aliased(60, `incompleteBackfills { items { ${BACKFILL} } }`)} }`],
    [
      '100 backfills by their ids under 60 names',
      `query ($ids: [ID!]! = [${'"5" '.repeat(100)}]) { ${aliased(60, `backfills(ids: $ids) { ${BACKFILL} }`)} }`,
    ],
    [
      'a list by default',
      `query ($r: [_Any!]! = [${'{__typename:"Transfer",id:"5"} '.repeat(450)}]) { _entities(representations: $r) { ... on Transfer { ${aliased(280, 'id')} } } }`,
    ],
  ])('with %s', async (_name, text) => {
    const { sandbox, query } = await startStack();
    const variables = { r: references('Transfer', 4_900) };
    const isDefault = text.includes('= [');
    await expectRefused(() => query(text, isDefault ? {} : { variables }), TOO_MANY);
    expect(sandbox.calls.count()).toBe(0);
  });

  it('with the schema under many names, also without a credential', async () => {
    const { query } = await startStack();
    const text = `{ __schema { ${aliased(250, 'types { ...F }')} } }
      fragment F on __Type { name fields { name description type { name ofType { name } } args { name } } }`;
    await expectRefused(() => query(text, { token: null }), TOO_MANY);
  });

  it('with a report of many entries', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const error_report = Array.from({ length: 5_000 }, () => ({
      transfer_run_date: '2026-01-01',
      error: '',
    }));
    stack.world.set(id, { error_report });
    const text = `{ ${aliased(20, `backfill(id: ${id}) { errorReport { transferRunDate error } }`)} }`;
    await expectRefused(() => stack.query(text), TOO_MANY);
  });

  it('counts a field that is selected again as one', async () => {
    const { query } = await startStack();
    const text = ENTITIES(`... on Transfer { ${'id '.repeat(300)} } ... on Transfer { id }`);
    const { errors } = await query(text, { variables: { r: references('Transfer', 4_000) } });
    expect(errors).toBeUndefined();
  });
});

describe('a list that is too long', () => {
  it.each([
    ['representations', ENTITIES(`... on Transfer { ${aliased(299, 'id')} }`), references('Transfer', 5_001)],
    [
      'ids',
      `query ($r: [ID!]!) { transfers(ids: $r) { ${TRANSFER} } }`,
      Array.from({ length: 4_900 }, () => '5'),
    ],
  ])('is one error about the list, for %s', async (_name, text, r) => {
    const { query } = await startStack();
    const answer = await query(text, { variables: { r } });
    expect([answer.status, answer.data]).toEqual([200, null]);
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
    expect(answer.errors?.[0]?.message).toContain('at most');
  });
});

describe.each([
  ['SSE', overSse],
  ['WebSocket', overWebSocket],
] as const)('the events of a stream over %s', (_name, subscribe) => {
  it.each([
    ['of its backfill', `backfillUpdated(id: ID) { ${aliased(200, 'errorReport { error }')} }`],
    [
      'of another one',
      `backfillUpdated(id: ID) { transfer { ${aliased(200, 'latestBackfill { errorReport { error } }')} } }`,
    ],
  ])('have an error in the place of a report %s that makes them too large', async (_where, selection) => {
    const stack = await startStack();
    const id = addReported(stack, 110);
    const stream = subscribe(stack.origin, `subscription { ${selection.replace('ID', id)} }`);
    await expect.poll(() => stream.events).toHaveLength(1);
    expect(stream.events[0]?.data).toBeNull();
    expect(codesOf(stream.events[0])).toEqual(['REQUEST_LIMIT_EXCEEDED']);
  });

  it('have a budget each', async () => {
    const stack = await startStack();
    const id = addReported(stack, 110);
    const text = `subscription { backfillUpdated(id: ${id}) { transferRunsCompleted ${aliased(50, 'errorReport { error }')} } }`;
    const stream = subscribe(stack.origin, text);
    for (let n = 1; n <= 4; n++) {
      await expect.poll(() => stream.events).toHaveLength(n);
      stack.world.set(id, {
        transfer_runs_completed: n,
        error_report: Array.from({ length: 110 }, () => ({
          transfer_run_date: '2026-01-01',
          error: 'x'.repeat(1_000),
        })),
      });
      await expect.poll(() => stack.clock.waiting).toBe(1);
      stack.clock.advance(2_000);
    }
    expect(stream.events.flatMap(codesOf)).toEqual([]);
  });
});

it('keeps the refusal of a read apart from that of its answer', async () => {
  const { sandbox, query } = await startStack();
  sandbox.faults.add({
    when: { id: '5' },
    answer: { kind: 'status', status: 403, body: envelope('ACCESS_DENIED', 'm', 'd') },
  });
  const answer = await query('{ transfer(id: 5) { latestBackfill { errorReport { error } } } }');
  expect(codesOf(answer)).toEqual(['FORBIDDEN']);
});
