import { LRUCache } from 'lru-cache';
import type { ResourceId } from '../../ids.ts';
import type { Resource } from './snapshots.ts';

/**
 * When writes changed the resources of one team, or may have. Each change begins a new generation of its resource: what
 * was asked for before is from an older one.
 */
export interface Changes {
  /** Monotonic milliseconds; `-Infinity` where no write changed it lately. */
  at(kind: Changing, id?: ResourceId): number;
  /**
   * @param id of the resource; the list has none
   * @param written the backfill of which the write told the state; undefined where it may have changed anything
   */
  note(kind: Changing, id: ResourceId | undefined, at: number, written?: ResourceId): void;
  /** The backfills of which a write told the state since a moment, the latest first. */
  writtenSince(moment: number): Iterable<ResourceId>;
}

type Changing = Resource['kind'] | 'list';

interface Change {
  readonly at: number;
  readonly written: ResourceId | undefined;
}

/** No read takes as long as so many writes. */
const MAX_CHANGES = 1_000;

export function createChanges(): Changes {
  /** In the order of their moments. Most teams have none. */
  let changes: LRUCache<string, Change> | undefined;

  return {
    at: (kind, id) => changes?.peek(nameOf(kind, id))?.at ?? -Infinity,

    note(kind, id, at, written) {
      const key = nameOf(kind, id);
      changes ??= new LRUCache({ maxSize: MAX_CHANGES, sizeCalculation: () => 1 });
      changes.set(key, { at, written: written ?? changes.peek(key)?.written });
    },

    *writtenSince(moment) {
      for (const { at, written } of changes?.values() ?? []) {
        if (at < moment) return;
        if (written !== undefined) yield written;
      }
    },
  };
}

function nameOf(kind: Changing, id = ''): string {
  return `${kind}/${id}`;
}
