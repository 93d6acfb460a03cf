import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGatewaySchema } from '../../../src/graphql/schema.ts';
import { createPlans } from '../../../src/server/front/plans.ts';
import { type Stack, startStack, TEAM, TOKEN } from '../../harness.ts';

const AUTHORIZED = { authorization: `Bearer ${TOKEN}`, 'x-team-id': TEAM };
const STATUS = 'query Status($id: ID!) { backfill(id: $id) { id status progress } }';

function post(
  { origin }: Stack,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${origin}/graphql`, {
    method: 'POST',
    headers: { ...AUTHORIZED, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

/** How many requests were answered by a plan; what is exposed is up to a second old. */
async function planned({ origin }: Stack): Promise<number> {
  const text = await (await fetch(`${origin}/metrics`)).text();
  return Number(/^backfill_gateway_planned_requests_total (\d+)$/m.exec(text)?.[1]);
}

/** The front answers each text at once, also where the other tests do without it. */
function startFront(): Promise<Stack> {
  return startStack({}, {}, 'first use');
}

function trusting(documents: Readonly<Record<string, string>>): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), 'front-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'documents.json');
  writeFileSync(path, JSON.stringify(documents));
  return startStack({ TRUSTED_DOCUMENTS: path }, {}, 'second use');
}

describe('the front', () => {
  it('answers a text from its second use on, once the compiler is loaded, and the first by yoga', async () => {
    const stack = await startStack({ CACHE_TTL_MS: '600000' }, {}, 'second use');
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const first = await (await post(stack, { query: STATUS, variables: { id } })).text();
    let asked = 1;
    await expect
      .poll(
        async () => {
          asked++;
          stack.clock.advance(1_001);
          expect(await (await post(stack, { query: STATUS, variables: { id } })).text()).toBe(first);
          return planned(stack);
        },
        { timeout: 10_000 },
      )
      .toBeGreaterThan(2);
    expect(await planned(stack)).toBeLessThan(asked);
    expect(stack.sandbox.calls.count()).toBe(1);
  });

  it('runs a trusted document by its id or its hash from the first request on, and no text', async () => {
    const hash = createHash('sha256').update(STATUS).digest('hex');
    const stack = await trusting({ status: STATUS, [hash]: STATUS });
    const variables = { id: stack.world.addBackfill({ transferId: '5', status: 'RUNNING' }) };
    const extensions = { persistedQuery: { version: 1, sha256Hash: hash } };
    for (const body of [
      { documentId: 'status', variables },
      { extensions, variables, operationName: 'Status' },
    ]) {
      expect(await (await post(stack, body)).json()).toMatchObject({ data: { backfill: variables } });
    }
    for (const body of [
      { query: STATUS, variables },
      { query: STATUS, documentId: 'status', variables },
      { documentId: 'other', variables },
      { extensions: { persistedQuery: { version: 1, sha256Hash: 'other' } }, variables },
    ]) {
      expect((await post(stack, body)).status).toBe(403);
    }
    expect(await planned(stack)).toBe(2);
  });

  it('takes no id for a text where any text may come', async () => {
    const stack = await startFront();
    const answer = await (await post(stack, { documentId: 'status' })).text();
    expect(answer).toContain('"errors"');
    expect(await planned(stack)).toBe(0);
  });

  it('answers a body of a router, which is larger than others', async () => {
    const stack = await startFront();
    stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const query = `query ($r: [_Any!]!) { _entities(representations: $r) { ... on Transfer { latestBackfill { id } } } }`;
    const r = Array.from({ length: 2_000 }, () => ({ __typename: 'Transfer', teamId: '1', id: '5' }));
    const { data } = (await (await post(stack, { query, variables: { r } })).json()) as {
      readonly data: { readonly _entities: readonly unknown[] };
    };
    expect(data._entities).toHaveLength(2_000);
    expect(await planned(stack)).toBe(1);
  });

  it('reads past the cache for who asks for it', async () => {
    const stack = await startFront();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    for (const [headers, calls] of [
      [{}, 1],
      [{ 'cache-control': 'max-age=0' }, 1],
      [{ 'cache-control': 'no-cache' }, 2],
    ] as const) {
      stack.clock.advance(1_001 * (calls - 1));
      await post(stack, { query: STATUS, variables: { id } }, headers);
      expect(stack.sandbox.calls.count()).toBe(calls);
    }
    expect(await planned(stack)).toBe(3);
  });

  it.each([
    ['a mutation', 'mutation { cancelBackfill(id: "1") { id } }'],
    ['a subscription', 'subscription { backfillUpdated(id: "1") { id } }'],
    ['introspection', '{ __schema { queryType { name } } }'],
    ['a fault', '{ nosuch }'],
    ['a text that does not parse', '{ backfill('],
    ['many fields', `{ ${Array.from({ length: 200 }, (_, n) => `a${n}: __typename`).join(' ')} }`],
  ])('leaves %s to yoga', async (_what, query) => {
    const stack = await startFront();
    await (await post(stack, { query })).text();
    expect(await planned(stack)).toBe(0);
  });
});

describe('the plans', () => {
  const numbered = (n: number): string => `{ a${n}: __typename }`;

  it('take a tenth of the time at most, so that texts which come twice wait for their plans', () => {
    const plans = createPlans(createGatewaySchema(), 1_000_000, 2);
    const found = [1, 2].flatMap(() => [1, 2].map((n) => plans.find(numbered(n)) !== undefined));
    // The compiling of the first has just ended.
    expect(found).toEqual([false, false, true, false]);
  });

  it('are kept in bounded memory, the least used ones going first', () => {
    const plans = createPlans(createGatewaySchema(), 1_000_000, 1);
    const first = plans.find(numbered(0));
    expect(plans.find(numbered(0))).toBe(first);
    for (let n = 1; n < 1_400; n++) plans.find(numbered(n));
    expect(plans.find(numbered(1_399))).toBe(plans.find(numbered(1_399)));
    expect(plans.find(numbered(0))).not.toBe(first);
  });

  it('of one text are different for different operations', () => {
    const plans = createPlans(createGatewaySchema(), 1_000_000, 1);
    const text = 'query A { a: __typename } query B { b: __typename }';
    const keys = ['A', 'B'].map((name) =>
      Object.keys((plans.find(text, name)?.run(undefined, {}, {}) as { readonly data: object }).data),
    );
    expect(keys).toEqual([['a'], ['b']]);
    expect(plans.find(text)).toBeUndefined();
  });
});

describe('an operation that selects one place twice', () => {
  it.each([
    ['a row', '{ backfill(id: "1") { id } backfill(id: "1") { status } }', { id: '1', status: 'RUNNING' }],
    [
      'a row, once with what is read further',
      '{ backfill(id: "1") { id } backfill(id: "1") { transfer { latestBackfill { id } } } }',
      { id: '1', transfer: { latestBackfill: { id: '1' } } },
    ],
    [
      'a row, once by a fragment',
      '{ ...F backfill(id: "1") { status } } fragment F on Query { backfill(id: "1") { id } }',
      { id: '1', status: 'RUNNING' },
    ],
    ['a field of a row', '{ backfill(id: "1") { id status id } }', { id: '1', status: 'RUNNING' }],
  ])('gets all of it: %s', async (_what, query, expected) => {
    const stack = await startFront();
    stack.world.addBackfill({ id: '1', transferId: '5', status: 'RUNNING' });
    expect(await (await post(stack, { query })).text()).toBe(
      JSON.stringify({ data: { backfill: expected } }),
    );
    expect(await planned(stack)).toBe(1);
  });

  it('has it where it is first included', async () => {
    const stack = await startFront();
    stack.world.addBackfill({ id: '1', transferId: '5', status: 'RUNNING' });
    const query = 'query ($no: Boolean!) { backfill(id: "1") { id @include(if: $no) status id } }';
    expect(await (await post(stack, { query, variables: { no: false } })).text()).toBe(
      '{"data":{"backfill":{"status":"RUNNING","id":"1"}}}',
    );
  });
});
