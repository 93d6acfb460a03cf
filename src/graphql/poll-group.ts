import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import type { ResourceId } from '../ids.ts';
import type { Metrics } from '../metrics.ts';
import type { CachedClient } from '../upstream/cached-client.ts';
import type { Reader } from '../upstream/reader.ts';
import type { BackfillSnapshot } from '../upstream/snapshots.ts';
import type { Credential } from '../upstream/credentials.ts';
import { UpstreamError, type UpstreamErrorKind } from '../upstream/errors.ts';
import { Tally } from '../upstream/tally.ts';

/** Somebody who waits for news of one backfill. */
export interface Watcher {
  /** The last that was read for this watcher, whether it was told or not. */
  last: BackfillSnapshot;
  tell(snapshot: BackfillSnapshot): void;
  end(error: Error): void;
}

/** All backfills of one team that are watched with one credential, looked at together. */
export interface PollGroup {
  /** @returns what ends the watching; the last to leave ends the group and its timer with it */
  join(id: ResourceId, watcher: Watcher): () => void;
}

export interface PollGroupDeps {
  readonly client: CachedClient;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly credential: Credential;
  readonly teamId: ResourceId;
  /** Milliseconds from the end of one poll to the next; asked anew each time. */
  readonly intervalMs: () => number;
  /** How old the last good answer may get while polls fail. */
  readonly staleMs: number;
  readonly onEmpty: () => void;
}

/** Refusals: what was seen before them may not be shown any longer. */
const ENDS: ReadonlySet<UpstreamErrorKind> = new Set(['unauthenticated', 'forbidden', 'notFound']);

/** A group begins with its first watcher, whose value is new: its first poll comes after an interval. */
export function createPollGroup(deps: PollGroupDeps): PollGroup {
  const { client, clock, metrics, credential, teamId, intervalMs, staleMs, onEmpty } = deps;
  const watched = new Map<ResourceId, Set<Watcher>>();
  let cancelNext = schedule();

  function schedule(): () => void {
    const interval = intervalMs();
    // Half of the interval, so that what another read brought just now is not asked for again.
    return clock.after(interval, () => void poll(clock.monotonic() - interval / 2));
  }

  async function poll(since: number): Promise<void> {
    const reader: Reader = {
      caller: { credential, requestId: randomUUID(), traceparent: undefined },
      mode: { kind: 'poll', since },
      // It is for many operations, and bounded by what they watch.
      tally: new Tally(Infinity),
    };
    // All in one go, so that the client can read them together.
    const good = await Promise.all([...watched].map((each) => look(reader, ...each)));
    metrics.recordPoll(good.every(Boolean) ? 'ok' : 'failed');
    if (watched.size > 0) cancelNext = schedule();
  }

  async function look(reader: Reader, id: ResourceId, watchers: ReadonlySet<Watcher>): Promise<boolean> {
    try {
      const snapshot = await client.backfill(reader, teamId, id);
      hear(watchers, snapshot);
      return !snapshot.isStale;
    } catch (error) {
      for (const watcher of [...watchers]) fail(watcher, error);
      return false;
    }
  }

  function fail(watcher: Watcher, reason: unknown): void {
    const error = reason instanceof Error ? reason : new Error('a read rejected without an error');
    const { last } = watcher;
    if (!(error instanceof UpstreamError) || ENDS.has(error.kind) || isTooOld(last)) watcher.end(error);
    else if (!last.isStale) hear([watcher], { ...last, isStale: true });
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

/** Tells each watcher to whom it is news; that it was asked for again later is none. */
function hear(watchers: Iterable<Watcher>, snapshot: BackfillSnapshot): void {
  // Nearly all of them have the same snapshot from the time before.
  const verdicts = new Map<BackfillSnapshot, boolean>();
  for (const watcher of [...watchers]) {
    const { last } = watcher;
    const isNews = verdicts.get(last) ?? differs(last, snapshot);
    verdicts.set(last, isNews);
    watcher.last = snapshot;
    if (isNews) watcher.tell(snapshot);
  }
}

function differs(a: BackfillSnapshot, b: BackfillSnapshot): boolean {
  return a.isStale !== b.isStale || !isDeepStrictEqual(a.record, b.record);
}
