import type { Credentials } from '../credentials.ts';
import { UpstreamError } from '../errors.ts';
import type { RetryAfterGate } from './retry-after-gate.ts';
import type { Governor } from './governor.ts';
import type { CallReason } from './demand.ts';
import type { ReadContext } from '../reads/read.ts';

export interface AdmissionDeps {
  readonly gate: RetryAfterGate;
  readonly governor: Governor;
  readonly credentials: Credentials;
}

/**
 * Makes one call on a reader's behalf, and learns from its failure what it says of the credential.
 * @param hasReserve whether a known value can stand in for the answer
 */
export type Admit = <Result>(
  reader: ReadContext,
  reason: CallReason,
  hasReserve: boolean,
  call: () => Promise<Result>,
) => Promise<Result>;

/** What stands between a credential and a call: the gate and the hourly quota. */
export function createAdmission({ gate, governor, credentials }: AdmissionDeps): Admit {
  return async ({ caller: { credential }, mode }, reason, hasReserve, call) => {
    gate.assertOpen(credential);
    governor.assertAffordable(
      credential.partition,
      !hasReserve ? 'bare' : mode.kind === 'poll' ? 'poll' : 'reserve',
    );
    governor.expectCall(credential.partition, reason);
    try {
      return await call();
    } catch (error) {
      if (error instanceof UpstreamError) {
        if (error.kind === 'unauthenticated') credentials.refuse(credential);
        gate.learnFrom(error, credential);
      }
      throw error;
    }
  };
}
