import { seededRandom } from './random.ts';

/**
 * What a REST API says while transfers make progress. It follows from its plan alone, so that the fake upstream and a
 * reader in another process know the same of each moment without a word between them.
 */
export interface WorldPlan {
  readonly seed: number;
  /** Epoch milliseconds: from then on there is the world, at first without changes. */
  readonly startsAt: number;
  /** How long it stays without changes, and then how long there are some, in milliseconds. */
  readonly quietMs: number;
  readonly changingMs: number;
  /** Transfers have the ids from this one on, and backfills those from ten times it; at most 15 digits. */
  readonly firstTransferId: number;
  readonly transfers: number;
  /** How many of them have a backfill that changes; the REST API lists at most 100. */
  readonly running: number;
  /** Mean time between two changes of a transfer; each is between half of it and one and a half times it. */
  readonly changeEveryMs: number;
  /** Share of the changes that end a backfill. The change after it begins a new one of the same transfer. */
  readonly endShare: number;
}

/** What the latest backfill of a transfer is from a moment on, until its next state. */
export interface RowState {
  readonly at: number;
  /** How many changes there were before. It is also the count of completed runs, so that a value tells its state. */
  readonly version: number;
  readonly backfillId: number;
  readonly status: 'RUNNING' | 'COMPLETED';
}

/** A transfer with all states that its latest backfill will have. */
export interface Row {
  readonly transferId: number;
  readonly states: readonly [RowState, ...RowState[]];
}

export interface LivingWorld {
  readonly rows: readonly Row[];
  /** Epoch milliseconds, between which all changes are. */
  readonly changesFrom: number;
  readonly changesUntil: number;
  /** Undefined for a transfer that there is not. */
  latest(transferId: number, at: number): RowState | undefined;
  /** Undefined for a backfill that there is not, or not yet. */
  backfill(id: number, at: number): { readonly row: Row; readonly state: RowState } | undefined;
  /** Newest first. */
  incomplete(at: number): readonly { readonly row: Row; readonly state: RowState }[];
}

export function createLivingWorld(plan: WorldPlan): LivingWorld {
  const { startsAt, quietMs, changingMs, firstTransferId } = plan;
  const rows = planRows(plan);
  const rowOfBackfill = new Map<number, Row>();
  for (const row of rows) for (const { backfillId } of row.states) rowOfBackfill.set(backfillId, row);
  return {
    rows,
    changesFrom: startsAt + quietMs,
    changesUntil: startsAt + quietMs + changingMs,
    latest(transferId, at) {
      const row = rows[transferId - firstTransferId];
      return row && stateAt(row, at);
    },
    backfill(id, at) {
      const row = rowOfBackfill.get(id);
      const state = row?.states.findLast((one) => one.backfillId === id && one.at <= at);
      return row && state && { row, state };
    },
    incomplete: (at) =>
      rows
        .map((row) => ({ row, state: stateAt(row, at) }))
        .filter(({ state }) => state.status === 'RUNNING')
        .sort((a, b) => b.state.backfillId - a.state.backfillId),
  };
}

/** The last version of the backfill with which a row begins. */
export function lastVersionOfFirst({ states }: Row): number {
  const [{ backfillId }] = states;
  return states.findLast((state) => state.backfillId === backfillId)?.version ?? 0;
}

function stateAt({ states }: Row, at: number): RowState {
  return states.findLast((state) => state.at <= at) ?? states[0];
}

type Change = Pick<RowState, 'at' | 'status'> & { readonly begins: boolean };

function planRows(plan: WorldPlan): readonly Row[] {
  const { firstTransferId, transfers, running, startsAt } = plan;
  const random = seededRandom(plan.seed);
  const changes = Array.from({ length: transfers }, (_, n) => (n < running ? planChanges(plan, random) : []));

  // Ids grow with time, as the REST API's do.
  const firstBackfillId = firstTransferId * 10;
  const begins = changes.flatMap((own) => own.filter((change) => change.begins));
  const newIds = new Map(
    begins.sort((a, b) => a.at - b.at).map((change, n) => [change, firstBackfillId + transfers + n] as const),
  );
  return changes.map((own, n) => {
    const first: RowState = {
      at: startsAt,
      version: 0,
      backfillId: firstBackfillId + n,
      status: n < running ? 'RUNNING' : 'COMPLETED',
    };
    let { backfillId } = first;
    const later = own.map((change, index): RowState => {
      backfillId = newIds.get(change) ?? backfillId;
      return { at: change.at, version: index + 1, backfillId, status: change.status };
    });
    return { transferId: firstTransferId + n, states: [first, ...later] };
  });
}

function planChanges(
  { startsAt, quietMs, changingMs, changeEveryMs, endShare }: WorldPlan,
  random: () => number,
): readonly Change[] {
  const changes: Change[] = [];
  const from = startsAt + quietMs;
  for (
    let at = from + random() * changeEveryMs;
    at < from + changingMs;
    at += changeEveryMs * (0.5 + random())
  ) {
    const begins = changes.at(-1)?.status === 'COMPLETED';
    const ends = !begins && random() < endShare;
    changes.push({ at: Math.round(at), begins, status: ends ? 'COMPLETED' : 'RUNNING' });
  }
  return changes;
}
