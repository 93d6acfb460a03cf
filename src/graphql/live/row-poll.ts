import { isDeepStrictEqual } from 'node:util';
import type { BackfillSnapshot } from '../../upstream/cache/snapshots.ts';
import { UpstreamError } from '../../upstream/errors.ts';
import { FailedRow, isRefusal, type Row } from './rows.ts';

/** What one poll brought for one backfill. */
export type RowOutcome =
  | { readonly snapshot: BackfillSnapshot }
  | {
      readonly error: Error;
      /** The last known state, as stale, where it may stand in. */
      readonly known: BackfillSnapshot | undefined;
    };

/** What becomes of a row by a poll. */
export interface RowStep {
  readonly row: Row;
  /** Whether readers are told. A later `fetchedAt` alone is no news. */
  readonly isNews: boolean;
}

/** What one poll means to all who watch one backfill. */
export interface RowPoll {
  readonly outcome: RowOutcome;
  /** Ends every stream that watches the backfill: the credential is refused, or it is a bug. */
  readonly fatal: Error | undefined;
  /** Whether the poll left anybody with a stale state. */
  readonly leavesStale: boolean;
  /** Worked out once for all whose row was the same. */
  step(last: Row | undefined): RowStep;
}

export interface RowPollDeps {
  /** Whether a state is too old to stand in for one that cannot be had. */
  readonly isTooOld: (snapshot: BackfillSnapshot) => boolean;
  /** Monotonic milliseconds. */
  readonly now: number;
}

export function createRowPoll(outcome: RowOutcome, { isTooOld, now }: RowPollDeps): RowPoll {
  const steps = new Map<Row | undefined, RowStep>();
  let leavesStale = 'snapshot' in outcome && outcome.snapshot.isStale;

  function work(last: Row | undefined): RowStep {
    if ('snapshot' in outcome) return toSnapshot(last, outcome.snapshot);
    const { error, known } = outcome;
    if (!(error instanceof UpstreamError)) throw error;
    if (last instanceof FailedRow) {
      const row = new FailedRow(error, last.triedUntil, now);
      return { row, isNews: isRefusal(error) && !isRefusal(last.error) };
    }
    const stale = known ?? (last && { ...last, isStale: true });
    if (stale === undefined || isRefusal(error) || isTooOld(stale))
      return { row: new FailedRow(error, -Infinity, now), isNews: true };
    leavesStale = true;
    return toSnapshot(last, stale);
  }

  return {
    outcome,
    fatal: 'error' in outcome && isFatal(outcome.error) ? outcome.error : undefined,
    get leavesStale() {
      return leavesStale;
    },
    step(last) {
      let step = steps.get(last);
      if (step === undefined) {
        step = work(last);
        steps.set(last, step);
      }
      return step;
    },
  };
}

function toSnapshot(last: Row | undefined, snapshot: BackfillSnapshot): RowStep {
  const isNews = last === undefined || last instanceof FailedRow || differs(last, snapshot);
  return { row: snapshot, isNews };
}

function differs(a: BackfillSnapshot, b: BackfillSnapshot): boolean {
  return a.isStale !== b.isStale || !isDeepStrictEqual(a.record, b.record);
}

/** Whether an error of one read ends the whole stream. */
export function isFatal(error: unknown): boolean {
  return !(error instanceof UpstreamError) || error.subject === 'credential';
}
