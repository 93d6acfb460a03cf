import { Repeater, SlidingBuffer } from 'graphql-yoga';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Metrics } from '../../metrics.ts';
import type { Backfills } from '../../upstream/reads/backfills.ts';
import type { ReadContext } from '../../upstream/reads/read.ts';
import type { BackfillSnapshot } from '../../upstream/cache/snapshots.ts';
import type { Credential } from '../../upstream/credentials.ts';
import { overloaded } from '../errors.ts';
import { createTickLimiter } from './tick-limiter.ts';
import { createTeamPoller, type TeamPoller } from './team-poller.ts';

/** Streams of the changes of backfills. */
export interface BackfillUpdates {
  /**
   * Gives the state of a backfill now, then each change, up to a final status. While polls fail the last state comes
   * once more, as stale; the stream ends with an {@link UpstreamError} when that lasts, or at a refusal. Polling begins
   * when the first item is asked for. A slow reader gets the latest state only.
   * @throws {UpstreamError} as {@link Backfills.backfill}, when there is no first state
   * @throws {GraphQLError} `UPSTREAM_UNAVAILABLE` when too many streams are open
   */
  open(reader: ReadContext, teamId: ResourceId, id: ResourceId): Promise<AsyncIterable<BackfillSnapshot>>;
  /** Number of streams under way. */
  readonly streams: number;
  /** Completes all streams; from now on each new one completes after its first state. */
  close(): void;
}

export interface BackfillUpdatesDeps {
  readonly client: Backfills;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Milliseconds between polls with this credential. */
  readonly intervalMs: (credential: Credential) => number;
  /** Milliseconds that the last good answer may age while polls fail; 0 ends a stream at the first failure. */
  readonly staleMs: number;
  readonly maxStreams?: number;
}

/** A stream takes some tens of kilobytes with its connection, so this is about half a gigabyte. */
const MAX_STREAMS = 10_000;

/** About ten milliseconds of work. */
const EVENTS_PER_TICK = 50;

/** Statuses that nothing leaves by itself. `FAILED` is one, although a failed backfill can still be cancelled. */
const FINAL: ReadonlySet<string> = new Set(['COMPLETED', 'CANCELLED', 'FAILED']);

export function createBackfillUpdates(deps: BackfillUpdatesDeps): BackfillUpdates {
  const { client, clock, metrics, intervalMs, staleMs, maxStreams = MAX_STREAMS } = deps;
  const pollers = new Map<string, TeamPoller>();
  const streams = new Set<() => void>();
  const tickLimiter = createTickLimiter(EVENTS_PER_TICK);
  let closed = false;

  function pollerOf(credential: Credential, teamId: ResourceId): TeamPoller {
    const key = `${credential.partition}/${teamId}`;
    const known = pollers.get(key);
    if (known !== undefined) return known;
    const poller = createTeamPoller({
      client,
      clock,
      metrics,
      credential,
      teamId,
      intervalMs: () => intervalMs(credential),
      staleMs,
      tickLimiter,
      onEmpty: () => void pollers.delete(key),
    });
    pollers.set(key, poller);
    return poller;
  }

  return {
    async open(reader, teamId, id) {
      if (streams.size >= maxStreams) throw overloaded('Too many subscriptions are open at the moment.');
      const first = await client.backfill(reader, teamId, id);

      return new Repeater<BackfillSnapshot>(async (push, stop) => {
        const send = (snapshot: BackfillSnapshot): void => {
          void push(snapshot);
          if (FINAL.has(snapshot.record.status)) stop();
        };
        send(first);
        if (closed) stop();
        if (closed || FINAL.has(first.record.status)) return;
        const poller = pollerOf(reader.caller.credential, teamId);
        const leave = poller.join(id, { last: first, send, end: stop });
        streams.add(stop);
        await stop;
        streams.delete(stop);
        leave();
      }, new SlidingBuffer(1));
    },

    get streams() {
      return streams.size;
    },

    close() {
      closed = true;
      for (const stop of streams) stop();
    },
  };
}
