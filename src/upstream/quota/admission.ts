import type { Credential } from '../credentials.ts';
import type { UpstreamError } from '../errors.ts';
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
  assertMayCall(credential: Credential, teamId: string, priority: Priority, reason: CallReason): void;
  /**
   * Records what a call's failure says about the credential.
   * @param resource names what was asked for within its team; undefined for a list that nobody asked for, whose 403 is its own
   */
  recordFailure(error: UpstreamError, credential: Credential, teamId: string, resource?: string): void;
  /** Records that a call was accepted. */
  recordAccepted(credential: Credential, teamId: string): void;
}

export interface AdmissionDeps {
  readonly gate: RetryAfterGate;
  readonly refusals: RefusalMemory;
  readonly governor: Governor;
  /** What is kept, by credential. */
  readonly partitions: { drop(credentialId: string): void };
}

export function createAdmission({ gate, refusals, governor, partitions }: AdmissionDeps): Admission {
  return {
    assertMayCall(credential, teamId, priority, reason) {
      const { id } = credential;
      gate.assertOpen(credential);
      refusals.assertNone({ credentialId: id, teamId });
      governor.assertAffordable(id, priority);
      governor.expectCall(id, reason);
    },

    recordFailure(error, credential, teamId, resource) {
      if (error.kind === 'unauthenticated') partitions.drop(credential.id);
      gate.closeAfter(error, credential);
      if (resource !== undefined || error.kind !== 'forbidden') {
        refusals.record(error, { credentialId: credential.id, teamId, resource: resource ?? 'list' });
      }
    },

    recordAccepted({ id }, teamId) {
      refusals.accepted({ credentialId: id, teamId });
    },
  };
}
