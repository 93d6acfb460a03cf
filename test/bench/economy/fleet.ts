import type { NewBackfill } from '../../../src/sandbox/world/plans.ts';
import { createWorld, type World } from '../../../src/sandbox/world/world.ts';
import { someOf, seededRandom } from '../random.ts';

/** Clients that each keep a dashboard of some of one team's transfers up to date, and what becomes of those transfers. */
export interface Fleet {
  readonly transferIds: readonly string[];
  /** Every backfill that there is or will be, each with its id. */
  readonly backfills: readonly PlannedBackfill[];
  readonly clients: readonly FleetClient[];
}

export interface PlannedBackfill extends NewBackfill {
  readonly id: string;
  readonly createdAt: number;
  /** When it ends by itself; before the beginning for those of the past. */
  readonly endsAt: number;
}

export interface FleetClient {
  /** When it first asks, in milliseconds after the beginning. */
  readonly offsetMs: number;
  readonly transferIds: readonly string[];
}

export interface FleetOptions {
  readonly transfers: number;
  /** How many of them have a backfill under way at any moment. */
  readonly running: number;
  /** Epoch milliseconds. */
  readonly startsAt: number;
  readonly hours: number;
  /** {@link CLIENTS} by default. */
  readonly clients?: number;
}

export const CLIENTS = 200;
export const DASHBOARD = 50;
export const POLL_MS = 2_000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const SEED = 4;
const RUNS = 365;
/** Backfills take 10 to 30 minutes. */
const SHORTEST_MINUTES = 10;
const LONGEST_MINUTES = 30;
/** Of ten transfers one never had a backfill and one had its last cancelled; neither ever runs. */
const NEVER = 0;
const CANCELLED = 1;

/** The same fleet every time. */
export function planFleet(options: FleetOptions): Fleet {
  const { transfers, running, startsAt, hours, clients: count = CLIENTS } = options;
  const random = seededRandom(SEED);
  const transferIds = Array.from({ length: transfers }, (_, n) => String(5_000 + n));
  const backfills: PlannedBackfill[] = [];

  function add(
    transferId: string,
    createdAt: number,
    durationMs: number,
    more: Partial<NewBackfill> = {},
  ): void {
    backfills.push({
      id: String(900_000 + backfills.length),
      transferId,
      createdAt,
      endsAt: createdAt + durationMs,
      scheduleDelayMs: 3_000,
      startDelayMs: 5_000,
      runs: RUNS,
      msPerRun: (durationMs - 8_000) / RUNS,
      ...more,
    });
  }

  const tenthOf = (n: number): number => n % 10;
  const idle = transferIds.filter((_, n) => tenthOf(n) !== NEVER && tenthOf(n) !== CANCELLED);
  for (const transferId of idle) add(transferId, startsAt - DAY_MS, 10 * MINUTE_MS);
  for (const transferId of transferIds.filter((_, n) => tenthOf(n) === CANCELLED)) {
    const cancelled = { at: startsAt - DAY_MS + 5 * MINUTE_MS, userId: '790' };
    add(transferId, startsAt - DAY_MS, 10 * MINUTE_MS, { cancelled });
  }

  // Wherever one ends, another transfer's begins at that moment.
  const slots = Array.from({ length: running }, () => ({
    freeAt: -Infinity,
    transferId: undefined as string | undefined,
  }));
  const until = startsAt + hours * 60 * MINUTE_MS;
  for (;;) {
    const slot = slots.reduce((a, b) => (b.freeAt < a.freeAt ? b : a));
    if (slot.freeAt > until) break;
    const [transferId] = idle.splice(Math.floor(random() * idle.length), 1);
    if (transferId === undefined) throw new Error('there are too few transfers to keep so many running');
    if (slot.transferId !== undefined) idle.push(slot.transferId);
    const durationMs = Math.floor(
      (SHORTEST_MINUTES + random() * (LONGEST_MINUTES - SHORTEST_MINUTES)) * MINUTE_MS,
    );
    const createdAt =
      slot.freeAt === -Infinity ? startsAt - Math.floor(random() * durationMs * 0.99) : slot.freeAt;
    add(transferId, createdAt, durationMs);
    slot.freeAt = createdAt + durationMs;
    slot.transferId = transferId;
  }

  const clients = Array.from({ length: count }, (_, n) => ({
    offsetMs: (n * POLL_MS) / count,
    transferIds: someOf(transferIds, DASHBOARD, random),
  }));
  return { transferIds, backfills, clients };
}

/** A world of the fleet; of two on different clocks each shows the same at the same moment. */
export function worldOf({ transferIds, backfills }: Fleet, now: () => number): World {
  const world = createWorld({ now });
  for (const transferId of transferIds) world.addTransfer('1', transferId);
  for (const { endsAt: _endsAt, ...backfill } of backfills) world.addBackfill(backfill);
  return world;
}

/** How many end by themselves within a time. */
export function endedWithin({ backfills }: Fleet, from: number, until: number): number {
  return backfills.filter(({ endsAt }) => endsAt > from && endsAt <= until).length;
}
