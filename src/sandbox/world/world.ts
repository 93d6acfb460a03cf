import { daysInRange } from './calendar.ts';
import { isInt64Id } from './int64.ts';
import { stateAt } from './lifecycle.ts';
import type { BackfillPlan, Cancellation } from './lifecycle.ts';
import { completePlan } from './plans.ts';
import type { NewBackfill } from './plans.ts';
import { findInSeries, planOfSeries, recentOfSeries, sizeOfSeries } from './series.ts';
import type { BackfillSeries } from './series.ts';
import { demoGrants } from './tokens.ts';
import type { TokenGrant } from './tokens.ts';
import { toWire, withOverride } from './wire.ts';
import type { WireBackfill, WireOverride } from './wire.ts';

export interface DateRange {
  readonly rangeStart: string;
  readonly rangeEnd: string;
}

export type CreateResult =
  | { readonly kind: 'created'; readonly backfill: WireBackfill }
  | { readonly kind: 'no-such-transfer' }
  | { readonly kind: 'range-reversed' }
  | { readonly kind: 'overlap'; readonly activeId: string };

export type CancelResult =
  | { readonly kind: 'cancelled'; readonly backfill: WireBackfill }
  | { readonly kind: 'no-such-backfill' }
  | { readonly kind: 'final'; readonly status: string };

/** The data of the fake API: teams, transfers, backfills and tokens, all as of the clock's moment. */
export interface World {
  now(): number;
  addToken(token: string, grant: TokenGrant): void;
  grantOf(token: string): TokenGrant | undefined;
  /** Whether the world has the team and the token may act for it. */
  hasTeam(grant: TokenGrant, teamId: string): boolean;
  hasTransfer(teamId: string, transferId: string): boolean;
  addTransfer(teamId: string, transferId: string): void;
  /**
   * Adds a backfill, and its team (1 by default) and transfer if they are new.
   * @returns the backfill's id
   */
  addBackfill(backfill: NewBackfill): string;
  addSeries(series: BackfillSeries): void;
  /** Sends these fields of a backfill instead of the computed ones, until it is cancelled or set again. */
  set(id: string, fields: WireOverride): void;
  createBackfill(teamId: string, transferId: string, range: DateRange, userId?: string): CreateResult;
  cancelBackfill(teamId: string, id: string, userId?: string): CancelResult;
  getBackfill(teamId: string, id: string): WireBackfill | undefined;
  latest(teamId: string, transferId: string): WireBackfill | undefined;
  incomplete(teamId: string): readonly WireBackfill[];
  /** Number of backfills in memory; those of series are not. */
  readonly stored: number;
}

interface Transfer {
  readonly plans: BackfillPlan[];
  readonly series: BackfillSeries[];
}

const LIST_LIMIT = 100;
const INCOMPLETE: ReadonlySet<string> = new Set(['CREATED', 'SCHEDULED', 'RUNNING', 'FAILED']);
const ACTIVE: ReadonlySet<string> = new Set(['CREATED', 'SCHEDULED', 'RUNNING']);

/** A world without teams and transfers, and with the demo's tokens, which may act for every team added later. */
export function createWorld({ now = Date.now }: { readonly now?: () => number } = {}): World {
  const teams = new Map<string, Map<string, Transfer>>();
  const plansById = new Map<string, BackfillPlan>();
  const allSeries: BackfillSeries[] = [];
  const cancellations = new Map<string, Cancellation>();
  const overrides = new Map<string, WireOverride>();
  const tokens = new Map<string, TokenGrant>(demoGrants('all', 'all'));
  let lastId = 500_000n;

  function transferOf(teamId: string, transferId: string): Transfer | undefined {
    return teams.get(teamId)?.get(transferId);
  }

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

  function store(plan: BackfillPlan): void {
    if (findPlan(plan.id) !== undefined) throw new Error(`There is a backfill ${plan.id} already.`);
    ensureTransfer(plan.teamId, plan.transferId).plans.push(plan);
    plansById.set(plan.id, plan);
  }

  function findPlan(id: string): BackfillPlan | undefined {
    const stored = plansById.get(id);
    if (stored !== undefined) return stored;
    for (const series of allSeries) {
      const found = findInSeries(series, id, now());
      if (found !== undefined) return found;
    }
    return undefined;
  }

  function freshId(): string {
    do lastId += 1n;
    while (findPlan(String(lastId)) !== undefined);
    return String(lastId);
  }

  /** The plan with a caller's cancellation, if there was one. */
  function actual(plan: BackfillPlan): BackfillPlan {
    const cancelled = cancellations.get(plan.id);
    return cancelled === undefined ? plan : { ...plan, cancelled };
  }

  function show(plan: BackfillPlan): WireBackfill {
    return withOverride(toWire(actual(plan), now()), overrides.get(plan.id));
  }

  /** The plans among which the incomplete and active ones are. */
  function recentPlans(transfer: Transfer): BackfillPlan[] {
    const born = transfer.plans.filter((plan) => plan.createdAt <= now());
    return [...born, ...transfer.series.flatMap((series) => recentOfSeries(series, now()))];
  }

  function getBackfill(teamId: string, id: string): WireBackfill | undefined {
    const plan = findPlan(id);
    return plan?.teamId === teamId && plan.createdAt <= now() ? show(plan) : undefined;
  }

  return {
    now,
    addToken: (token, grant) => void tokens.set(token, grant),
    grantOf: (token) => tokens.get(token),
    hasTeam: (grant, teamId) => teams.has(teamId) && (grant.teams === 'all' || grant.teams.includes(teamId)),
    hasTransfer: (teamId, transferId) => transferOf(teamId, transferId) !== undefined,
    addTransfer: (teamId, transferId) => void ensureTransfer(teamId, transferId),

    addBackfill(backfill) {
      const plan = completePlan(backfill, backfill.id ?? freshId(), now());
      store(plan);
      return plan.id;
    },

    addSeries(series) {
      ensureTransfer(series.teamId, series.transferId).series.push(series);
      allSeries.push(series);
    },

    set(id, fields) {
      if (findPlan(id) === undefined) throw new Error(`There is no backfill ${id} to set fields of.`);
      overrides.set(id, fields);
    },

    createBackfill(teamId, transferId, range, userId = '789') {
      const transfer = transferOf(teamId, transferId);
      if (transfer === undefined) return { kind: 'no-such-transfer' };
      if (daysInRange(range.rangeStart, range.rangeEnd) < 1) return { kind: 'range-reversed' };
      const inTheWay = recentPlans(transfer).find(
        (plan) =>
          plan.rangeStart <= range.rangeEnd &&
          range.rangeStart <= plan.rangeEnd &&
          ACTIVE.has(show(plan).status),
      );
      if (inTheWay !== undefined) return { kind: 'overlap', activeId: inTheWay.id };
      const plan = completePlan({ teamId, transferId, createdUserId: userId, ...range }, freshId(), now());
      store(plan);
      return { kind: 'created', backfill: show(plan) };
    },

    cancelBackfill(teamId, id, userId = '790') {
      const before = getBackfill(teamId, id);
      const plan = findPlan(id);
      if (before === undefined || plan === undefined) return { kind: 'no-such-backfill' };
      if (!INCOMPLETE.has(before.status)) return { kind: 'final', status: before.status };
      cancellations.set(id, { at: now(), userId });
      const kept = overrides.get(id);
      if (kept !== undefined) overrides.set(id, withoutOutcome(kept));
      return { kind: 'cancelled', backfill: show(plan) };
    },

    getBackfill,

    latest(teamId, transferId) {
      const transfer = transferOf(teamId, transferId);
      if (transfer === undefined) return undefined;
      const plans = transfer.plans.filter((plan) => plan.createdAt <= now());
      for (const series of transfer.series) {
        const size = sizeOfSeries(series, now());
        if (size > 0) plans.push(planOfSeries(series, size - 1));
      }
      const [latest] = plans.sort(newestFirst);
      return latest && show(latest);
    },

    incomplete(teamId) {
      const transfers = [...(teams.get(teamId)?.values() ?? [])];
      return transfers
        .flatMap(recentPlans)
        .filter((plan) => overrides.has(plan.id) || INCOMPLETE.has(stateAt(actual(plan), now()).status))
        .sort(newestFirst)
        .map(show)
        .filter((row) => INCOMPLETE.has(row.status))
        .slice(0, LIST_LIMIT);
    },

    get stored() {
      return plansById.size;
    },
  };
}

/** Compares by `created_time`, which has whole seconds; within one second the higher id is newer. */
function newestFirst(a: BackfillPlan, b: BackfillPlan): number {
  const seconds = Math.floor(b.createdAt / 1000) - Math.floor(a.createdAt / 1000);
  if (seconds !== 0) return seconds;
  return BigInt(a.id) < BigInt(b.id) ? 1 : -1;
}

function withoutOutcome(fields: WireOverride): WireOverride {
  const { status: _s, end_time: _e, removed_time: _t, removed_user_id: _u, ...kept } = fields;
  return kept;
}
