import type { ResourceId } from '../../ids.ts';
import type { RowPoll } from './row-poll.ts';
import { isOver, type Row, type Rows } from './rows.ts';

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
