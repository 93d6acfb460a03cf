import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLivingWorld, lastVersionOfFirst, type WorldPlan } from './living-world.ts';

const PLAN: WorldPlan = {
  seed: 1,
  startsAt: 1_000_000,
  quietMs: 8_000,
  changingMs: 60_000,
  firstTransferId: 5_000,
  transfers: 200,
  running: 50,
  changeEveryMs: 10_000,
  endShare: 0.2,
};

const plans = fc.record({
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  startsAt: fc.constant(PLAN.startsAt),
  quietMs: fc.integer({ min: 0, max: 10_000 }),
  changingMs: fc.integer({ min: 1_000, max: 120_000 }),
  firstTransferId: fc.constant(PLAN.firstTransferId),
  transfers: fc.constant(60),
  running: fc.integer({ min: 0, max: 60 }),
  changeEveryMs: fc.integer({ min: 1_000, max: 20_000 }),
  endShare: fc.double({ min: 0, max: 1, noNaN: true }),
});

describe('a living world', () => {
  it('is the same in every process that has its plan', () => {
    expect(createLivingWorld(PLAN).rows).toEqual(createLivingWorld(PLAN).rows);
  });

  it('is another one for another seed', () => {
    expect(createLivingWorld({ ...PLAN, seed: 2 }).rows).not.toEqual(createLivingWorld(PLAN).rows);
  });

  it('changes only while it may, each transfer in states that are numbered by its changes', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const world = createLivingWorld(plan);
        world.rows.forEach(({ states }, n) => {
          expect(states.map(({ version }) => version)).toEqual(states.map((_, index) => index));
          expect(states.map(({ at }) => at)).toEqual(states.map(({ at }) => at).sort((a, b) => a - b));
          if (n >= plan.running) expect(states).toHaveLength(1);
          for (const { at } of states.slice(1)) {
            expect(at).toBeGreaterThanOrEqual(world.changesFrom);
            expect(at).toBeLessThanOrEqual(world.changesUntil);
          }
        });
      }),
      { numRuns: 50 },
    );
  });

  it('begins a new backfill after one that has ended and nowhere else, with ids that grow with time', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const begins: { readonly at: number; readonly id: number }[] = [];
        for (const { states } of createLivingWorld(plan).rows) {
          states.slice(1).forEach(({ at, backfillId, status }, index) => {
            const before = states[index];
            expect(backfillId !== before?.backfillId).toBe(before?.status === 'COMPLETED');
            if (before?.status !== 'COMPLETED') return;
            expect(status).toBe('RUNNING');
            begins.push({ at, id: backfillId });
          });
        }
        const byId = [...begins].sort((a, b) => a.id - b.id).map(({ at }) => at);
        expect(byId).toEqual([...byId].sort((a, b) => a - b));
        expect(new Set(begins.map(({ id }) => id)).size).toBe(begins.length);
      }),
      { numRuns: 50 },
    );
  });

  it('says of each moment what its states say, by transfer, by backfill and in its list alike', () => {
    fc.assert(
      fc.property(plans, fc.integer({ min: 0, max: 130_000 }), (plan, after) => {
        const world = createLivingWorld(plan);
        const at = plan.startsAt + after;
        const listed = new Map(world.incomplete(at).map(({ row, state }) => [row.transferId, state]));
        for (const row of world.rows) {
          const latest = world.latest(row.transferId, at);
          expect(latest).toBe(row.states.filter((state) => state.at <= at).at(-1));
          if (latest === undefined) continue;
          expect(world.backfill(latest.backfillId, at)).toEqual({ row, state: latest });
          expect(listed.get(row.transferId)).toBe(latest.status === 'RUNNING' ? latest : undefined);
        }
        const ids = [...listed.values()].map(({ backfillId }) => backfillId);
        expect(ids).toEqual([...ids].sort((a, b) => b - a));
      }),
      { numRuns: 50 },
    );
  });

  it('knows no backfill before it begins, and keeps one that has ended as it ended', () => {
    const world = createLivingWorld(PLAN);
    const row = world.rows.find(({ states }) =>
      states.some(({ backfillId }) => backfillId !== states[0].backfillId),
    );
    const last = row && lastVersionOfFirst(row);
    const [ended, begun] = row?.states.slice(last, (last ?? 0) + 2) ?? [];
    if (ended === undefined || begun === undefined) throw new Error('no backfill ends in this world');
    expect(ended.status).toBe('COMPLETED');
    expect(world.backfill(begun.backfillId, begun.at - 1)).toBeUndefined();
    expect(world.backfill(begun.backfillId, begun.at)?.state).toBe(begun);
    expect(world.backfill(ended.backfillId, begun.at + 1_000_000)?.state).toBe(ended);
    expect(world.latest(PLAN.firstTransferId - 1, PLAN.startsAt)).toBeUndefined();
  });
});
