import type { ResourceId } from '../../ids.ts';
import type { RowPoll } from './row-poll.ts';
import { FailedRow, isOver, isSettled, type Row, type Rows } from './rows.ts';

/** What becomes of all rows that a stream watches by one poll. */
export interface RowsStep {
  readonly rows: Rows;
  /** Those that readers are told. */
  readonly changed: Rows;
  /** Whether the stream completes. */
  readonly isOver: boolean;
}

type Polled = ReadonlyMap<ResourceId, RowPoll>;

/** Rows that were not polled stay as they are. */
export function stepRows(last: Rows, polled: Polled): RowsStep | Error {
  const rows = new Map<ResourceId, Row>();
  const changed = new Map<ResourceId, Row>();
  let allOver = true;
  for (const [id, before] of last) {
    const poll = polled.get(id);
    if (poll?.fatal !== undefined) return poll.fatal;
    const { row, isNews } = poll?.step(before) ?? { row: before, isNews: false };
    rows.set(id, row);
    if (isNews) changed.set(id, row);
    allOver &&= isOver(row);
  }
  return { rows, changed, isOver: allOver };
}

/**
 * The rows of a team's list. One that is not in it any more, and is over by its own endpoint, has left; one that is not
 * over stands beyond the end of the list.
 * @param listed the ids in the list, in its order
 * @returns an error where one that has left cannot be had
 */
export function stepList(last: Rows, listed: readonly ResourceId[], polled: Polled): RowsStep | Error {
  const rows = new Map<ResourceId, Row>();
  const changed = new Map<ResourceId, Row>();
  for (const id of new Set([...listed, ...last.keys()])) {
    const before = last.get(id);
    const poll = polled.get(id);
    if (poll?.fatal !== undefined) return poll.fatal;
    const step = poll?.step(before) ?? (before && { row: before, isNews: false });
    if (step === undefined) continue;
    const { row, isNews } = step;
    if (row instanceof FailedRow) return row.error;
    const hasLeft = isSettled(row);
    if (!hasLeft) rows.set(id, row);
    if (hasLeft ? before !== undefined : isNews) changed.set(id, row);
  }
  return { rows, changed, isOver: false };
}
