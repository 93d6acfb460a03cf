import { daysInRange } from './calendar.ts';
import { stateAt } from './lifecycle.ts';
import type { BackfillPlan, Cancellation } from './lifecycle.ts';
import { completePlan } from './plans.ts';
import type { NewBackfill } from './plans.ts';
import { createPlanStore } from './plan-store.ts';
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
  /** From then on every call with the token is refused with 401. */
  removeToken(token: string): void;
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
  /** All that are not final, also those with a status that only `set` has given them; newest first, at most 100. */
  incomplete(teamId: string): readonly WireBackfill[];
  /** Number of backfills in memory; those of series are not. */
  readonly stored: number;
}

const LIST_LIMIT = 100;
const FINAL: ReadonlySet<string> = new Set(['COMPLETED', 'CANCELLED']);
const ACTIVE: ReadonlySet<string> = new Set(['CREATED', 'SCHEDULED', 'RUNNING']);

/** A world without teams and transfers, and with the demo's tokens, which may act for every team added later. */
export function createWorld({ now = Date.now }: { readonly now?: () => number } = {}): World {
  const store = createPlanStore(now);
  const cancellations = new Map<string, Cancellation>();
  const overrides = new Map<string, WireOverride>();
  const tokens = new Map<string, TokenGrant>(demoGrants('all', 'all'));

  /** The plan with a caller's cancellation, if there was one. */
  function actual(plan: BackfillPlan): BackfillPlan {
    const cancelled = cancellations.get(plan.id);
    return cancelled === undefined ? plan : { ...plan, cancelled };
  }

  function show(plan: BackfillPlan): WireBackfill {
    return withOverride(toWire(actual(plan), now()), overrides.get(plan.id));
  }

  function getBackfill(teamId: string, id: string): WireBackfill | undefined {
    const plan = store.find(id);
    return plan?.teamId === teamId && plan.createdAt <= now() ? show(plan) : undefined;
  }

  return {
    now,
    addToken: (token, grant) => void tokens.set(token, grant),
    removeToken: (token) => void tokens.delete(token),
    grantOf: (token) => tokens.get(token),
    hasTeam: (grant, teamId) =>
      store.hasTeam(teamId) && (grant.teams === 'all' || grant.teams.includes(teamId)),
    hasTransfer: (teamId, transferId) => store.transfer(teamId, transferId) !== undefined,
    addTransfer: (teamId, transferId) => void store.ensureTransfer(teamId, transferId),
    addSeries: store.addSeries,

    addBackfill(backfill) {
      const plan = completePlan(backfill, backfill.id ?? store.freshId(), now());
      store.add(plan);
      return plan.id;
    },

    set(id, fields) {
      if (store.find(id) === undefined) throw new Error(`There is no backfill ${id} to set fields of.`);
      overrides.set(id, fields);
    },

    createBackfill(teamId, transferId, range, userId = '789') {
      const transfer = store.transfer(teamId, transferId);
      if (transfer === undefined) return { kind: 'no-such-transfer' };
      if (daysInRange(range.rangeStart, range.rangeEnd) < 1) return { kind: 'range-reversed' };
      const inTheWay = store
        .recent(transfer)
        .find(
          (plan) =>
            plan.rangeStart <= range.rangeEnd &&
            range.rangeStart <= plan.rangeEnd &&
            ACTIVE.has(show(plan).status),
        );
      if (inTheWay !== undefined) return { kind: 'overlap', activeId: inTheWay.id };
      const plan = completePlan(
        { teamId, transferId, createdUserId: userId, ...range },
        store.freshId(),
        now(),
      );
      store.add(plan);
      return { kind: 'created', backfill: show(plan) };
    },

    cancelBackfill(teamId, id, userId = '790') {
      const before = getBackfill(teamId, id);
      const plan = store.find(id);
      if (before === undefined || plan === undefined) return { kind: 'no-such-backfill' };
      if (FINAL.has(before.status)) return { kind: 'final', status: before.status };
      cancellations.set(id, { at: now(), userId });
      const kept = overrides.get(id);
      if (kept !== undefined) overrides.set(id, withoutOutcome(kept));
      return { kind: 'cancelled', backfill: show(plan) };
    },

    getBackfill,

    latest(teamId, transferId) {
      const transfer = store.transfer(teamId, transferId);
      if (transfer === undefined) return undefined;
      const [latest] = store.candidatesForLatest(transfer).sort(newestFirst);
      return latest && show(latest);
    },

    incomplete(teamId) {
      return store
        .transfers(teamId)
        .flatMap(store.recent)
        .filter((plan) => overrides.has(plan.id) || !FINAL.has(stateAt(actual(plan), now()).status))
        .sort(newestFirst)
        .map(show)
        .filter((row) => !FINAL.has(row.status))
        .slice(0, LIST_LIMIT);
    },

    get stored() {
      return store.size;
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
