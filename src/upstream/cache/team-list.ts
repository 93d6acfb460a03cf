import type { ResourceId } from '../../ids.ts';
import { factsOf } from '../rest/statuses.ts';
import type { Freshness } from './freshness.ts';
import { Interest } from './interest.ts';
import { type BackfillSnapshot, isNewer, type Known, type Resource } from './snapshots.ts';

/**
 * What one reading of `GET /teams/{team}/backfills` says that is not kept with its backfills. The list holds every
 * incomplete backfill of a team. This is the read of many that the REST API otherwise lacks. Moments are monotonic
 * milliseconds.
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
  readonly kind: 'list';
  /** When its call began. What was verified later is newer than the list. */
  readonly sentAt: number;
  /** When it had arrived. */
  readonly readAt: number;
  /** When the REST API gave it. RFC 3339 in UTC. */
  readonly fetchedAt: string;
  readonly freshUntil: number;
  /** In the order of the list. */
  readonly ids: ReadonlySet<ResourceId>;
  /** Whether it is complete, so that absence from it means something. */
  readonly isWhole: boolean;
  /** Whether a write may have changed it since it was asked for. */
  readonly isDoubted?: boolean;
  /** Who asks for it, or for what it has renewed. */
  readonly interest: Interest;
}

/** The list as it is shown. */
export interface ListSnapshot {
  /** Newest first. Those that are known to be over meanwhile are left out. */
  readonly items: readonly BackfillSnapshot[];
  /** Whether backfills may be missing. */
  readonly isPartial: boolean;
  /** RFC 3339 in UTC. */
  readonly fetchedAt: string;
  /** Whether the REST API did not answer when it should have been asked again. */
  readonly isStale: boolean;
}

/** A list that is known, fresh or not. The moments are monotonic milliseconds. */
export interface KnownList {
  readonly snapshot: ListSnapshot;
  readonly sentAt: number;
  readonly readAt: number;
  readonly freshUntil: number;
  readonly isDoubted: boolean;
  readonly interest: Interest;
}

/**
 * @param list its `freshUntil` may have been moved
 * @param outcomeOf what is kept of a backfill now; undefined where it is not kept any more
 */
export function knownList(
  { ids, isWhole, fetchedAt, sentAt, readAt, freshUntil, isDoubted = false, interest }: TeamList,
  outcomeOf: (id: ResourceId) => Known['outcome'] | undefined,
): KnownList {
  const items: BackfillSnapshot[] = [];
  let isPartial = !isWhole;
  for (const id of ids) {
    const outcome = outcomeOf(id);
    if (outcome === undefined || !('record' in outcome)) isPartial = true;
    else if (isListed({ outcome }) !== false) items.push(outcome);
  }
  const snapshot = { items, isPartial, fetchedAt, isStale: false };
  return { snapshot, sentAt, readAt, freshUntil, isDoubted, interest };
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
 * The moments of what the list confirms by absence; undefined where only the resource's own endpoint can say.
 * @param known what is known of the resource
 * @param now monotonic milliseconds
 */
export function confirmation(
  list: TeamList,
  resource: Resource,
  known: Known,
  now: number,
  freshness: Freshness,
): Pick<Known, 'confirmedAt' | 'freshUntil' | 'interest'> | undefined {
  // The own endpoint was asked after the list was: what the list says may be from before that.
  if (known.verifiedAt > list.sentAt || isDue(resource, known, now, freshness)) return undefined;
  if (!list.isWhole || isListed(known) !== false) return undefined;
  return { confirmedAt: list.readAt, ...renewedUntil(list, dueAt(resource, known, freshness)) };
}

/** How long something is fresh that the list has renewed. Where its own endpoint is due before the list, it does not end with it. */
export function renewedUntil(
  { freshUntil, readAt, interest }: Pick<TeamList, 'freshUntil' | 'readAt' | 'interest'>,
  due: number,
): Pick<Known, 'freshUntil' | 'interest'> {
  return due < freshUntil ? { freshUntil: due, interest: new Interest(readAt) } : { freshUntil, interest };
}

/** Whether a list read now might have an answer, in a row or by absence. */
export function listMayAnswer(
  resource: Resource,
  known: Known | undefined,
  now: number,
  freshness: Freshness,
): boolean {
  if (known === undefined) return resource.kind === 'backfill';
  const listed = isListed(known);
  if (listed === true && resource.kind === 'backfill') return true;
  return listed !== undefined && !isDue(resource, known, now, freshness);
}

/** Whether the resource's own endpoint has to be asked again. */
export function isDue(resource: Resource, known: Known, now: number, freshness: Freshness): boolean {
  return dueAt(resource, known, freshness) <= now;
}

/** When the resource's own endpoint has to be asked again, in monotonic milliseconds. */
export function dueAt(
  { id }: Resource,
  { verifiedAt }: Known,
  { finalMs, finalSpreadMs }: Freshness,
): number {
  return verifiedAt + finalMs - finalSpreadMs * scatter(id, verifiedAt);
}

/** Whether the list holds such a backfill; undefined where its status is not known. "There is none" is not listed. */
function isListed({ outcome }: Pick<Known, 'outcome'>): boolean | undefined {
  return 'record' in outcome ? factsOf(outcome.record.status)?.listed : false;
}

/** A number from 0 to 1 that differs by resource and by time. Multiples of the golden ratio leave no gaps. */
function scatter(id: ResourceId, verifiedAt: number): number {
  return ((Number(id.slice(-9)) + Math.floor(verifiedAt)) * GOLDEN_RATIO) % 1;
}
