import type { ResourceId } from '../../ids.ts';
import type { ShareSize } from '../../shares.ts';
import type { ReadContext } from '../../upstream/reads/read.ts';
import type { BackfillSnapshot } from '../../upstream/cache/snapshots.ts';
import { UpstreamError } from '../../upstream/errors.ts';
import { isFatal } from './row-poll.ts';
import { createRowStreams, type RowStreamsDeps } from './row-streams.ts';
import { FailedRow, failuresIn, type Row, type Rows } from './rows.ts';

/** Streams of the changes of backfills. Polling begins when the first item is asked for. */
export interface BackfillUpdates {
  /**
   * Gives the state of a backfill now, then each change, up to a final status. While polls fail the last state comes
   * once more, as stale; the stream ends with an {@link UpstreamError} when that lasts, or at a refusal. A slow reader
   * gets the latest state only.
   * @throws {UpstreamError} as `Backfills.backfill`, when there is no first state
   * @throws {GraphQLError} `UPSTREAM_UNAVAILABLE` when the caller has his share of streams open, before the read
   */
  open(reader: ReadContext, teamId: ResourceId, id: ResourceId): Promise<AsyncIterable<BackfillSnapshot>>;
  /**
   * Gives all backfills now, in the order of the ids, repeated where an id is repeated; then after each poll those that
   * have changed, until each is over. One that cannot be had is a {@link FailedRow}; an event with one that failed just
   * now has all again, because only its place tells which it is. A slow reader gets the latest state of each.
   * @throws {UpstreamError} `unauthenticated`, when the credential is refused
   * @throws {GraphQLError} as `open`
   */
  openMany(
    reader: ReadContext,
    teamId: ResourceId,
    ids: readonly ResourceId[],
  ): Promise<AsyncIterable<readonly Row[]>>;
  /**
   * Gives all incomplete backfills of the team now, newest first; then after each poll those that have changed, begun or
   * left, the last in the state in which they left. It does not end by itself. While the list cannot be had its backfills
   * come once more, as stale; the stream ends with an {@link UpstreamError} when that lasts, or at a refusal.
   * @throws {UpstreamError} as `ReadIncompleteBackfills`, when there is no first list
   * @throws {GraphQLError} as `open`
   */
  openIncomplete(
    reader: ReadContext,
    teamId: ResourceId,
  ): Promise<AsyncIterable<readonly BackfillSnapshot[]>>;
}

/** A stream takes some tens of kilobytes with its connection, so this is about half a gigabyte. */
export const STREAMS: ShareSize = { total: 10_000, timesFree: 1 };

export function createBackfillUpdates(deps: RowStreamsDeps): BackfillUpdates {
  const { upstream, clock, staleMs } = deps;
  const { assertRoomFor, begin } = createRowStreams(deps);

  async function readRow(reader: ReadContext, teamId: ResourceId, id: ResourceId): Promise<Row> {
    try {
      return await upstream.backfills.backfill(reader, teamId, id);
    } catch (error) {
      if (!(error instanceof UpstreamError) || isFatal(error)) throw error;
      const now = clock.monotonic();
      return new FailedRow(error, now + staleMs, now);
    }
  }

  /** @returns what makes a row the state that others have been shown since it was read, if there is one */
  function newestOf(reader: ReadContext, teamId: ResourceId): (row: BackfillSnapshot) => BackfillSnapshot {
    return (row) => {
      const newest = upstream.newest(reader, teamId, row.id);
      return newest === undefined || newest.record === row.record ? row : newest;
    };
  }

  return {
    async open(reader, teamId, id) {
      assertRoomFor(reader);
      let latest = await upstream.backfills.backfill(followed(reader), teamId, id);
      const newest = newestOf(reader, teamId);
      return begin({
        reader,
        teamId,
        first: new Map([[id, latest]]),
        completes: true,
        endsAtFailure: true,
        watch: (poller, watcher) => poller.watch([id], watcher),
        eventOf(changed) {
          const row = changed.get(id);
          if (row !== undefined && !(row instanceof FailedRow)) latest = newest(row);
          return latest;
        },
      });
    },

    async openMany(reader, teamId, ids) {
      assertRoomFor(reader);
      const distinct = [...new Set(ids)];
      const firstReader = followed(reader);
      const read = async (id: ResourceId): Promise<[ResourceId, Row]> => [
        id,
        await readRow(firstReader, teamId, id),
      ];
      const first: Rows = new Map(await Promise.all(distinct.map(read)));
      const newest = newestOf(reader, teamId);
      return begin({
        reader,
        teamId,
        first,
        completes: true,
        endsAtFailure: false,
        watch: (poller, watcher) => poller.watch(distinct, watcher),
        eventOf(changed, all) {
          const isWhole = changed === first || failuresIn(changed).length > 0;
          return (isWhole ? ids : distinct.filter((id) => changed.has(id))).flatMap((id) => {
            const row = all.get(id);
            if (row === undefined) return [];
            return row instanceof FailedRow ? row : newest(row);
          });
        },
      });
    },

    async openIncomplete(reader, teamId) {
      assertRoomFor(reader);
      const { items } = await upstream.incompleteBackfills(followed(reader), teamId);
      const newest = newestOf(reader, teamId);
      return begin({
        reader,
        teamId,
        first: new Map(items.map((item) => [item.id, item])),
        completes: false,
        endsAtFailure: true,
        watch: (poller, watcher) => poller.watchList(watcher),
        eventOf(changed, all) {
          const there = [...all].filter(([id]) => changed.has(id));
          const left = [...changed].filter(([id]) => !all.has(id));
          return [...there, ...left].flatMap(([, row]) => (row instanceof FailedRow ? [] : newest(row)));
        },
      });
    },
  };
}

/** The first read of a stream, whose poller makes the next ones. */
function followed(reader: ReadContext): ReadContext {
  return { ...reader, isFollowed: true };
}
