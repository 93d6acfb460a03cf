import { isResourceId, type ResourceId } from '../../ids.ts';
import type { Partitions } from '../cache/partitions.ts';
import type { Resource } from '../cache/snapshots.ts';
import type { Governor } from '../quota/governor.ts';
import type { RefusalMemory } from '../quota/refusal-memory.ts';
import type { RetryAfterGate } from '../quota/retry-after-gate.ts';
import type { Member } from '../replicas/group-standings.ts';
import type { Team } from './teams.ts';

export interface MemberDeps {
  readonly gate: RetryAfterGate;
  readonly refusals: RefusalMemory;
  readonly governor: Governor;
  readonly partitions: Partitions<Team>;
}

/** Takes over here what other replicas were told. */
export function createMember({ gate, refusals, governor, partitions }: MemberDeps): Member {
  return {
    adopt({ id }, { gate: closed, refusal, limit }) {
      if (closed !== undefined) gate.adopt({ id }, closed);
      refusals.adopt(id, undefined, refusal);
      if (limit !== undefined) governor.adoptLimit(id, limit);
    },
    adoptTeam: ({ id }, teamId, { refusal }) => refusals.adopt(id, teamId, refusal),
    drop: ({ id }) => partitions.drop(id),
    forget: ({ id }) => partitions.forget(id),
    happened({ id }, teamId, { kind, resources }) {
      const team = partitions.find(id, teamId);
      if (team === undefined) return;
      for (const name of resources) {
        const resource = resourceNamed(name, teamId);
        if (resource === undefined) continue;
        if (kind === 'refused') team.store.refuse(resource);
        else team.store.doubt(resource);
      }
      team.forgetUnderWay('all');
    },
  };
}

/** Undefined for the list, which is in doubt with each of its backfills. */
function resourceNamed(name: string, teamId: ResourceId): Resource | undefined {
  const [kind, id] = name.split('/');
  if ((kind !== 'backfill' && kind !== 'latest') || id === undefined || !isResourceId(id)) return undefined;
  return { kind, teamId, id };
}
