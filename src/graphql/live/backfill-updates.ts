import { Repeater, SlidingBuffer } from 'graphql-yoga';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Metrics } from '../../metrics.ts';
import type { Shares, ShareSize } from '../../shares.ts';
import type { ReadContext } from '../../upstream/reads/read.ts';
import type { BackfillSnapshot } from '../../upstream/cache/snapshots.ts';
import { factsOf } from '../../upstream/rest/statuses.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import type { Credential } from '../../upstream/credentials.ts';
import { overloaded, turnedAway } from '../errors.ts';
import { createTickLimiter } from '../tick-limiter.ts';
import { createTeamPoller, type TeamPoller } from './team-poller.ts';

/** Streams of the changes of backfills. */
export interface BackfillUpdates {
  /**
   * Gives the state of a backfill now, then each change, up to a final status. While polls fail the last state comes
   * once more, as stale; the stream ends with an {@link UpstreamError} when that lasts, or at a refusal. Polling begins
   * when the first item is asked for. A slow reader gets the latest state only.
   * @throws {UpstreamError} as `Backfills.backfill`, when there is no first state
   * @throws {GraphQLError} `UPSTREAM_UNAVAILABLE` when the caller has his share of streams open, before the read
   */
  open(reader: ReadContext, teamId: ResourceId, id: ResourceId): Promise<AsyncIterable<BackfillSnapshot>>;
}

export interface BackfillUpdatesDeps {
  readonly upstream: Pick<Upstream, 'backfills' | 'lastKnown' | 'pollIntervalMs'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Milliseconds that the last good answer may age while polls fail; 0 ends a stream at the first failure. */
  readonly staleMs: number;
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

  return {
    async open(reader, teamId, id) {
      const caller = reader.caller.credential.id;
      if (!streams.hasRoomFor(caller, 1)) throw turnedAway(TOO_MANY);
      const first = await upstream.backfills.backfill(reader, teamId, id);

      return new Repeater<BackfillSnapshot>(async (push, stop) => {
        const send = (snapshot: BackfillSnapshot): void => {
          void push(snapshot);
          if (isOver(snapshot)) stop();
        };
        send(first);
        if (isOver(first)) return;
        // Others may have come during the read.
        const giveBack = streams.take(caller);
        if (giveBack === undefined) {
          stop(overloaded(TOO_MANY));
          return;
        }
        const poller = pollerOf(reader.caller.credential, teamId);
        const leave = poller.join(id, { last: first, send, end: stop });
        await stop;
        giveBack();
        leave();
      }, new SlidingBuffer(1));
    },
  };
}

function isOver({ record }: BackfillSnapshot): boolean {
  return factsOf(record.status)?.over ?? false;
}
