import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { NewBackfill } from '../../../src/sandbox/world/plans.ts';
import { codesOf, type Stack, startStack } from '../../harness.ts';
import { type Created, isIncomplete, type Truth, truthOf } from './truth.ts';

/** The lifetimes of the property. They are short, so that as much as possible happens within a script. */
const TTL_MS = 2_000;
const FINAL_TTL_MS = 15_000;
const TRANSFERS = ['11', '12', '13', '14'];
const SELECTION =
  'id status transferRunsCompleted transferRunsFailed startTime endTime removedTime fetchedAt isStale';

interface Backfill {
  readonly id: string;
  readonly status: string;
  readonly fetchedAt: string;
  readonly isStale: boolean;
}

type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'create'; readonly transfer: number; readonly plan: Partial<NewBackfill> }
  | { readonly kind: 'cancel'; readonly which: number }
  | { readonly kind: 'page'; readonly transfers: readonly number[] }
  | { readonly kind: 'backfills'; readonly which: readonly number[] };

const upTo = (max: number) => fc.integer({ min: 0, max });
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: upTo(4_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('create' as const),
      transfer: upTo(TRANSFERS.length - 1),
      plan: fc.record({
        scheduleDelayMs: upTo(1_500),
        startDelayMs: upTo(1_500),
        msPerRun: upTo(3_000),
        runs: fc.integer({ min: 1, max: 5 }),
        failingRuns: fc.constantFrom([], [0], [1, 2]),
        outcome: fc.constantFrom('COMPLETED' as const, 'FAILED' as const),
      }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: upTo(30) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('page' as const),
      transfers: fc.uniqueArray(upTo(TRANSFERS.length - 1), { minLength: 1 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('backfills' as const),
      which: fc.uniqueArray(upTo(30), { minLength: 1, maxLength: 4 }),
    }),
  },
);

/*
 * The consistency that src/upstream/reads/team-list.ts states, held against the truth of the sandbox. For every read:
 *
 * 1. Each answer was true at its `fetchedAt`, to the last field.
 * 2. For an incomplete backfill that was at most CACHE_TTL_MS ago; for a completed or cancelled one CACHE_FINAL_TTL_MS.
 * 3. An answer may miss a backfill (a newer one of the transfer, or the one asked for) that was created at most
 *    CACHE_TTL_MS ago. It may miss one created at most CACHE_FINAL_TTL_MS ago if that one was incomplete at no reading
 *    of the team list since.
 * 4. The latest backfill of a transfer never goes back to an older one.
 */

/** Rule 1. */
function expectTrue(truth: Truth, { fetchedAt, isStale, ...state }: Backfill): void {
  expect(isStale).toBe(false);
  expect(state).toEqual(truth.stateAt(Date.parse(fetchedAt), state.id));
}

/** Rule 2. */
function expectFresh(now: number, { fetchedAt, status }: Backfill): void {
  const lifetime = isIncomplete(status) ? TTL_MS : FINAL_TTL_MS;
  expect(now - Date.parse(fetchedAt)).toBeLessThanOrEqual(lifetime);
}

/** Rule 3. */
function expectMayBeMissing(
  truth: Truth,
  now: number,
  readings: readonly number[],
  { id, at }: Created,
): void {
  const age = now - at;
  if (age <= TTL_MS) return;
  expect(age).toBeLessThanOrEqual(FINAL_TTL_MS);
  for (const reading of readings) {
    if (reading >= at) expect(truth.wasIncompleteAt(reading, id)).toBe(false);
  }
}

/** Rule 4. `newest` has the place of the newest backfill that each transfer was seen with. */
function expectNoOlder(newest: Map<string, number>, transferId: string, place: number): void {
  expect(place).toBeGreaterThanOrEqual(newest.get(transferId) ?? -1);
  newest.set(transferId, place);
}

interface Reader {
  page(ids: readonly string[]): Promise<void>;
  backfills(which: readonly number[]): Promise<void>;
}

/** Reads by GraphQL and holds what comes back to the rules. */
function createReader({ sandbox, clock, query }: Stack, truth: Truth, crowded: boolean): Reader {
  const newest = new Map<string, number>();
  const checkFound = (backfill: Backfill): void => {
    expectTrue(truth, backfill);
    expectFresh(clock.now(), backfill);
  };
  const checkMissing = (missing: readonly Created[]): void => {
    // Absence from a full list proves nothing.
    const readings = crowded
      ? []
      : sandbox.calls.all.filter((call) => call.operation === 'listIncompleteBackfills').map(({ at }) => at);
    for (const one of missing) expectMayBeMissing(truth, clock.now(), readings, one);
  };

  return {
    async page(ids: readonly string[]): Promise<void> {
      const { data, errors } = await query(
        `query ($ids: [ID!]!) { transfers(ids: $ids) { id latestBackfill { ${SELECTION} } } }`,
        { variables: { ids } },
      );
      expect(errors).toBeUndefined();
      const { transfers } = data as { transfers: { id: string; latestBackfill: Backfill | null }[] };
      for (const { id, latestBackfill } of transfers) {
        if (latestBackfill !== null) checkFound(latestBackfill);
        const place = truth.created.findIndex((one) => one.id === latestBackfill?.id);
        expectNoOlder(newest, id, place);
        checkMissing(truth.created.filter((one, n) => one.transferId === id && n > place));
      }
    },
    async backfills(which: readonly number[]): Promise<void> {
      const fields = which.map((n) => `b${n}: backfill(id: ${truth.idOf(n)}) { ${SELECTION} }`);
      const result = await query(`{ ${fields.join(' ')} }`);
      const found = result.data as Readonly<Record<string, Backfill | null>>;
      expect(new Set(codesOf(result))).toEqual(
        new Set(Object.values(found).includes(null) ? ['NOT_FOUND'] : []),
      );
      for (const [name, backfill] of Object.entries(found)) {
        const id = truth.idOf(Number(name.slice(1)));
        if (backfill === null) checkMissing(truth.created.filter((one) => one.id === id));
        else checkFound(backfill);
      }
    },
  };
}

async function startScene(crowded: boolean): Promise<Stack> {
  const stack = await startStack({
    CACHE_TTL_MS: String(TTL_MS),
    CACHE_FINAL_TTL_MS: String(FINAL_TTL_MS),
  });
  for (const id of TRANSFERS) stack.world.addTransfer('1', id);
  for (let n = 0; crowded && n < 97; n++) {
    stack.world.addBackfill({ id: String(900 + n), transferId: String(2_000 + n), status: 'RUNNING' });
  }
  return stack;
}

it('answers every read with what is true within the stated consistency, whatever happens to the backfills', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { minLength: 20, maxLength: 70 }),
      // Whether so many backfills run that the team list is full at times.
      fc.boolean(),
      async (script, crowded) => {
        const stack = await startScene(crowded);
        const { world, sandbox, clock } = stack;
        const truth = truthOf(stack);
        const read = createReader(stack, truth, crowded);

        for (const step of script) {
          // Without this a moment could have two truths.
          clock.advance(1);
          if (step.kind === 'wait') clock.advance(step.ms);
          if (step.kind === 'create') truth.create(TRANSFERS[step.transfer] ?? '', step.plan);
          if (step.kind === 'cancel') world.cancelBackfill('1', truth.idOf(step.which));
          truth.record();
          if (step.kind === 'page') await read.page(step.transfers.map((n) => TRANSFERS[n] ?? ''));
          if (step.kind === 'backfills') await read.backfills(step.which);
        }
        expect(sandbox.calls.all.filter(({ status }) => status !== 200 && status !== 404)).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);
