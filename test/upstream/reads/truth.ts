import type { NewBackfill } from '../../../src/sandbox/world/plans.ts';
import type { WireBackfill } from '../../../src/sandbox/world/wire.ts';
import type { Stack } from '../../harness.ts';

const INCOMPLETE: ReadonlySet<unknown> = new Set(['CREATED', 'SCHEDULED', 'RUNNING', 'FAILED']);

export interface Created {
  readonly id: string;
  readonly transferId: string;
  readonly at: number;
}

/** The fields of a backfill that can change, by their names in the schema. */
export type State = Readonly<Record<string, unknown>>;

/** What the REST API would have said at each moment at which it can have been asked. */
export interface Truth {
  /** In the order of their creation. */
  readonly created: readonly Created[];
  /** The id of the nth backfill, which need not exist yet. */
  idOf(n: number): string;
  create(transferId: string, plan: Partial<NewBackfill>): void;
  /** Records the state of every backfill at this moment. */
  record(): void;
  stateAt(moment: number, id: string): State | undefined;
  wasIncompleteAt(moment: number, id: string): boolean;
}

export function isIncomplete(status: unknown): boolean {
  return INCOMPLETE.has(status);
}

export function truthOf({ world, clock }: Pick<Stack, 'world' | 'clock'>): Truth {
  const created: Created[] = [];
  const moments = new Map<number, ReadonlyMap<string, State>>();
  const idOf = (n: number): string => String(1_001 + n);
  const stateAt = (moment: number, id: string): State | undefined => moments.get(moment)?.get(id);
  return {
    created,
    idOf,
    create(transferId, plan) {
      const id = idOf(created.length);
      world.addBackfill({ ...plan, id, transferId });
      created.push({ id, transferId, at: clock.now() });
    },
    record() {
      const states = new Map<string, State>();
      for (const { id } of created) {
        const backfill = world.getBackfill('1', id);
        if (backfill !== undefined) states.set(id, stateOf(id, backfill));
      }
      moments.set(clock.now(), states);
    },
    stateAt,
    wasIncompleteAt: (moment, id) => isIncomplete(stateAt(moment, id)?.['status']),
  };
}

function stateOf(id: string, backfill: WireBackfill): State {
  return {
    id,
    status: backfill.status,
    transferRunsCompleted: backfill.transfer_runs_completed,
    transferRunsFailed: backfill.transfer_runs_failed,
    startTime: backfill.start_time ?? null,
    endTime: backfill.end_time ?? null,
    removedTime: backfill.removed_time ?? null,
  };
}
