import type { ResourceId } from '../../ids.ts';
import type { Resource } from './snapshots.ts';

// A partition and ids hold only digits and the partition's own alphabet, neither of which has a slash, so no two teams
// and no two resources share a key.

/** Names what one credential may see of one team. */
export function teamKey(partition: string, teamId: ResourceId): string {
  return `${partition}/${teamId}`;
}

/** Names what one credential may see of one resource. */
export function resourceKey(partition: string, { kind, teamId, id }: Resource): string {
  return `${partition}/${teamId}/${kind}/${id}`;
}
