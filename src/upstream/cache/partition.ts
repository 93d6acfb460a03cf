import { LRUCache } from 'lru-cache';
import type { ResourceId } from '../../ids.ts';
import type { EntryKey } from './entry-key.ts';
import { type Kept, weigh } from './kept.ts';

/**
 * Teams of one partition. An id of a team can be invented too. What is kept of a team that goes is found no more, and goes when
 * it is the oldest.
 */
const MAX_TEAMS = 1_000;

/** What is kept for one credential. The registry that made it decides whether it keeps anything; see partitions.ts. */
export class Partition<Team extends object> {
  /** {@link Credential.id} */
  readonly credentialId: string;
  /** Differs from that of every partition before, of the same credential too. */
  readonly name: string;
  /** When somebody last read with its credential, in monotonic milliseconds. */
  usedAt = -Infinity;
  /** Whether it is in the registry. One that is not keeps nothing new. */
  isHeld = true;
  /** Whether the REST API has accepted the credential. */
  isAccepted = false;
  /** Whether the REST API has refused the credential. */
  isDropped = false;
  readonly #maxBytes: number;
  readonly #onWeight: (change: number) => void;
  readonly #onGone: LRUCache.Disposer<EntryKey, Kept>;
  // Most newcomers never have either. lru-cache reserves memory for a limit of entries, and none for one of sizes.
  #teams: LRUCache<ResourceId, Team> | undefined;
  #entries: LRUCache<EntryKey, Kept> | undefined;

  /**
   * @param onWeight told by how many bytes it grew or shrank
   * @param onGone told of each value that is replaced, deleted or evicted, but not of those that {@link empty} drops
   */
  constructor(
    credentialId: string,
    name: string,
    maxBytes: number,
    onWeight: (change: number) => void,
    onGone: LRUCache.Disposer<EntryKey, Kept>,
  ) {
    this.credentialId = credentialId;
    this.name = name;
    this.#maxBytes = maxBytes;
    this.#onWeight = onWeight;
    this.#onGone = onGone;
  }

  get bytes(): number {
    return this.#entries?.calculatedSize ?? 0;
  }

  get count(): number {
    return this.#entries?.size ?? 0;
  }

  /** The team, made where it is not there. */
  team(teamId: ResourceId, make: () => Team): Team {
    this.#teams ??= new LRUCache({ maxSize: MAX_TEAMS, sizeCalculation: () => 1 });
    const known = this.#teams.get(teamId);
    if (known !== undefined) return known;
    const team = make();
    this.#teams.set(teamId, team);
    return team;
  }

  find(teamId: ResourceId): Team | undefined {
    return this.#teams?.peek(teamId);
  }

  /** The teams that its credential has asked for. */
  teams(): Iterable<Team> {
    return this.#teams?.values() ?? [];
  }

  get(key: EntryKey): Kept | undefined {
    return this.#entries?.get(key);
  }

  set(key: EntryKey, entry: Kept): void {
    if (!this.isHeld) return;
    this.#entries ??= new LRUCache({
      maxSize: this.#maxBytes,
      sizeCalculation: weigh,
      dispose: this.#onGone,
    });
    const before = this.bytes;
    this.#entries.set(key, entry);
    // It was too large to be kept.
    if (this.#entries.has(key)) key.hold();
    else key.letGo();
    this.#onWeight(this.bytes - before);
  }

  delete(key: EntryKey): void {
    const before = this.bytes;
    this.#entries?.delete(key);
    this.#onWeight(this.bytes - before);
  }

  /** Evicts what was not used for longest, down to so many bytes. */
  shrinkTo(bytes: number): void {
    const before = this.bytes;
    while (this.bytes > bytes && this.#entries?.pop() !== undefined);
    this.#onWeight(this.bytes - before);
  }

  empty(): void {
    this.#onWeight(-this.bytes);
    this.#entries = undefined;
    this.#teams = undefined;
  }
}
