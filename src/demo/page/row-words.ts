import type { Backfill } from './answers.ts';
import type { RowState } from './row-state.ts';
import { count, duration, moment } from './words.ts';

/** What stands in the place of a status. */
export function statusWord(state: RowState): string {
  switch (state.kind) {
    case 'known':
    case 'stale':
      return state.backfill.status;
    case 'failed':
      return 'Read failed';
    case 'never run':
      return 'Never run';
    case 'loading':
      return 'Loading';
  }
}

/** Why a row shows no backfill, where its read has not failed. */
export function without({ kind }: RowState): string {
  return kind === 'never run' ? 'No backfill so far. The read went well.' : 'No answer yet.';
}

/** How many runs failed, to follow other words. */
export function failedWords(failed: number): string {
  return failed === 0 ? '' : `, ${count(failed)} failed`;
}

/** When the backfill ends or ended. @param now milliseconds since the epoch */
export function endWords({ status, estimatedEndTime, endTime }: Backfill, now: number): string {
  if (estimatedEndTime !== null) {
    const left = Date.parse(estimatedEndTime) - now;
    return left > 0 ? `ends in ${duration(left)}, at ${moment(estimatedEndTime, now)}` : 'ends now';
  }
  switch (status) {
    case 'CREATED':
    case 'SCHEDULED':
      return 'not begun';
    case 'RUNNING':
      return 'no estimate yet';
    default:
      return endTime === null ? '' : `ended at ${moment(endTime, now)}`;
  }
}
