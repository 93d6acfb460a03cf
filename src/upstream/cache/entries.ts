import type { ResourceId } from '../../ids.ts';
import { UpstreamError } from '../errors.ts';
import type { Kept, KeptBackfill, KeptLatest } from './kept.ts';
import type { Partition } from './partition.ts';
import type { Known, Moments, Resource } from './snapshots.ts';
import type { TeamList } from './team-list.ts';

/** What is kept of one team, by the kind of the entry, whether or not it may be shown. */
export class TeamEntries {
  readonly #partition: Pick<Partition<object>, 'get' | 'set' | 'delete'>;
  readonly #teamId: ResourceId;
  readonly listKey: string;

  constructor(partition: Pick<Partition<object>, 'get' | 'set' | 'delete'>, teamId: ResourceId) {
    this.#partition = partition;
    this.#teamId = teamId;
    this.listKey = `${teamId}/list`;
  }

  // A team and the ids in it hold only digits, so no two resources share a key.

  backfillKey(id: ResourceId): string {
    return `${this.#teamId}/backfill/${id}`;
  }

  latestKey(transferId: ResourceId): string {
    return `${this.#teamId}/latest/${transferId}`;
  }

  keyOf({ kind, id }: Resource): string {
    return kind === 'latest' ? this.latestKey(id) : this.backfillKey(id);
  }

  get(key: string): Kept | undefined {
    return this.#partition.get(key);
  }

  set(key: string, entry: Kept): void {
    this.#partition.set(key, entry);
  }

  delete(key: string): void {
    this.#partition.delete(key);
  }

  backfill(id: ResourceId): KeptBackfill | undefined {
    return this.backfillAt(this.backfillKey(id));
  }

  backfillAt(key: string): KeptBackfill | undefined {
    const kept = this.get(key);
    return kept?.kind === 'backfill' ? kept : undefined;
  }

  latest(transferId: ResourceId): KeptLatest | undefined {
    return this.latestAt(this.latestKey(transferId));
  }

  latestAt(key: string): KeptLatest | undefined {
    const kept = this.get(key);
    return kept?.kind === 'latest' ? kept : undefined;
  }

  list(): TeamList | undefined {
    const kept = this.get(this.listKey);
    return kept?.kind === 'list' ? kept : undefined;
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
