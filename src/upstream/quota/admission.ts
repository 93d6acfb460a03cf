import type { ResourceId } from '../../ids.ts';
import type { Credential } from '../credentials.ts';
import { UpstreamError } from '../errors.ts';
import type { Bar } from './bar.ts';
import type { CallReason } from './demand.ts';
import type { Governor, Priority } from './governor.ts';
import type { RefusalMemory } from './refusal-memory.ts';
import type { RetryAfterGate } from './retry-after-gate.ts';

/** Admission control: what stands between a credential and a call. */
export interface Admission {
  /**
   * Asked right before a call.
   * @throws {UpstreamError} where the call may not be made now, or would be refused as others were lately
   */
  assertMayCall(credential: Credential, teamId: ResourceId, priority: Priority, reason: CallReason): void;
  /**
   * The same for a write, which only a closed gate refuses: a person waits for it, and a refusal of reads is not its own.
   * @throws {UpstreamError} as the gate does
   */
  assertMayWrite(credential: Credential): void;
  /**
   * Records what a call's failure says about the credential.
   * @param resource names what was asked for within its team; undefined for a list that nobody asked for and for a write,
   * whose 403 is their own
   */
  recordFailure(error: UpstreamError, credential: Credential, teamId: ResourceId, resource?: string): void;
  /** Records that a call was accepted. */
  recordAccepted(credential: Credential, teamId: ResourceId): void;
  /** The error that {@link assertMayCall} would throw now. */
  refusal(credential: Credential, teamId: ResourceId, priority: Priority): UpstreamError | undefined;
  /** Whether the next call shows if a refusal still holds. */
  isTrial(credential: Credential, teamId: ResourceId): boolean;
}

/** What this replica has learned that concerns others, where there are others. */
export interface AdmissionNews {
  /** @param isDropped whether a 401 has dropped all that was kept for the credential */
  ofCredential(credential: Credential, isDropped: boolean): void;
  ofTeam(credential: Credential, teamId: ResourceId): void;
  /** After each call that was accepted. */
  accepted(credential: Credential): void;
}

export interface AdmissionDeps {
  readonly gate: RetryAfterGate;
  readonly refusals: RefusalMemory;
  readonly governor: Governor;
  /** What is kept, by credential. */
  readonly partitions: { drop(credentialId: string): void };
  readonly news?: AdmissionNews | undefined;
}

export function createAdmission({ gate, refusals, governor, partitions, news }: AdmissionDeps): Admission {
  return {
    assertMayCall(credential, teamId, priority, reason) {
      const { id } = credential;
      gate.assertOpen(credential);
      refusals.assertNone({ credentialId: id, teamId });
      governor.assertAffordable(id, priority);
      governor.expectCall(id, reason);
    },

    assertMayWrite(credential) {
      gate.assertOpen(credential);
      governor.expectCall(credential.id, 'miss');
    },

    recordFailure(error, credential, teamId, resource) {
      const isDropped = error.kind === 'unauthenticated';
      if (isDropped) partitions.drop(credential.id);
      const isClosed = gate.closeAfter(error, credential);
      const isMemorable = resource !== undefined || error.kind !== 'forbidden';
      const by = { credentialId: credential.id, teamId, resource: resource ?? 'list' };
      const refused = isMemorable ? refusals.record(error, by) : undefined;
      if (isDropped || isClosed || refused === 'credential') news?.ofCredential(credential, isDropped);
      if (refused === 'team') news?.ofTeam(credential, teamId);
    },

    recordAccepted(credential, teamId) {
      for (const forgotten of refusals.accepted({ credentialId: credential.id, teamId })) {
        if (forgotten === 'credential') news?.ofCredential(credential, false);
        else news?.ofTeam(credential, teamId);
      }
      news?.accepted(credential);
    },

    refusal(credential, teamId, priority) {
      try {
        gate.assertOpen(credential);
        refusals.assertNone({ credentialId: credential.id, teamId });
      } catch (error) {
        if (error instanceof UpstreamError) return error;
        throw error;
      }
      return governor.refusal(credential.id, priority);
    },

    isTrial(credential, teamId) {
      const bars: readonly (Bar | undefined)[] = [
        gate.of(credential),
        refusals.of(credential.id, undefined),
        refusals.of(credential.id, teamId),
      ];
      return bars.some((bar) => bar !== undefined);
    },
  };
}
