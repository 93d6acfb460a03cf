import type { ResourceId } from '../../ids.ts';
import type { Freshness } from '../cache/freshness.ts';
import { type BackfillSnapshot, type Entry, isNewer, type Known, type Resource } from '../cache/snapshots.ts';
import { factsOf } from '../rest/statuses.ts';

/**
 * One reading of `GET /teams/{team}/backfills`: every incomplete backfill of a team in one call. This is the read of
 * many that the REST API otherwise lacks. Moments are monotonic milliseconds.
 *
 * The list proves the following, and so decides how consistent every answer from it is:
 *
 * - A backfill in the list is as good as read by its id.
 * - A backfill that was incomplete and is not in the list has ended. Its own endpoint knows how.
 * - A backfill that had ended is confirmed by its absence, and so is "there is none". This renews its freshness, not the
 *   moment at which the REST API gave it.
 * - The latest backfill of a transfer, once known, stays the latest until the list holds a newer one, which is the latest
 *   then. A backfill that was created and ended between two readings is in neither, and the last counts of a cancelled
 *   backfill change outside of the list. So everything answered this way is resynced: its own endpoint is asked again
 *   within the final lifetime.
 * - The list says nothing of the latest backfill of a transfer of which nothing is known: a newer one may have ended.
 * - Where the list may be incomplete (100 rows), absence says nothing.
 */
export interface TeamList {
  readonly sentAt: number;
  readonly readAt: number;
  readonly freshUntil: number;
  readonly rows: ReadonlyMap<ResourceId, BackfillSnapshot>;
  readonly isWhole: boolean;
  /** The newest row of each transfer. */
  readonly newest: ReadonlyMap<ResourceId, BackfillSnapshot>;
}

const GOLDEN_RATIO = (1 + Math.sqrt(5)) / 2;

export function newestOf(rows: Iterable<BackfillSnapshot>): Map<ResourceId, BackfillSnapshot> {
  const newest = new Map<ResourceId, BackfillSnapshot>();
  for (const row of rows) {
    const rival = newest.get(row.record.transfer_id);
    if (rival === undefined || isNewer(row, rival)) newest.set(row.record.transfer_id, row);
  }
  return newest;
}

/**
 * What the list says of a resource of its team; undefined where only the resource's own endpoint can say.
 * @param known what is known of the resource
 * @param now monotonic milliseconds
 */
export function answerFrom(
  list: TeamList,
  resource: Resource,
  known: Entry | undefined,
  now: number,
  freshness: Freshness,
): Entry | undefined {
  // The own endpoint was asked after the list was: what the list says may be from before that.
  if (known !== undefined && known.value.verifiedAt > list.sentAt) return undefined;
  const { readAt: confirmedAt, freshUntil } = list;

  if (resource.kind === 'backfill') {
    const row = list.rows.get(resource.id);
    if (row !== undefined)
      return { value: { outcome: row, verifiedAt: list.readAt }, confirmedAt, freshUntil };
  }
  if (known === undefined || isDue(resource, known, now, freshness)) return undefined;
  const bounded = Math.min(freshUntil, dueAt(resource, known, freshness));

  if (resource.kind === 'latest') {
    const row = list.newest.get(resource.id);
    const { outcome, verifiedAt } = known.value;
    if (row !== undefined && (!('record' in outcome) || row.id === outcome.id || isNewer(row, outcome))) {
      return { value: { outcome: row, verifiedAt }, confirmedAt, freshUntil: bounded };
    }
  }
  if (!list.isWhole || isListed(known.value) !== false) return undefined;
  return { value: known.value, confirmedAt, freshUntil: bounded };
}

/** Whether a list read now might have an answer, as {@link answerFrom} gives it. */
export function listMayAnswer(
  resource: Resource,
  known: Entry | undefined,
  now: number,
  freshness: Freshness,
): boolean {
  if (known === undefined) return resource.kind === 'backfill';
  const listed = isListed(known.value);
  if (listed === true && resource.kind === 'backfill') return true;
  return listed !== undefined && !isDue(resource, known, now, freshness);
}

/** Whether the resource's own endpoint has to be asked again. */
export function isDue(resource: Resource, known: Entry, now: number, freshness: Freshness): boolean {
  return dueAt(resource, known, freshness) <= now;
}

function dueAt({ id }: Resource, { value }: Entry, { finalMs, finalSpreadMs }: Freshness): number {
  return value.verifiedAt + finalMs - finalSpreadMs * scatter(id, value.verifiedAt);
}

/** Whether the list holds such a backfill; undefined where its status is not known. "There is none" is not listed. */
function isListed({ outcome }: Known): boolean | undefined {
  return 'record' in outcome ? factsOf(outcome.record.status)?.listed : false;
}

/** A number from 0 to 1 that differs by resource and by time. Multiples of the golden ratio leave no gaps. */
function scatter(id: ResourceId, verifiedAt: number): number {
  return ((Number(id.slice(-9)) + Math.floor(verifiedAt)) * GOLDEN_RATIO) % 1;
}
