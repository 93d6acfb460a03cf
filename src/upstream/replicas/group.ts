import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Credential } from '../credentials.ts';
import type { AdmissionNews } from '../quota/admission.ts';
import type { SharedHours } from '../quota/governor.ts';
import { createGroupHour } from './group-hour.ts';
import { createGroupReads, type GroupReads, type LookResult } from './group-reads.ts';
import {
  createGroupStandings,
  type CredentialStanding,
  type Member,
  type TeamStanding,
} from './group-standings.ts';
import { createGroupWatch } from './group-watch.ts';
import { createGuardedStore, type StepName } from './guarded-store.ts';
import type { Seal } from './seal.ts';
import type { SharedStore } from './shared-store.ts';

/** The other replicas, as this one deals with them. */
export interface Group extends AdmissionNews {
  readonly reads: GroupReads;
  /** After a 403 of a read. @param resource its name within the team */
  refused(credential: Credential, teamId: ResourceId, resource: string): void;
  /** After a write that has changed these resources, or may have. */
  changed(credential: Credential, teamId: ResourceId, resources: readonly string[]): void;
  /**
   * @param onNews called when others have read something of the team, or it has changed
   * @returns a function that ends it
   */
  listen(credential: Credential, teamId: ResourceId, onNews: () => void): () => void;
  state(): GroupState;
  close(): Promise<void>;
}

export interface GroupState {
  /** Why the store is away; undefined while it is there. */
  readonly awayFor: string | undefined;
  /** Replicas that were there when the store answered last, this one included. */
  readonly replicas: number;
}

export interface GroupSettings {
  /** `REDIS_TIMEOUT_MS` */
  readonly timeoutMs: number;
  /** `CACHE_TTL_MS` */
  readonly ttlMs: number;
  /** `REPLICAS`, the least that are assumed while the store is away. */
  readonly replicas: number;
}

export interface GroupDeps {
  readonly store: SharedStore;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly hours: SharedHours;
  readonly member: Member;
  /** What this replica knows. */
  readonly standings: {
    of(credential: Credential): Omit<CredentialStanding, 'limit'>;
    ofTeam(credential: Credential, teamId: ResourceId): TeamStanding;
  };
  /** When somebody last read with a credential here, in monotonic milliseconds. */
  readonly usedAt: (credentialId: string) => number;
  readonly onLook: (result: LookResult) => void;
  readonly onStep: (step: StepName, milliseconds: number, isDone: boolean) => void;
  readonly onChange: (awayFor: string | undefined) => void;
  /** @see GroupHourDeps.onForeign */
  readonly onForeign: (replicas: number) => void;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** @param isThere whether the store is there from the beginning */
export function createGroup(
  { timeoutMs, ttlMs, replicas }: GroupSettings,
  deps: GroupDeps,
  isThere = false,
): Group {
  const {
    seal,
    clock,
    hours,
    member,
    standings: known,
    usedAt,
    onLook,
    onStep,
    onChange,
    onForeign,
    random,
  } = deps;
  /** The limit that was told to the group last, by credential. */
  const toldLimits = new Map<string, number>();
  const store = createGuardedStore(
    deps.store,
    {
      clock,
      timeoutMs,
      onStep,
      onChange: whereabouts,
      onDoubtOver: () => standings.catchUp(),
      ...(random && { random }),
    },
    isThere,
  );
  const standings = createGroupStandings({
    store,
    seal,
    clock,
    member,
    onRefused: () => onLook('refused'),
  });
  const hour = createGroupHour({ store, seal, clock, hours, onForeign });
  const reads = createGroupReads({
    store,
    seal,
    clock,
    standings: {
      versionOf: standings.versionOf,
      hasUntold: standings.hasUntold,
      learn(credential, teamId, told) {
        watch.looked(credential, teamId);
        standings.learn(credential, teamId, told);
      },
    },
    onLook,
    onCounted: hour.counted,
  });
  const watch = createGroupWatch({ store, seal, clock, reads, ttlMs, usedAt });
  if (isThere) join();

  function join(): void {
    hours.join();
    hour.setAway(false);
  }

  function whereabouts(awayFor: string | undefined): void {
    if (awayFor === undefined) {
      join();
      standings.catchUp();
    } else {
      hour.setAway(true);
      hours.leave(Math.max(replicas, hour.replicas));
    }
    onChange(awayFor);
  }

  function tell(credential: Credential, isDropped: boolean): void {
    const limit = hours.toldLimit(credential.id);
    if (limit !== undefined) toldLimits.set(credential.id, limit);
    standings.tell(credential, { ...known.of(credential), limit }, isDropped);
  }

  return {
    reads,
    ofCredential: tell,
    ofTeam: (credential, teamId) => standings.tellTeam(credential, teamId, known.ofTeam(credential, teamId)),
    accepted(credential) {
      const limit = hours.toldLimit(credential.id);
      if (limit !== undefined && toldLimits.get(credential.id) !== limit) tell(credential, false);
    },
    refused: (credential, teamId, resource) =>
      standings.tellTeam(credential, teamId, known.ofTeam(credential, teamId), {
        kind: 'refused',
        resources: [resource],
      }),
    changed: (credential, teamId, resources) =>
      standings.tellTeam(credential, teamId, known.ofTeam(credential, teamId), {
        kind: 'changed',
        resources,
      }),
    listen: watch.listen,
    state: () => ({ awayFor: store.awayFor, replicas: hour.replicas }),
    async close() {
      watch.stop();
      hour.stop();
      await reads.close().catch(() => undefined);
      await store.close();
    },
  };
}
