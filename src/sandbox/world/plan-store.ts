import { isInt64Id } from './int64.ts';
import type { BackfillPlan } from './lifecycle.ts';
import { findInSeries, planOfSeries, recentOfSeries, sizeOfSeries } from './series.ts';
import type { BackfillSeries } from './series.ts';

export interface Transfer {
  readonly plans: BackfillPlan[];
  readonly series: BackfillSeries[];
}

/** The plans of all backfills, by team and transfer and by id. */
export interface PlanStore {
  hasTeam(teamId: string): boolean;
  transfers(teamId: string): readonly Transfer[];
  transfer(teamId: string, transferId: string): Transfer | undefined;
  /** The transfer, added with its team if it is new. */
  ensureTransfer(teamId: string, transferId: string): Transfer;
  add(plan: BackfillPlan): void;
  addSeries(series: BackfillSeries): void;
  find(id: string): BackfillPlan | undefined;
  /** An id that no backfill has. */
  freshId(): string;
  /** The transfer's plans among which its incomplete and active backfills are. */
  recent(transfer: Transfer): BackfillPlan[];
  /** The transfer's plans among which its latest backfill is. */
  candidatesForLatest(transfer: Transfer): BackfillPlan[];
  /** Number of plans in memory; those of series are not. */
  readonly size: number;
}

/** @param now epoch milliseconds; plans from later moments do not exist yet */
export function createPlanStore(now: () => number): PlanStore {
  const teams = new Map<string, Map<string, Transfer>>();
  const plansById = new Map<string, BackfillPlan>();
  const allSeries: BackfillSeries[] = [];
  let lastId = 500_000n;

  function ensureTransfer(teamId: string, transferId: string): Transfer {
    if (!isInt64Id(teamId) || !isInt64Id(transferId)) {
      throw new RangeError(`Team and transfer ids must be positive int64, got "${teamId}", "${transferId}".`);
    }
    const team = teams.get(teamId) ?? new Map<string, Transfer>();
    teams.set(teamId, team);
    const transfer = team.get(transferId) ?? { plans: [], series: [] };
    team.set(transferId, transfer);
    return transfer;
  }

  function find(id: string): BackfillPlan | undefined {
    const stored = plansById.get(id);
    if (stored !== undefined) return stored;
    for (const series of allSeries) {
      const found = findInSeries(series, id, now());
      if (found !== undefined) return found;
    }
    return undefined;
  }

  function born({ plans }: Transfer): BackfillPlan[] {
    return plans.filter((plan) => plan.createdAt <= now());
  }

  return {
    hasTeam: (teamId) => teams.has(teamId),
    transfers: (teamId) => [...(teams.get(teamId)?.values() ?? [])],
    transfer: (teamId, transferId) => teams.get(teamId)?.get(transferId),
    ensureTransfer,
    find,

    add(plan) {
      if (find(plan.id) !== undefined) throw new Error(`There is a backfill ${plan.id} already.`);
      ensureTransfer(plan.teamId, plan.transferId).plans.push(plan);
      plansById.set(plan.id, plan);
    },

    addSeries(series) {
      ensureTransfer(series.teamId, series.transferId).series.push(series);
      allSeries.push(series);
    },

    freshId() {
      do lastId += 1n;
      while (find(String(lastId)) !== undefined);
      return String(lastId);
    },

    recent(transfer) {
      return [...born(transfer), ...transfer.series.flatMap((series) => recentOfSeries(series, now()))];
    },

    candidatesForLatest(transfer) {
      const plans = born(transfer);
      for (const series of transfer.series) {
        const size = sizeOfSeries(series, now());
        if (size > 0) plans.push(planOfSeries(series, size - 1));
      }
      return plans;
    },

    get size() {
      return plansById.size;
    },
  };
}
