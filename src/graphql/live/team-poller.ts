import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Metrics } from '../../metrics.ts';
import type { ReadContext } from '../../upstream/reads/read.ts';
import type { BackfillSnapshot } from '../../upstream/cache/snapshots.ts';
import type { Credential } from '../../upstream/credentials.ts';
import { UpstreamError } from '../../upstream/errors.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import { OperationCost } from '../../upstream/reads/operation-cost.ts';
import type { TickLimiter } from '../tick-limiter.ts';

/** One stream of one backfill's changes. */
export interface Subscriber {
  /** The snapshot read last for this subscriber, sent or not. */
  last: BackfillSnapshot;
  send(snapshot: BackfillSnapshot): void;
  end(error: Error): void;
}

/** Polls the backfills of one team that are subscribed to with one credential, all at the same moment. */
export interface TeamPoller {
  /** @returns a function to leave again; when the last subscriber leaves, the poller and its timer end */
  join(id: ResourceId, subscriber: Subscriber): () => void;
}

export interface TeamPollerDeps {
  readonly upstream: Pick<Upstream, 'backfills' | 'lastKnown' | 'pollIntervalMs'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly credential: Credential;
  readonly teamId: ResourceId;
  /** Milliseconds for which the last good answer may be sent as stale while polls fail; 0 for never. */
  readonly staleMs: number;
  /** Awaited before each event, because an event has its operation executed. */
  readonly tickLimiter: TickLimiter;
  readonly onEmpty: () => void;
  /** Called when a poll leaves streams with a stale state, and when one after it leaves none. */
  readonly onStale: (isStale: boolean) => void;
}

/** What a poll brought for one backfill. `ended`: its streams were refused, or their state was too old. */
type Polled = 'fresh' | 'stale' | 'ended';

/** A poller begins with its first subscriber, whose value is new, so the first poll comes after an interval. */
export function createTeamPoller(deps: TeamPollerDeps): TeamPoller {
  const { upstream, clock, metrics, credential, teamId, staleMs, tickLimiter, onEmpty, onStale } = deps;
  let isStale = false;
  const subscribersById = new Map<ResourceId, Set<Subscriber>>();
  let cancelNext = schedule();

  function schedule(): () => void {
    const interval = upstream.pollIntervalMs(credential.id);
    // An answer from the second half of the interval is new enough: another read has just paid for it.
    return clock.after(interval, () => void poll(clock.monotonic() - interval / 2));
  }

  async function poll(since: number): Promise<void> {
    const reader: ReadContext = {
      caller: { credential, requestId: randomUUID(), traceparent: undefined },
      mode: { kind: 'poll', since },
      // No limit: the poll serves many operations, and reads nothing but what they subscribed to.
      cost: new OperationCost(Infinity),
    };
    // Started in the same turn of the event loop, so that one read of the team list can answer them all.
    const all = await Promise.all([...subscribersById].map((each) => pollOne(reader, ...each)));
    metrics.recordPoll(all.every((polled) => polled === 'fresh') ? 'ok' : 'failed');
    if (all.includes('stale') !== isStale) {
      isStale = !isStale;
      onStale(isStale);
    }
    if (subscribersById.size > 0) cancelNext = schedule();
  }

  async function pollOne(
    reader: ReadContext,
    id: ResourceId,
    subscribers: ReadonlySet<Subscriber>,
  ): Promise<Polled> {
    try {
      const snapshot = await upstream.backfills.backfill(reader, teamId, id);
      await broadcast(subscribers, snapshot);
      return snapshot.isStale ? 'stale' : 'fresh';
    } catch (error) {
      return broadcastFailure(subscribers, error, upstream.lastKnown(reader, teamId, id));
    }
  }

  /** Sends the snapshot to each subscriber whose last one differs; a later `fetchedAt` alone is no difference. */
  async function broadcast(subscribers: ReadonlySet<Subscriber>, snapshot: BackfillSnapshot): Promise<void> {
    // Nearly all subscribers share the snapshot of the poll before, so it is compared once for all of them.
    const verdicts = new Map<BackfillSnapshot, boolean>();
    await notify(subscribers, (subscriber) => {
      const { last } = subscriber;
      const isNews = verdicts.get(last) ?? differs(last, snapshot);
      verdicts.set(last, isNews);
      if (isNews) return sending(subscriber, snapshot);
      subscriber.last = snapshot;
      return undefined;
    });
  }

  /**
   * Ends each stream that may not go on, and sends the others the last known snapshot, as stale. Other readers may have
   * been shown a later one than the stream's own last.
   */
  async function broadcastFailure(
    subscribers: ReadonlySet<Subscriber>,
    reason: unknown,
    known: BackfillSnapshot | undefined,
  ): Promise<Polled> {
    let polled: Polled = 'ended';
    const error = reason instanceof Error ? reason : new Error('a read rejected without an error');
    const ends = !(error instanceof UpstreamError) || isRefusal(error);
    await notify(subscribers, (subscriber) => {
      const stale = known ?? { ...subscriber.last, isStale: true };
      if (ends || isTooOld(stale)) return () => subscriber.end(error);
      polled = 'stale';
      return differs(subscriber.last, stale) ? sending(subscriber, stale) : undefined;
    });
    return polled;
  }

  /** @param messageFor the delivery of a subscriber's message; undefined if there is none for it */
  async function notify(
    subscribers: ReadonlySet<Subscriber>,
    messageFor: (subscriber: Subscriber) => (() => void) | undefined,
  ): Promise<void> {
    for (const subscriber of [...subscribers]) {
      const deliver = messageFor(subscriber);
      if (deliver === undefined) continue;
      await tickLimiter();
      // A subscriber may have left meanwhile; its stream is over and ignores the message.
      deliver();
    }
  }

  function isTooOld({ fetchedAt }: BackfillSnapshot): boolean {
    return staleMs === 0 || clock.now() - Date.parse(fetchedAt) > staleMs;
  }

  return {
    join(id, subscriber) {
      const subscribers = subscribersById.get(id) ?? new Set();
      subscribersById.set(id, subscribers.add(subscriber));
      return () => {
        subscribers.delete(subscriber);
        if (subscribers.size > 0 || !subscribersById.delete(id) || subscribersById.size > 0) return;
        cancelNext();
        onEmpty();
      };
    },
  };
}

function sending(subscriber: Subscriber, snapshot: BackfillSnapshot): () => void {
  return () => {
    subscriber.last = snapshot;
    subscriber.send(snapshot);
  };
}

function differs(a: BackfillSnapshot, b: BackfillSnapshot): boolean {
  return a.isStale !== b.isStale || !isDeepStrictEqual(a.record, b.record);
}

/** A refusal ends a stream at once: its caller may not see the last snapshot any longer. */
function isRefusal({ subject }: UpstreamError): boolean {
  return subject === 'credential' || subject === 'resource';
}
