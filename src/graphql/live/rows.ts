import type { ResourceId } from '../../ids.ts';
import type { BackfillSnapshot } from '../../upstream/cache/snapshots.ts';
import type { UpstreamError } from '../../upstream/errors.ts';
import { factsOf } from '../../upstream/rest/statuses.ts';

/** What streams know of one backfill: its state, or why they have none. */
export type Row = BackfillSnapshot | FailedRow;

/** By the ids of the backfills, in the order in which events have them. Never changed, so that streams share them. */
export type Rows = ReadonlyMap<ResourceId, Row>;

/** A backfill that cannot be had. */
export class FailedRow {
  readonly error: UpstreamError;
  /** Monotonic milliseconds until which polls try again; -Infinity after a refusal. */
  readonly triedUntil: number;
  /** Whether polls have given it up. */
  readonly isOver: boolean;

  constructor(error: UpstreamError, triedUntil: number, now: number) {
    this.error = error;
    this.triedUntil = isRefusal(error) ? -Infinity : triedUntil;
    this.isOver = now >= this.triedUntil;
  }
}

/** Whether nothing more happens to the row by itself. A stream whose rows are all over completes. */
export function isOver(row: Row): boolean {
  return row instanceof FailedRow ? row.isOver : (factsOf(row.record.status)?.over ?? false);
}

/** Whether the row need not be read again. A failed backfill can still be cancelled, and its team's list has it. */
export function isSettled(row: Row): boolean {
  return row instanceof FailedRow ? row.isOver : factsOf(row.record.status)?.listed === false;
}

export function failuresIn(rows: Rows): readonly FailedRow[] {
  return [...rows.values()].filter((row) => row instanceof FailedRow);
}

/** Whether the rows may be shared by streams that had them from different reads. */
export function areSame(some: Rows, others: Rows): boolean {
  if (some === others) return true;
  if (some.size !== others.size) return false;
  for (const [id, row] of some) if (!isSame(row, others.get(id))) return false;
  return true;
}

function isSame(a: Row, b: Row | undefined): boolean {
  if (a === b) return true;
  if (!(a instanceof FailedRow) || !(b instanceof FailedRow)) return false;
  return a.isOver === b.isOver && a.error.kind === b.error.kind;
}

/** A refusal counts at once: its caller may not see the last state any longer. */
export function isRefusal({ subject }: UpstreamError): boolean {
  return subject === 'credential' || subject === 'resource';
}
