import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { NewBackfill } from '../../../src/sandbox/world/plans.ts';
import { codesOf, startStack } from '../../harness.ts';

/** As configured for the property: short, so that much of what can happen happens. */
const TTL_MS = 2_000;
const FINAL_TTL_MS = 15_000;
const TRANSFERS = ['11', '12', '13', '14'];
const INCOMPLETE: ReadonlySet<unknown> = new Set(['CREATED', 'SCHEDULED', 'RUNNING', 'FAILED']);
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

/**
 * The consistency that src/upstream/team-feed.ts states, against the truth of the sandbox. Whoever asks at `t`:
 *
 * 1. What an answer says was true at its `fetchedAt`, to the last field.
 * 2. Of an incomplete backfill that was at most CACHE_TTL_MS ago, of a completed or cancelled one CACHE_FINAL_TTL_MS.
 * 3. A backfill that an answer does not know of (a newer one of the transfer, or the one asked for) was created at most
 *    CACHE_TTL_MS ago; or at most CACHE_FINAL_TTL_MS ago, and was incomplete at no reading of the team's list since, nor
 *    at the moment CACHE_TTL_MS ago.
 * 4. The latest backfill of a transfer never goes back to an older one.
 */
it('answers every read with what is true, within the stated consistency, whatever becomes of the backfills', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { minLength: 20, maxLength: 70 }),
      fc.boolean(),
      async (script, crowded) => {
        const { world, sandbox, clock, query } = await startStack({
          CACHE_TTL_MS: String(TTL_MS),
          CACHE_FINAL_TTL_MS: String(FINAL_TTL_MS),
        });
        for (const id of TRANSFERS) world.addTransfer('1', id);
        // With these the list is full at times, and absence from it proves nothing.
        if (crowded) {
          for (let n = 0; n < 97; n++) {
            world.addBackfill({ id: String(900 + n), transferId: String(2_000 + n), status: 'RUNNING' });
          }
        }
        const created: { readonly id: string; readonly transferId: string; readonly at: number }[] = [];
        // One after the other, so that some are asked for before they exist.
        const idAt = (which: number): string => String(1_001 + which);
        /** The truth at each moment at which the upstream can have been asked. */
        const truths = new Map<number, ReadonlyMap<string, Readonly<Record<string, unknown>>>>();
        const newest = new Map<string, number>();

        const note = (): void => {
          const truth = new Map<string, Readonly<Record<string, unknown>>>();
          for (const { id } of created) {
            const found = world.getBackfill('1', id);
            if (found === undefined) continue;
            truth.set(id, {
              id,
              status: found.status,
              transferRunsCompleted: found.transfer_runs_completed,
              transferRunsFailed: found.transfer_runs_failed,
              startTime: found.start_time ?? null,
              endTime: found.end_time ?? null,
              removedTime: found.removed_time ?? null,
            });
          }
          truths.set(clock.now(), truth);
        };
        const isIncompleteAt = (id: string, at: number): boolean =>
          INCOMPLETE.has(truths.get(at)?.get(id)?.['status']);
        const checkTrue = ({ fetchedAt, isStale, ...found }: Backfill): void => {
          const at = Date.parse(fetchedAt);
          expect(isStale).toBe(false);
          expect(found).toEqual(truths.get(at)?.get(found.id));
          const limit = INCOMPLETE.has(found.status) ? TTL_MS : FINAL_TTL_MS;
          expect(clock.now() - at).toBeLessThanOrEqual(limit);
        };
        const checkUnknown = ({ id, at }: { readonly id: string; readonly at: number }): void => {
          const age = clock.now() - at;
          if (age <= TTL_MS) return;
          expect(age).toBeLessThanOrEqual(FINAL_TTL_MS);
          if (crowded) return;
          const readings = sandbox.calls.all
            .filter((call) => call.operation === 'listIncompleteBackfills' && call.at >= at)
            .map((call) => call.at);
          for (const reading of readings) expect(isIncompleteAt(id, reading)).toBe(false);
        };

        for (const step of script) {
          // So that no moment has two truths.
          clock.advance(1);
          if (step.kind === 'wait') clock.advance(step.ms);
          if (step.kind === 'create') {
            const transferId = TRANSFERS[step.transfer] ?? '';
            const id = idAt(created.length);
            world.addBackfill({ ...step.plan, id, transferId });
            created.push({ id, transferId, at: clock.now() });
          }
          if (step.kind === 'cancel') world.cancelBackfill('1', idAt(step.which));
          note();
          if (step.kind === 'page') {
            const ids = step.transfers.map((n) => TRANSFERS[n] ?? '');
            const { data, errors } = await query(
              `query ($ids: [ID!]!) { transfers(ids: $ids) { id latestBackfill { ${SELECTION} } } }`,
              { variables: { ids } },
            );
            expect(errors).toBeUndefined();
            const { transfers } = data as { transfers: { id: string; latestBackfill: Backfill | null }[] };
            for (const { id, latestBackfill } of transfers) {
              if (latestBackfill !== null) checkTrue(latestBackfill);
              const place = created.findIndex((one) => one.id === latestBackfill?.id);
              expect(place).toBeGreaterThanOrEqual(newest.get(id) ?? -1);
              newest.set(id, place);
              created.filter((one, n) => one.transferId === id && n > place).forEach(checkUnknown);
            }
          }
          if (step.kind === 'backfills') {
            const fields = step.which.map((n) => `b${n}: backfill(id: ${idAt(n)}) { ${SELECTION} }`);
            const result = await query(`{ ${fields.join(' ')} }`);
            const found = result.data as Readonly<Record<string, Backfill | null>>;
            expect(new Set(codesOf(result))).toEqual(
              new Set(Object.values(found).includes(null) ? ['NOT_FOUND'] : []),
            );
            for (const [name, backfill] of Object.entries(found)) {
              if (backfill !== null) checkTrue(backfill);
              else created.filter(({ id }) => id === idAt(Number(name.slice(1)))).forEach(checkUnknown);
            }
          }
        }
        expect(sandbox.calls.all.filter(({ status }) => status !== 200 && status !== 404)).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);
