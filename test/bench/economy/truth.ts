import type { WireBackfill } from '../../../src/sandbox/world/wire.ts';
import { type Fleet, worldOf } from './fleet.ts';

/** What the sandbox would have said at any moment. */
export interface Truth {
  /** The latest backfill of a transfer; undefined where there is none yet. */
  latestAt(at: number, transferId: string): WireBackfill | undefined;
  /** Its id, told without computing the rest. */
  latestIdAt(at: number, transferId: string): string | undefined;
}

export function truthOf(fleet: Fleet): Truth {
  let moment = 0;
  const world = worldOf(fleet, () => moment);
  const newestFirst = new Map<string, { readonly id: string; readonly createdAt: number }[]>();
  for (const { transferId, id, createdAt } of [...fleet.backfills].sort(
    (a, b) => b.createdAt - a.createdAt,
  )) {
    const others = newestFirst.get(transferId) ?? [];
    newestFirst.set(transferId, others);
    others.push({ id, createdAt });
  }
  return {
    latestAt(at, transferId) {
      moment = at;
      return world.latest('1', transferId);
    },
    latestIdAt: (at, transferId) => newestFirst.get(transferId)?.find(({ createdAt }) => createdAt <= at)?.id,
  };
}
