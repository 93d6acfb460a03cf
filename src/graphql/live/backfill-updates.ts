import { Repeater } from 'graphql-yoga';
import type { ResourceId } from '../../ids.ts';
import type { Metrics } from '../../metrics.ts';
import type { Shares, ShareSize } from '../../shares.ts';
import type { ReadContext } from '../../upstream/reads/read.ts';
import type { BackfillSnapshot } from '../../upstream/cache/snapshots.ts';
import type { Credential } from '../../upstream/credentials.ts';
import { UpstreamError } from '../../upstream/errors.ts';
import { overloaded, turnedAway } from '../errors.ts';
import { createTickLimiter } from '../tick-limiter.ts';
import { PendingRows } from './pending-rows.ts';
import type { PollDeps } from './poll.ts';
import { isFatal } from './row-poll.ts';
import { FailedRow, isOver, type Row, type Rows } from './rows.ts';
import { createTeamPoller, type TeamPoller } from './team-poller.ts';
import type { Watcher } from './watchers.ts';

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
}

export interface BackfillUpdatesDeps extends Omit<PollDeps, 'credential' | 'teamId'> {
  readonly metrics: Metrics;
  /** Of streams under way. */
  readonly streams: Shares;
  /** Called when the streams of a credential and team are told that their state is stale, and that it is not any more. */
  readonly onStale: (isStale: boolean) => void;
}

/** A stream takes some tens of kilobytes with its connection, so this is about half a gigabyte. */
export const STREAMS: ShareSize = { total: 10_000, timesFree: 1 };

const TOO_MANY = 'Too many subscriptions are open at the moment.';

/** About two milliseconds of work. An answer to others takes several turns of the event loop. */
const EVENTS_PER_TICK = 10;

/** A stream before it begins. */
interface Plan<Event> {
  readonly reader: ReadContext;
  readonly teamId: ResourceId;
  readonly first: Rows;
  /** Whether the stream ends with the error of a row that failed; else the row is told so. */
  readonly endsAtFailure: boolean;
  /** @param all what the stream watches, `changed` included */
  eventOf(changed: Rows, all: Rows): Event;
}

export function createBackfillUpdates(deps: BackfillUpdatesDeps): BackfillUpdates {
  const { upstream, clock, metrics, staleMs, streams, onStale } = deps;
  const pollers = new Map<string, TeamPoller>();
  const tickLimiter = createTickLimiter(EVENTS_PER_TICK);

  function pollerOf(credential: Credential, teamId: ResourceId): TeamPoller {
    const key = `${credential.id}/${teamId}`;
    const known = pollers.get(key);
    if (known !== undefined) return known;
    const poller = createTeamPoller({
      upstream,
      clock,
      metrics,
      credential,
      teamId,
      staleMs,
      tickLimiter,
      onEmpty: () => void pollers.delete(key),
      onStale,
    });
    pollers.set(key, poller);
    return poller;
  }

  function assertRoomFor({ caller }: ReadContext): void {
    if (!streams.hasRoomFor(caller.credential.id, 1)) throw turnedAway(TOO_MANY);
  }

  function begin<Event>({
    reader,
    teamId,
    first,
    endsAtFailure,
    eventOf,
  }: Plan<Event>): AsyncIterable<Event> {
    return new Repeater<Event>(async (push, stop) => {
      const { credential } = reader.caller;
      const firstEvent = eventOf(first, first);
      const isAtItsEnd = [...first.values()].every(isOver);
      // Others may have come during the reads.
      const giveBack = isAtItsEnd ? undefined : streams.take(credential.id);
      if (giveBack === undefined) {
        void push(firstEvent);
        stop(isAtItsEnd ? undefined : overloaded(TOO_MANY));
        return;
      }
      const pending = new PendingRows(firstEvent, {
        push,
        stop,
        eventOf: (changed) => eventOf(changed, watcher.rows),
      });
      let leave = (): void => undefined;
      const end = (error?: Error): void => {
        leave();
        giveBack();
        pending.end(error);
      };
      const watcher: Watcher = {
        rows: first,
        receive({ changed, isOver: hasEnded }) {
          const [failed] = endsAtFailure ? failuresIn(changed) : [];
          if (failed !== undefined) {
            end(failed.error);
            return;
          }
          pending.add(changed);
          if (hasEnded) end();
        },
        end,
      };
      leave = pollerOf(credential, teamId).join([...first.keys()], watcher);
      await stop;
      giveBack();
      leave();
    });
  }

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
      let latest = await upstream.backfills.backfill(reader, teamId, id);
      const newest = newestOf(reader, teamId);
      return begin({
        reader,
        teamId,
        first: new Map([[id, latest]]),
        endsAtFailure: true,
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
      const first = new Map<ResourceId, Row>();
      const read = await Promise.all(distinct.map((id) => readRow(reader, teamId, id)));
      distinct.forEach((id, n) => {
        const row = read[n];
        if (row !== undefined) first.set(id, row);
      });
      const newest = newestOf(reader, teamId);
      return begin({
        reader,
        teamId,
        first,
        endsAtFailure: false,
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
  };
}

function failuresIn(rows: Rows): FailedRow[] {
  return [...rows.values()].filter((row) => row instanceof FailedRow);
}
