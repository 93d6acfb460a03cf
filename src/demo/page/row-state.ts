import { type Answer, type Backfill, type Failure, failureOf, type TransfersData } from './answers.ts';

/** What is known of one row. A null is two different things: a failure with its error, or nothing there. */
export type RowState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'known'; readonly backfill: Backfill }
  /** The last word of a REST API that cannot be asked. */
  | { readonly kind: 'stale'; readonly backfill: Backfill }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'never run' };

export function stateOf(backfill: Backfill): RowState {
  return { kind: backfill.isStale ? 'stale' : 'known', backfill };
}

/** The state of each transfer's latest backfill, by the answer's data and the paths of its errors. */
export function transferStates(
  ids: readonly string[],
  { data, errors }: Answer<TransfersData>,
): ReadonlyMap<string, RowState> {
  return new Map(
    ids.map((id, n) => {
      const backfill = data?.transfers[n]?.latestBackfill;
      if (backfill !== undefined && backfill !== null) return [id, stateOf(backfill)];
      const error = errors.find(({ path = [] }) =>
        ['transfers', n, 'latestBackfill'].every(
          (step, depth) => depth >= path.length || path[depth] === step,
        ),
      );
      if (error !== undefined) return [id, { kind: 'failed', failure: failureOf(error, errors) }];
      return [id, data === null ? { kind: 'loading' } : { kind: 'never run' }];
    }),
  );
}
