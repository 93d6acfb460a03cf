import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { AUTHORITY_MS } from './authority.ts';
import type { ResourceId } from '../../ids.ts';
import type { EntryKey } from './entry-key.ts';
import type { Kept } from './kept.ts';
import { Partition } from './partition.ts';

/**
 * Everything that is kept, divided by credential. Nothing is shared between two partitions, and `CACHE_MAX_BYTES` is
 * shared fairly: when it is used up, the partitions that hold most give up what they have not used for longest. So a
 * credential alone may fill the cache, and one of many keeps its share. Where nobody holds much more than others, those that
 * nobody has used for a minute go first: what they hold can only stand in for what cannot be had.
 *
 * A partition is known by identity. After a 401 the credential gets a new one, and an answer that is still under way
 * belongs to the old one, which keeps nothing any more. So nothing that was dropped comes back, however late an answer
 * comes and whatever is evicted meanwhile.
 */
export interface Partitions<Team extends object> {
  /** @param credentialId {@link Credential.id} */
  of(credentialId: string): Partition<Team>;
  /** Records that the REST API has answered the credential with something else than a 401. */
  accept(partition: Partition<Team>): void;
  /** Whether the REST API has accepted the credential, as far as is known. */
  isAccepted(credentialId: string): boolean;
  /** Drops everything that is kept for the credential. */
  drop(credentialId: string): void;
  /** Drops the same, and knows the credential as before. */
  forget(credentialId: string): void;
  /** The team, where the credential has asked for it. */
  find(credentialId: string, teamId: ResourceId): Team | undefined;
  /** When somebody last read with the credential, in monotonic milliseconds. */
  usedAt(credentialId: string): number;
  /** How much is kept at the moment. */
  size(): CacheSize;
  /** How many credentials are known. */
  credentials(): KnownCredentials;
  /** The teams of all of them. */
  teams(): Iterable<Team>;
}

export interface KnownCredentials {
  readonly accepted: number;
  /** Those to whom the REST API has so far answered nothing but 401, or nothing. */
  readonly newcomers: number;
}

export interface CacheSize {
  readonly entries: number;
  readonly bytes: number;
  /** Values that were dropped so far to make room for others. */
  readonly evictions: number;
}

/** Partitions of credentials that the REST API has accepted. The one used least recently is evicted first. */
const MAX_ACCEPTED = 10_000;
/** Partitions of others. They stand apart, since anybody can invent tokens. */
const MAX_NEWCOMERS = 1_000;
/** The share of the limit that is freed at once, so that the search for the largest partitions is rare. */
const FREED_SHARE = 0.01;
/** Whoever holds more than so many equal parts gives up before those that nobody uses do. */
const MUCH = 2;

/** @param maxBytes `CACHE_MAX_BYTES` */
export function createPartitions<Team extends object>(
  maxBytes: number,
  clock: Pick<Clock, 'monotonic'>,
): Partitions<Team> {
  let bytes = 0;
  let made = 0;
  let evictions = 0;
  const evicted = (partition: Partition<Team>, _id: string, reason: LRUCache.DisposeReason): void => {
    if (reason !== 'evict') return;
    evictions += partition.count;
    partition.isHeld = false;
    partition.empty();
  };
  const accepted = new LRUCache<string, Partition<Team>>({
    maxSize: MAX_ACCEPTED,
    sizeCalculation: () => 1,
    dispose: evicted,
  });
  const newcomers = new LRUCache<string, Partition<Team>>({
    maxSize: MAX_NEWCOMERS,
    sizeCalculation: () => 1,
    dispose: evicted,
  });

  function weighed(change: number): void {
    bytes += change;
    if (bytes > maxBytes) makeRoom(maxBytes * (1 - FREED_SHARE));
  }

  function gone(_kept: Kept, key: EntryKey, reason: LRUCache.DisposeReason): void {
    if (reason === 'evict') evictions++;
    if (reason !== 'set') key.letGo();
  }

  function makeRoom(enough: number): void {
    const holding = [...all()].filter((partition) => partition.bytes > 0);
    const idleSince = clock.monotonic() - AUTHORITY_MS;
    const much = (MUCH * enough) / holding.length;
    const large = holding.filter((partition) => partition.bytes > much);
    const idle = holding.filter(({ usedAt }) => usedAt <= idleSince);
    level(large, enough, much);
    level(idle, enough);
    level(holding, enough);
  }

  /**
   * Has those of them who hold most come down to one level, at which there is room enough, or to the least one. The level rises
   * as long as somebody is within it. To evict from the largest one by one would look at all of them for each value, where
   * many hold alike. A value may be so large that not everybody has to give one up; the largest do so first.
   */
  function level(of: readonly Partition<Team>[], enough: number, least = 0): void {
    if (bytes <= enough) return;
    let above = of;
    let left = Math.max(0, enough - (bytes - sumOf(of)));
    for (;;) {
      const level = left / above.length;
      const larger = above.filter((partition) => partition.bytes > level);
      if (larger.length === above.length || larger.length === 0) break;
      left -= sumOf(above) - sumOf(larger);
      above = larger;
    }
    for (const partition of [...above].sort((one, other) => other.bytes - one.bytes)) {
      if (bytes <= enough) return;
      partition.shrinkTo(Math.max(least, left / above.length));
    }
  }

  function sumOf(partitions: readonly Partition<Team>[]): number {
    return partitions.reduce((sum, partition) => sum + partition.bytes, 0);
  }

  /** Those that were used least recently first. */
  function* all(): Iterable<Partition<Team>> {
    for (const registry of [newcomers, accepted]) {
      for (const partition of registry.rvalues()) if (partition !== undefined) yield partition;
    }
  }

  function drop(partition: Partition<Team> | undefined): void {
    if (partition === undefined) return;
    partition.isHeld = false;
    partition.isDropped = true;
    partition.empty();
  }

  return {
    of(credentialId) {
      let partition = accepted.get(credentialId) ?? newcomers.get(credentialId);
      if (partition === undefined) {
        partition = new Partition<Team>(credentialId, String(++made), maxBytes, weighed, gone);
        newcomers.set(credentialId, partition);
      }
      partition.usedAt = clock.monotonic();
      return partition;
    },

    accept(partition) {
      const { credentialId, isDropped } = partition;
      if (isDropped || accepted.get(credentialId) !== undefined) return;
      // One that was evicted before its first answer came may have been replaced meanwhile.
      const newcomer = newcomers.peek(credentialId);
      if (newcomer !== partition) drop(newcomer);
      newcomers.delete(credentialId);
      partition.isHeld = true;
      partition.isAccepted = true;
      accepted.set(credentialId, partition);
    },

    isAccepted: (credentialId) => accepted.has(credentialId),

    drop(credentialId) {
      drop(accepted.peek(credentialId));
      drop(newcomers.peek(credentialId));
      accepted.delete(credentialId);
      newcomers.delete(credentialId);
    },

    forget(credentialId) {
      const wasAccepted = accepted.has(credentialId);
      this.drop(credentialId);
      if (wasAccepted) this.accept(this.of(credentialId));
    },

    find: (credentialId, teamId) =>
      (accepted.peek(credentialId) ?? newcomers.peek(credentialId))?.find(teamId),

    usedAt: (credentialId) =>
      (accepted.peek(credentialId) ?? newcomers.peek(credentialId))?.usedAt ?? -Infinity,

    size() {
      let entries = 0;
      for (const { count } of all()) entries += count;
      return { entries, bytes, evictions };
    },

    credentials: () => ({ accepted: accepted.size, newcomers: newcomers.size }),

    *teams() {
      for (const partition of all()) yield* partition.teams();
    },
  };
}
