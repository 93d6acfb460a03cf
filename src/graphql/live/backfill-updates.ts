import { Repeater, SlidingBuffer } from 'graphql-yoga';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Metrics } from '../../metrics.ts';
import type { ReadContext } from '../../upstream/reads/read.ts';
import { teamKey } from '../../upstream/cache/keys.ts';
import type { BackfillSnapshot } from '../../upstream/cache/snapshots.ts';
import { factsOf } from '../../upstream/rest/statuses.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import type { Credential } from '../../upstream/credentials.ts';
import { overloaded } from '../errors.ts';
import { createTickLimiter } from './tick-limiter.ts';
import { createTeamPoller, type TeamPoller } from './team-poller.ts';

/** Backfills as they go on. */
export interface BackfillUpdates {
  /**
   * The state of a backfill now, then each change, up to a final status. While the REST API is in trouble the last
   * state comes once more, as stale; the stream ends with an {@link UpstreamError} when that lasts, or at a refusal.
   * Rejects as `Backfills.backfill` does when there is no first state, and when too many streams are open.
   * Nothing is watched before the stream's first item is asked for. Who reads slowly gets the latest state only.
   */
  open(reader: ReadContext, teamId: ResourceId, id: ResourceId): Promise<AsyncIterable<BackfillSnapshot>>;
  /** Streams under way. */
  readonly streams: number;
  /** Completes all streams, and from now on each after its first state. */
  close(): void;
}

export interface BackfillUpdatesDeps {
  readonly upstream: Pick<Upstream, 'backfills' | 'pollIntervalMs'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** How old the last good answer may get while polls fail; 0 ends a stream at the first failure. */
  readonly staleMs: number;
  readonly maxStreams?: number;
}

/** Each takes some tens of kilobytes with its connection, so this is about half a gigabyte. */
const MAX_STREAMS = 10_000;

/** Ten milliseconds of work or so. */
const EVENTS_PER_TURN = 50;

export function createBackfillUpdates(deps: BackfillUpdatesDeps): BackfillUpdates {
  const { upstream, clock, metrics, staleMs, maxStreams = MAX_STREAMS } = deps;
  const groups = new Map<string, TeamPoller>();
  const streams = new Set<() => void>();
  const pace = createTickLimiter(EVENTS_PER_TURN);
  let closed = false;

  function groupOf(credential: Credential, teamId: ResourceId): TeamPoller {
    const key = teamKey(credential.partition, teamId);
    const known = groups.get(key);
    if (known !== undefined) return known;
    const group = createTeamPoller({
      upstream,
      clock,
      metrics,
      credential,
      teamId,
      staleMs,
      pace,
      onEmpty: () => void groups.delete(key),
    });
    groups.set(key, group);
    return group;
  }

  return {
    async open(reader, teamId, id) {
      if (streams.size >= maxStreams) throw overloaded('Too many subscriptions are open at the moment.');
      const first = await upstream.backfills.backfill(reader, teamId, id);

      return new Repeater<BackfillSnapshot>(async (push, stop) => {
        const tell = (snapshot: BackfillSnapshot): void => {
          void push(snapshot);
          if (isOver(snapshot)) stop();
        };
        tell(first);
        if (closed) stop();
        if (closed || isOver(first)) return;
        const leave = groupOf(reader.caller.credential, teamId).join(id, { last: first, tell, end: stop });
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

function isOver({ record }: BackfillSnapshot): boolean {
  return factsOf(record.status)?.over ?? false;
}
