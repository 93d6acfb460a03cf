import type { ResourceId } from '../../ids.ts';
import type { Metrics } from '../../metrics.ts';
import type { Work } from '../../tracing/work.ts';
import { createTickLimiter, type TickLimiter } from '../tick-limiter.ts';
import { Poll, type PollDeps } from './poll.ts';
import { stepRows } from './row-steps.ts';
import { WatchedList } from './watched-list.ts';
import { type Watcher, Watchers } from './watchers.ts';

/** Polls what is watched of one team with one credential, all at the same moment. */
export interface TeamPoller {
  /**
   * @param ids each once
   * @returns a function to leave again; when the last watcher leaves, the poller and its timer end
   */
  watch(ids: readonly ResourceId[], watcher: Watcher): () => void;
  /** The same for the list of the team's incomplete backfills. */
  watchList(watcher: Watcher): () => void;
}

export interface TeamPollerDeps extends PollDeps {
  readonly metrics: Metrics;
  /** Awaited before each event. */
  readonly tickLimiter: TickLimiter;
  readonly onEmpty: () => void;
  /** Called when a poll leaves streams with a stale state, and when one after it leaves none. */
  readonly onStale: (isStale: boolean) => void;
}

/** Less than a millisecond of work, where each has a hundred rows of its own. */
const PAGES_PER_TICK = 25;

/** A poller begins with its first watcher, whose rows are new, so the first poll comes after an interval. */
export function createTeamPoller(deps: TeamPollerDeps): TeamPoller {
  const { upstream, clock, metrics, credential, teamId, tickLimiter, onEmpty, onStale } = deps;
  /** By the ids that they watch, joined by commas. */
  const groups = new Map<string, Watchers>();
  const list = new WatchedList(deps);
  const pageLimiter = createTickLimiter(PAGES_PER_TICK);
  let isStale = false;
  let isPolling = false;
  /** Whether other replicas have read something since the poll that is under way began. */
  let hasNews = false;
  let cancelNext = schedule();
  /** Since when answers were new enough for the last poll. */
  let lastSince = clock.monotonic() - upstream.pollIntervalMs(credential.id);
  const stopListening = upstream.listen(credential, teamId, heard);

  function isWatched(): boolean {
    return groups.size > 0 || list.isWatched;
  }

  /**
   * An answer from the second half of the interval is new enough: another read has just paid for it. The next poll comes an
   * interval after that read, and so with the reads of those who pay: streams hear at once of what these bring.
   */
  function schedule(paidAt = clock.monotonic()): () => void {
    const interval = upstream.pollIntervalMs(credential.id);
    const leftMs = Math.max(interval / 2, paidAt + interval - clock.monotonic());
    return clock.after(leftMs, () => void poll(clock.monotonic() - interval / 2));
  }

  /** Tells of what other replicas have read. It costs no call, but for what they have seen changed. */
  function heard(): void {
    hasNews = true;
    if (isPolling) return;
    cancelNext();
    void poll(lastSince);
  }

  function takeNews(): boolean {
    const had = hasNews;
    hasNews = false;
    return had;
  }

  async function poll(since: number): Promise<void> {
    isPolling = true;
    lastSince = since;
    const looking = new Poll(since, deps, works);
    const ids = new Set<ResourceId>();
    for (const [key, watchers] of [...groups]) {
      const turn = isPage(key) ? pageLimiter() : undefined;
      if (turn !== undefined) await turn;
      for (const id of watchers.unsettled()) ids.add(id);
    }
    if (takeNews()) await looking.hearNews([...ids]);
    // Started in the same turn of the event loop, so that one read of the team's list can answer them all.
    const [tellList] = await Promise.all([
      list.isWatched ? list.read(looking) : undefined,
      ...[...ids].map((id) => pollOne(looking, id)),
    ]);
    looking.refresh();
    await tellList?.(tickLimiter);
    await tellPages(looking);
    metrics.recordPoll(looking.isFresh ? 'ok' : 'failed');
    looking.end();
    if (looking.leavesStale !== isStale) {
      isStale = !isStale;
      onStale(isStale);
    }
    isPolling = false;
    if (!isWatched()) return;
    cancelNext = schedule(looking.paidAt);
    if (takeNews()) heard();
  }

  /** Those who watch this backfill alone are told as soon as it is read. */
  async function pollOne(looking: Poll, id: ResourceId): Promise<void> {
    await looking.read(id);
    await groups.get(id)?.tell((last) => stepRows(last, looking.rows), tickLimiter, looking.span);
  }

  /** Those who watch several are told when all are read, so that a poll is one event. */
  async function tellPages(looking: Poll): Promise<void> {
    for (const [key, watchers] of [...groups]) {
      if (!isPage(key)) continue;
      const turn = pageLimiter();
      if (turn !== undefined) await turn;
      await watchers.tell((last) => stepRows(last, looking.rows), tickLimiter, looking.span);
    }
  }

  function works(): readonly Work[] {
    return [...[...groups.values()].flatMap((watchers) => watchers.works()), ...list.works()];
  }

  /** @returns the same, which ends the poller when nobody is left */
  function leaving(leave: () => void): () => void {
    let hasLeft = false;
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      leave();
      if (isWatched()) return;
      cancelNext();
      stopListening();
      onEmpty();
    };
  }

  return {
    watch(ids, watcher) {
      const key = ids.join(',');
      const watchers = groups.get(key) ?? new Watchers();
      groups.set(key, watchers);
      const leave = watchers.add(watcher);
      return leaving(() => {
        leave();
        if (watchers.size === 0) groups.delete(key);
      });
    },

    watchList(watcher) {
      return leaving(list.add(watcher));
    },
  };
}

/** Whether the group watches several backfills. */
function isPage(key: string): boolean {
  return key.includes(',');
}
