import type { ResourceId } from '../../ids.ts';
import { UpstreamError } from '../errors.ts';
import { EntryKey } from './entry-key.ts';
import type { Kept, KeptBackfill, KeptLatest } from './kept.ts';
import type { Partition } from './partition.ts';
import type { Known, Moments, Resource } from './snapshots.ts';
import type { TeamList } from './team-list.ts';

type Index = Map<ResourceId, EntryKey>;

/** What is kept of one team, by the kind of the entry, whether or not it may be shown. */
export class TeamEntries {
  readonly #partition: Pick<Partition<object>, 'get' | 'set' | 'delete'>;
  readonly #indexes: Readonly<Record<Resource['kind'], Index>> = { backfill: new Map(), latest: new Map() };
  readonly #listKey: EntryKey;

  constructor(partition: Pick<Partition<object>, 'get' | 'set' | 'delete'>, teamId: ResourceId) {
    this.#partition = partition;
    this.#listKey = new EntryKey(teamId);
  }

  set(kind: Resource['kind'], id: ResourceId, entry: Kept): void {
    const index = this.#indexes[kind];
    this.#partition.set(index.get(id) ?? new EntryKey(id, index), entry);
  }

  delete(kind: Resource['kind'], id: ResourceId): void {
    const key = this.#indexes[kind].get(id);
    if (key !== undefined) this.#partition.delete(key);
  }

  backfill(id: ResourceId): KeptBackfill | undefined {
    const kept = this.#get(this.#indexes.backfill.get(id));
    return kept?.kind === 'backfill' ? kept : undefined;
  }

  latest(transferId: ResourceId): KeptLatest | undefined {
    const kept = this.#get(this.#indexes.latest.get(transferId));
    return kept?.kind === 'latest' ? kept : undefined;
  }

  list(): TeamList | undefined {
    const kept = this.#get(this.#listKey);
    return kept?.kind === 'list' ? kept : undefined;
  }

  setList(list: TeamList): void {
    this.#partition.set(this.#listKey, list);
  }

  deleteList(): void {
    this.#partition.delete(this.#listKey);
  }

  /** Those backfills of a list that are kept. */
  rowsOf({ ids }: TeamList): ReadonlyMap<ResourceId, Known['outcome']> {
    const rows = new Map<ResourceId, Known['outcome']>();
    for (const id of ids) {
      const kept = this.backfill(id);
      if (kept !== undefined) rows.set(id, kept.outcome);
    }
    return rows;
  }

  known({ kind, id }: Pick<Resource, 'kind' | 'id'>): Known | undefined {
    if (kind === 'backfill') return this.backfill(id);
    const pointer = this.latest(id);
    return pointer && this.followed(pointer);
  }

  /** What a pointer to a latest backfill leads to. */
  followed(pointer: KeptLatest): Known | undefined {
    if (pointer.backfill instanceof UpstreamError) return { ...pointer, outcome: pointer.backfill };
    const target = this.backfill(pointer.backfill);
    return target && joined(pointer, target);
  }

  #get(key: EntryKey | undefined): Kept | undefined {
    return key && this.#partition.get(key);
  }
}

/** A latest backfill is as fresh as both what it is and which one it is. */
export function joined(pointer: Moments, target: KeptBackfill): Known {
  return {
    outcome: target.outcome,
    verifiedAt: pointer.verifiedAt,
    confirmedAt: Math.min(pointer.confirmedAt, target.confirmedAt),
    freshUntil: Math.min(pointer.freshUntil, target.freshUntil),
    isDoubted: pointer.isDoubted === true || target.isDoubted === true,
    interest: pointer.interest,
  };
}
