import type { Clock } from '../../clock.ts';
import type { FreshnessOf } from '../cache/freshness.ts';
import type { Entry } from '../cache/snapshots.ts';
import type { Store } from '../cache/store.ts';
import { UpstreamError } from '../errors.ts';
import type { Admission } from '../quota/admission.ts';
import type { CallReason } from '../quota/demand.ts';
import type { BackfillsClient } from '../rest/client.ts';
import { type PendingRead, partitionOf, priorityOf } from './read.ts';
import { isDue } from './team-list.ts';

/** Asks one resource's own endpoint. */
export interface Endpoint {
  /**
   * Rejects with an {@link UpstreamError}, but not with `notFound`: that is an outcome like any other. A refusal (403)
   * drops what was kept of the resource.
   */
  ask(read: PendingRead): Promise<Entry>;
}

export interface EndpointDeps {
  readonly client: Pick<BackfillsClient, 'getBackfill' | 'getLatestBackfill'>;
  readonly admission: Admission;
  readonly store: Store;
  readonly freshness: FreshnessOf;
  readonly clock: Clock;
}

export function createEndpoint({ client, admission, store, freshness, clock }: EndpointDeps): Endpoint {
  function reasonOf({ context, resource, known }: PendingRead): CallReason {
    if (known === undefined) return 'miss';
    return isDue(resource, known, clock.monotonic(), freshness(partitionOf(context))) ? 'resync' : 'refresh';
  }

  return {
    async ask(read) {
      const { context, resource, key } = read;
      const { caller, cost } = context;
      const { teamId, id } = resource;
      const leftMs = Math.max(1, read.deadline - clock.monotonic());
      admission.assertMayCall(caller.credential, priorityOf(context, read.hasStale), reasonOf(read));
      cost.countCall();
      read.charged = true;
      try {
        const record = await (resource.kind === 'backfill'
          ? client.getBackfill(caller, teamId, id, leftMs)
          : client.getLatestBackfill(caller, teamId, id, leftMs));
        return store.entryFor(partitionOf(context), resource, record);
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        admission.recordFailure(error, caller.credential);
        if (error.kind === 'notFound') return store.entryForNotFound(partitionOf(context), error);
        if (error.kind === 'forbidden') store.drop(key);
        throw error;
      }
    },
  };
}
