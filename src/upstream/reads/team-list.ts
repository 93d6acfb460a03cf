import type { ResourceId } from '../../ids.ts';
import type { Freshness } from '../cache/freshness.ts';
import { type BackfillSnapshot, isNewer, type Entry, phaseOf, type Resource } from '../cache/snapshots.ts';

/**
 * One reading of `GET /teams/{team}/backfills`: every incomplete backfill of a team in one call, which is the read of
 * many that the REST API otherwise lacks. Moments are monotonic milliseconds.
 *
 * What can be told from it, and so the consistency of whatever is answered from it:
 *
 * - A backfill in it is as good as read by its id.
 * - A backfill that was incomplete and is not in it has ended: its own endpoint has the end.
 * - A backfill that had ended, or that there was none, is confirmed by its absence; this renews how long that may be
 *   given out, not the moment at which the REST API gave it.
 * - The latest backfill of a transfer, once known, stays the latest until a newer one is in it, which then is the latest.
 *   A backfill that was created and ended between two readings is in neither, and the last counts of a cancelled one
 *   change outside of it. So everything told this way is asked at its own endpoint again within the final lifetime.
 * - Of the latest backfill of a transfer of which nothing is known it says nothing: a newer one may have ended already.
 * - Where it may not be whole (100 rows), absence says nothing.
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

/** What the feed tells of a resource of its team; undefined where only the resource's own endpoint can tell. */
export function answerFrom(
  feed: TeamList,
  resource: Resource,
  last: Entry | undefined,
  now: number,
  lifetimes: Freshness,
): Entry | undefined {
  // Its own endpoint was asked after the feed: what the feed says may be from before that.
  if (last !== undefined && last.value.verifiedAt > feed.sentAt) return undefined;
  const { readAt: confirmedAt, freshUntil } = feed;

  if (resource.kind === 'backfill') {
    const row = feed.rows.get(resource.id);
    if (row !== undefined)
      return { value: { outcome: row, verifiedAt: feed.readAt }, confirmedAt, freshUntil };
  }
  if (last === undefined || isDue(resource, last, now, lifetimes)) return undefined;
  const bounded = Math.min(freshUntil, dueAt(resource, last, lifetimes));

  if (resource.kind === 'latest') {
    const row = feed.newest.get(resource.id);
    const { outcome: answer, verifiedAt } = last.value;
    if (row !== undefined && (!('record' in answer) || row.id === answer.id || isNewer(row, answer))) {
      return { value: { outcome: row, verifiedAt }, confirmedAt, freshUntil: bounded };
    }
  }
  if (!feed.isWhole || phaseOf(last.value) !== 'settled') return undefined;
  return { value: last.value, confirmedAt, freshUntil: bounded };
}

/** Whether a feed read now might tell of the resource. */
export function listMayAnswer(
  resource: Resource,
  last: Entry | undefined,
  now: number,
  lifetimes: Freshness,
): boolean {
  const { kind } = resource;
  if (last === undefined) return kind === 'backfill';
  if (kind === 'backfill' && phaseOf(last.value) === 'incomplete') return true;
  return phaseOf(last.value) !== 'unclear' && !isDue(resource, last, now, lifetimes);
}

/** Whether the resource's own endpoint has not been asked for too long. */
export function isDue(resource: Resource, last: Entry, now: number, lifetimes: Freshness): boolean {
  return dueAt(resource, last, lifetimes) <= now;
}

function dueAt({ id }: Resource, { value }: Entry, { finalMs, finalSpreadMs }: Freshness): number {
  return value.verifiedAt + finalMs - finalSpreadMs * scatter(id, value.verifiedAt);
}

/** From 0 to 1, another one for each resource and each time: multiples of the golden ratio leave no gaps. */
function scatter(id: ResourceId, verifiedAt: number): number {
  return ((Number(id.slice(-9)) + Math.floor(verifiedAt)) * GOLDEN_RATIO) % 1;
}
