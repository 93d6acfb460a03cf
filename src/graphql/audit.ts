import type { ResourceId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { BackfillSnapshot } from '../upstream/cache/snapshots.ts';
import { UpstreamError } from '../upstream/errors.ts';
import type { Caller } from '../upstream/rest/client.ts';
import type { WriteResult } from '../upstream/writes/writes.ts';
import { errorFacts } from './errors.ts';

/** What a mutation asks for. */
export interface WriteFacts {
  readonly operation: 'createBackfill' | 'cancelBackfill';
  readonly teamId: ResourceId;
  readonly transferId?: ResourceId;
  readonly backfillId?: ResourceId;
  /** Dates of the range, as `YYYY-MM-DD`. */
  readonly rangeStartDate?: string;
  readonly rangeEndDate?: string;
}

/** Passes on what a write brings, and leaves a line of it in the log, however it ends. */
export type Audit = (
  caller: Caller,
  facts: WriteFacts,
  writing: Promise<WriteResult>,
) => Promise<BackfillSnapshot>;

export interface AuditDeps {
  readonly log: Log;
  /** Names a caller by his token without telling it. */
  readonly nameToken: (token: string) => string;
}

export function createAudit({ log, nameToken }: AuditDeps): Audit {
  return async ({ credential, requestId }, facts, writing) => {
    const record = (more: Readonly<Record<string, unknown>>): void =>
      log.record('write', { requestId, caller: nameToken(credential.token), ...facts, ...more });
    try {
      const { snapshot, upstreamRequestId, isShared } = await writing;
      record({
        transferId: snapshot.record.transfer_id,
        backfillId: snapshot.id,
        ...(upstreamRequestId === undefined ? {} : { upstreamRequestId }),
        ...(isShared === true ? { shared: true } : {}),
        outcome: 'done',
      });
      return snapshot;
    } catch (error) {
      const upstreamRequestId = error instanceof UpstreamError ? error.details?.requestId : undefined;
      record({
        ...(upstreamRequestId === undefined ? {} : { upstreamRequestId }),
        outcome: errorFacts(error).extensions['code'],
      });
      throw error;
    }
  };
}
