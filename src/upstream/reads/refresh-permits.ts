import type { ResourceId } from '../../ids.ts';
import type { Credential } from '../credentials.ts';
import type { Governor } from '../quota/governor.ts';
import type { ResilientHttp } from '../transport/resilience.ts';

/** Says whether a read may be made that nobody waits for. */
export interface RefreshPermits {
  /** @returns a function that gives the permit back, or undefined where there is none */
  acquire(credential: Credential, teamId: ResourceId): (() => void) | undefined;
}

export interface RefreshPermitsDeps {
  readonly governor: Pick<Governor, 'hasPlenty'>;
  readonly http: Pick<ResilientHttp, 'isAtEase'>;
  /** `UPSTREAM_MAX_CONCURRENCY` */
  readonly maxConcurrency: number;
}

/** The slots that refreshes may take all together, as a share. */
const SHARE_OF_SLOTS = 1 / 2;

/**
 * Nobody misses such a read, so it is made only where it takes nothing from people: the hour's calls suffice, the circuits
 * are closed, and slots are free. Those of one moment have no slots yet, so they are counted here. A closed gate and a
 * remembered refusal stop it as any read.
 */
export function createRefreshPermits({ governor, http, maxConcurrency }: RefreshPermitsDeps): RefreshPermits {
  const most = Math.max(1, maxConcurrency * SHARE_OF_SLOTS);
  let held = 0;

  return {
    acquire(credential, teamId) {
      const mayCall =
        held < most &&
        governor.hasPlenty(credential.id) &&
        http.isAtEase({ credentialId: credential.id, teamId });
      if (!mayCall) return undefined;
      held++;
      return () => {
        held--;
      };
    },
  };
}
