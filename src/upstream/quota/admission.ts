import type { Credential } from '../credentials.ts';
import type { UpstreamError } from '../errors.ts';
import type { CallReason } from './demand.ts';
import type { Governor, Priority } from './governor.ts';
import type { RetryAfterGate } from './retry-after-gate.ts';

/** Admission control: what stands between a credential and a call. */
export interface Admission {
  /**
   * Asked right before a call.
   * @throws {UpstreamError} `rateLimited` or `quotaExceeded` where the call may not be made now
   */
  assertMayCall(credential: Credential, priority: Priority, reason: CallReason): void;
  /** Records what a call's failure says about the credential. */
  recordFailure(error: UpstreamError, credential: Credential): void;
}

export interface AdmissionDeps {
  readonly gate: RetryAfterGate;
  readonly governor: Governor;
  /** What is kept, by credential. */
  readonly partitions: { drop(credentialId: string): void };
}

export function createAdmission({ gate, governor, partitions }: AdmissionDeps): Admission {
  return {
    assertMayCall(credential, priority, reason) {
      gate.assertOpen(credential);
      governor.assertAffordable(credential.id, priority);
      governor.expectCall(credential.id, reason);
    },

    recordFailure(error, credential) {
      if (error.kind === 'unauthenticated') partitions.drop(credential.id);
      gate.closeAfter(error, credential);
    },
  };
}
