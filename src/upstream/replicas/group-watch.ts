import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Credential } from '../credentials.ts';
import type { GroupReads } from './group-reads.ts';
import type { Seal } from './seal.ts';
import type { SharedStore } from './shared-store.ts';

/**
 * Hears of what other replicas have read, refused or changed, and looks again. News say no more than whose standing is
 * another one. They may be lost: so what somebody reads here is looked at once in `CACHE_TTL_MS` anyway, where no read has looked
 * at it meanwhile.
 */
export interface GroupWatch {
  /** Takes note that the standing of a credential and a team was looked at. */
  looked(credential: Credential, teamId: ResourceId): void;
  /** @see Group.listen */
  listen(credential: Credential, teamId: ResourceId, onNews: () => void): () => void;
  stop(): void;
}

export interface GroupWatchDeps {
  readonly store: Pick<SharedStore, 'onNews'>;
  readonly seal: Pick<Seal, 'names'>;
  readonly clock: Clock;
  readonly reads: Pick<GroupReads, 'lookAtStanding'>;
  /** `CACHE_TTL_MS` */
  readonly ttlMs: number;
  /** When somebody last read with a credential here, in monotonic milliseconds. */
  readonly usedAt: (credentialId: string) => number;
}

interface Watched {
  readonly credential: Credential;
  readonly teamId: ResourceId;
  readonly names: readonly string[];
  lookedAt: number;
  /** Whether a look is under way, and whether there was news since it began. */
  isLooking: boolean;
  hasNews: boolean;
  readonly listeners: Set<() => void>;
}

const MAX_WATCHED = 20_000;
/** What was looked at longer ago than this share of `CACHE_TTL_MS` is looked at within the rest. */
const LOOK_SHARE = 0.7;
const LEAST_LOOK_MS = 500;
const IDLE_MS = 60_000;
/** Answers of one page come in short succession: whoever follows it looks once for them. In milliseconds. */
const GATHER_MS = 50;

export function createGroupWatch(deps: GroupWatchDeps): GroupWatch {
  const { store, seal, clock, reads, ttlMs, usedAt } = deps;
  const lookMs = Math.max(LEAST_LOOK_MS, ttlMs * LOOK_SHARE);
  /** Those that are followed, which are never given up. */
  const followed = new Map<string, Watched>();
  const watched = new LRUCache<string, Watched>({
    maxSize: MAX_WATCHED,
    sizeCalculation: () => 1,
    dispose(each, key) {
      if (!followed.has(key)) unname(each);
    },
  });
  /** The same by the names of credentials and teams. */
  const byName = new Map<string, Set<Watched>>();
  let cancelNext = schedule();

  store.onNews((news) => {
    if (news === undefined) {
      for (const each of inUse()) look(each);
      return;
    }
    const names = news.kind === 'changed' ? news.names : news.team;
    const concerned = new Set(names.flatMap((name) => [...(byName.get(name) ?? [])]));
    for (const each of concerned) {
      if (news.kind === 'changed') look(each);
      else tell(each);
    }
  });

  function schedule(): () => void {
    return clock.after(lookMs * (1 / LOOK_SHARE - 1), () => {
      cancelNext = schedule();
      const since = clock.monotonic() - lookMs;
      for (const each of inUse()) if (each.lookedAt <= since) look(each);
      // No token is held for longer than somebody may be shown what was read with it.
      const idleSince = clock.monotonic() - IDLE_MS;
      for (const [key, each] of [...watched.entries()])
        if (each.listeners.size === 0 && usedAt(each.credential.id) < idleSince) watched.delete(key);
    });
  }

  function unname(each: Watched): void {
    for (const name of each.names) {
      const named = byName.get(name);
      named?.delete(each);
      if (named?.size === 0) byName.delete(name);
    }
  }

  function* inUse(): Iterable<Watched> {
    const since = clock.monotonic() - Math.max(ttlMs, lookMs);
    for (const each of [...watched.values()]) {
      if (each.listeners.size > 0 || usedAt(each.credential.id) >= since) yield each;
    }
  }

  /** Whoever follows it is told after the look, since what he reads then must not be what was known before. */
  function look(each: Watched): void {
    each.hasNews = true;
    if (each.isLooking) return;
    each.isLooking = true;
    each.hasNews = false;
    each.lookedAt = clock.monotonic();
    void reads.lookAtStanding(each.credential, each.teamId).then((isTold) => {
      each.isLooking = false;
      if (!isTold) each.lookedAt = -Infinity;
      else if (each.hasNews) look(each);
      else tell(each);
    });
  }

  const gathering = new Set<Watched>();

  function tell(each: Watched): void {
    if (each.listeners.size === 0 || gathering.has(each)) return;
    gathering.add(each);
    clock.after(GATHER_MS, () => {
      gathering.delete(each);
      for (const listener of [...each.listeners]) listener();
    });
  }

  function watchedOf(credential: Credential, teamId: ResourceId): Watched {
    const key = `${credential.id}/${teamId}`;
    const known = followed.get(key) ?? watched.get(key);
    if (known !== undefined) return known;
    const names = [...seal.names(credential, 'credential'), ...seal.names(credential, 'team', teamId)];
    const made: Watched = {
      credential,
      teamId,
      names,
      lookedAt: -Infinity,
      isLooking: false,
      hasNews: false,
      listeners: new Set(),
    };
    watched.set(key, made);
    for (const name of names) byName.set(name, (byName.get(name) ?? new Set()).add(made));
    return made;
  }

  return {
    looked(credential, teamId) {
      watchedOf(credential, teamId).lookedAt = clock.monotonic();
    },
    listen(credential, teamId, onNews) {
      const key = `${credential.id}/${teamId}`;
      const each = watchedOf(credential, teamId);
      followed.set(key, each);
      each.listeners.add(onNews);
      return () => {
        each.listeners.delete(onNews);
        if (each.listeners.size > 0) return;
        followed.delete(key);
        if (!watched.has(key)) unname(each);
      };
    },
    stop: () => cancelNext(),
  };
}
