import { Repeater } from 'graphql-yoga';
import type { ResourceId } from '../../ids.ts';
import type { Metrics } from '../../metrics.ts';
import type { Shares } from '../../shares.ts';
import type { Credential } from '../../upstream/credentials.ts';
import type { ReadContext } from '../../upstream/reads/read.ts';
import { overloaded, turnedAway } from '../errors.ts';
import { createTickLimiter } from '../tick-limiter.ts';
import { PendingRows } from './pending-rows.ts';
import type { PollDeps } from './poll.ts';
import { failuresIn, isOver, type Rows } from './rows.ts';
import { createTeamPoller, type TeamPoller } from './team-poller.ts';
import type { Watcher } from './watchers.ts';

export interface RowStreamsDeps extends Omit<PollDeps, 'credential' | 'teamId'> {
  readonly metrics: Metrics;
  /** Of streams under way. */
  readonly streams: Shares;
  /** Called when the streams of a credential and team are told that their state is stale, and that it is not any more. */
  readonly onStale: (isStale: boolean) => void;
}

/** A stream before it begins. */
export interface StreamPlan<Event> {
  readonly reader: ReadContext;
  readonly teamId: ResourceId;
  /** What has just been read, of which the first event is made. */
  readonly first: Rows;
  /** Whether it completes when all its rows are over. */
  readonly completes: boolean;
  /** Whether it ends with the error of a row that failed; else the row is told so. */
  readonly endsAtFailure: boolean;
  /** @returns a function to leave again */
  watch(poller: TeamPoller, watcher: Watcher): () => void;
  /** @param all what the stream watches, `changed` included but for what has left */
  eventOf(changed: Rows, all: Rows): Event;
}

export interface RowStreams {
  /** @throws {GraphQLError} `UPSTREAM_UNAVAILABLE` when the caller has his share of streams open */
  assertRoomFor(reader: ReadContext): void;
  /** It counts among the streams, and is polled for, from when its first event is asked for. */
  begin<Event>(plan: StreamPlan<Event>): AsyncIterable<Event>;
}

const TOO_MANY = 'Too many subscriptions are open at the moment.';

/** About two milliseconds of work. An answer to others takes several turns of the event loop. */
const EVENTS_PER_TICK = 10;

export function createRowStreams(deps: RowStreamsDeps): RowStreams {
  const { streams } = deps;
  const pollers = new Map<string, TeamPoller>();
  const tickLimiter = createTickLimiter(EVENTS_PER_TICK);

  function pollerOf(credential: Credential, teamId: ResourceId): TeamPoller {
    const key = `${credential.id}/${teamId}`;
    const known = pollers.get(key);
    if (known !== undefined) return known;
    const onEmpty = (): void => void pollers.delete(key);
    const poller = createTeamPoller({ ...deps, credential, teamId, tickLimiter, onEmpty });
    pollers.set(key, poller);
    return poller;
  }

  return {
    assertRoomFor({ caller }) {
      if (!streams.hasRoomFor(caller.credential.id, 1)) throw turnedAway(TOO_MANY);
    },

    begin<Event>(plan: StreamPlan<Event>) {
      const { first, completes, endsAtFailure } = plan;
      const { credential } = plan.reader.caller;
      return new Repeater<Event>(async (push, stop) => {
        const firstEvent = plan.eventOf(first, first);
        const isAtItsEnd = completes && [...first.values()].every(isOver);
        // Others may have come during the reads.
        const giveBack = isAtItsEnd ? undefined : streams.take(credential.id);
        if (giveBack === undefined) {
          void push(firstEvent);
          stop(isAtItsEnd ? undefined : overloaded(TOO_MANY));
          return;
        }
        const eventOf = (changed: Rows): Event => plan.eventOf(changed, watcher.rows);
        const pending = new PendingRows(firstEvent, { push, stop, eventOf });
        let leave = (): void => undefined;
        const end = (error?: Error): void => {
          leave();
          giveBack();
          pending.end(error);
        };
        const watcher: Watcher = {
          rows: first,
          work: plan.reader.work,
          receive(step) {
            const [failed] = endsAtFailure ? failuresIn(step.changed) : [];
            if (failed !== undefined) {
              end(failed.error);
              return;
            }
            pending.add(step.changed);
            if (completes && step.isOver) end();
          },
          end,
        };
        leave = plan.watch(pollerOf(credential, plan.teamId), watcher);
        await stop;
        giveBack();
        leave();
      });
    },
  };
}
