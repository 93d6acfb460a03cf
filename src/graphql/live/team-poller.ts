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
import type { TickLimiter } from './tick-limiter.ts';

/** Somebody who waits for news of one backfill. */
export interface Subscriber {
  /** The last that was read for this watcher, whether it was told or not. */
  last: BackfillSnapshot;
  tell(snapshot: BackfillSnapshot): void;
  end(error: Error): void;
}

/** All backfills of one team that are watched with one credential, looked at together. */
export interface TeamPoller {
  /** @returns what ends the watching; the last to leave ends the group and its timer with it */
  join(id: ResourceId, watcher: Subscriber): () => void;
}

export interface TeamPollerDeps {
  readonly upstream: Pick<Upstream, 'backfills' | 'pollIntervalMs'>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly credential: Credential;
  readonly teamId: ResourceId;
  /** How old the last good answer may get while polls fail. */
  readonly staleMs: number;
  /** Before each event, since the operation is executed for it. */
  readonly pace: TickLimiter;
  readonly onEmpty: () => void;
}

/** A group begins with its first watcher, whose value is new: its first poll comes after an interval. */
export function createTeamPoller(deps: TeamPollerDeps): TeamPoller {
  const { upstream, clock, metrics, credential, teamId, staleMs, pace, onEmpty } = deps;
  const watched = new Map<ResourceId, Set<Subscriber>>();
  let cancelNext = schedule();

  function schedule(): () => void {
    const interval = upstream.pollIntervalMs(credential.partition);
    // Half of the interval, so that what another read brought just now is not asked for again.
    return clock.after(interval, () => void poll(clock.monotonic() - interval / 2));
  }

  async function poll(since: number): Promise<void> {
    const reader: ReadContext = {
      caller: { credential, requestId: randomUUID(), traceparent: undefined },
      mode: { kind: 'poll', since },
      // It is for many operations, and bounded by what they watch.
      cost: new OperationCost(Infinity),
    };
    // All in one go, so that the client can read them together.
    const good = await Promise.all([...watched].map((each) => look(reader, ...each)));
    metrics.recordPoll(good.every(Boolean) ? 'ok' : 'failed');
    if (watched.size > 0) cancelNext = schedule();
  }

  async function look(
    reader: ReadContext,
    id: ResourceId,
    watchers: ReadonlySet<Subscriber>,
  ): Promise<boolean> {
    try {
      const snapshot = await upstream.backfills.backfill(reader, teamId, id);
      await hear(watchers, snapshot);
      return !snapshot.isStale;
    } catch (error) {
      await fail(watchers, error);
      return false;
    }
  }

  async function fail(watchers: ReadonlySet<Subscriber>, reason: unknown): Promise<void> {
    const error = reason instanceof Error ? reason : new Error('a read rejected without an error');
    const ends = !(error instanceof UpstreamError) || isRefusal(error);
    await tell(watchers, (watcher) => {
      const { last } = watcher;
      if (ends || isTooOld(last)) return () => watcher.end(error);
      return last.isStale ? undefined : newsFor(watcher, { ...last, isStale: true });
    });
  }

  /** Tells each watcher to whom it is news; that it was asked for again later is none. */
  async function hear(watchers: ReadonlySet<Subscriber>, snapshot: BackfillSnapshot): Promise<void> {
    // Nearly all of them have the same snapshot from the time before.
    const verdicts = new Map<BackfillSnapshot, boolean>();
    await tell(watchers, (watcher) => {
      const { last } = watcher;
      const isNews = verdicts.get(last) ?? differs(last, snapshot);
      verdicts.set(last, isNews);
      if (isNews) return newsFor(watcher, snapshot);
      watcher.last = snapshot;
      return undefined;
    });
  }

  /** @param say what there is to say to a watcher, if anything */
  async function tell(
    watchers: ReadonlySet<Subscriber>,
    say: (watcher: Subscriber) => (() => void) | undefined,
  ): Promise<void> {
    for (const watcher of [...watchers]) {
      const saying = say(watcher);
      if (saying === undefined) continue;
      await pace();
      // Who has left meanwhile does not hear it: a stream that is over takes nothing.
      saying();
    }
  }

  function isTooOld({ fetchedAt }: BackfillSnapshot): boolean {
    return staleMs === 0 || clock.now() - Date.parse(fetchedAt) > staleMs;
  }

  return {
    join(id, watcher) {
      const watchers = watched.get(id) ?? new Set();
      watched.set(id, watchers.add(watcher));
      return () => {
        watchers.delete(watcher);
        if (watchers.size > 0 || !watched.delete(id) || watched.size > 0) return;
        cancelNext();
        onEmpty();
      };
    },
  };
}

function newsFor(watcher: Subscriber, snapshot: BackfillSnapshot): () => void {
  return () => {
    watcher.last = snapshot;
    watcher.tell(snapshot);
  };
}

function differs(a: BackfillSnapshot, b: BackfillSnapshot): boolean {
  return a.isStale !== b.isStale || !isDeepStrictEqual(a.record, b.record);
}

/** After a refusal, whatever was seen before it may not be shown any longer. */
function isRefusal({ subject }: UpstreamError): boolean {
  return subject === 'credential' || subject === 'resource';
}
