import type { Clock } from '../../clock.ts';
import type { FreshnessOf } from '../cache/freshness.ts';
import type { Known } from '../cache/snapshots.ts';
import type { TeamStore } from '../cache/store.ts';
import { isDue } from '../cache/team-list.ts';
import { UpstreamError } from '../errors.ts';
import type { Admission } from '../quota/admission.ts';
import type { CallReason } from '../quota/demand.ts';
import type { BackfillsClient } from '../rest/client.ts';
import { causeOf, charge, nameOf, type PendingRead, priorityOf } from './read.ts';

/** Asks one resource's own endpoint. */
export interface Endpoint {
  /**
   * Rejects with an {@link UpstreamError}, but not with `notFound`: that is an outcome like any other. A refusal (403)
   * drops what was kept of the resource.
   */
  ask(store: TeamStore, read: PendingRead): Promise<Known>;
}

export interface EndpointDeps {
  readonly client: Pick<BackfillsClient, 'getBackfill' | 'getLatestBackfill'>;
  readonly admission: Admission;
  readonly freshness: FreshnessOf;
  readonly clock: Clock;
}

export function createEndpoint({ client, admission, freshness, clock }: EndpointDeps): Endpoint {
  function reasonOf({ context, resource, known }: PendingRead): CallReason {
    if (known === undefined) return 'miss';
    const lifetimes = freshness(context.caller.credential.id);
    return isDue(resource, known, clock.monotonic(), lifetimes) ? 'resync' : 'refresh';
  }

  return {
    async ask(store, read) {
      const { context, resource } = read;
      const { caller, cost } = context;
      const { teamId, id } = resource;
      let sentAt: number | undefined;
      const { credential } = caller;
      admission.assertMayCall(credential, teamId, priorityOf(context, read.hasStale), reasonOf(read));
      cost.assertMayCall();
      const options = {
        timeoutMs: Math.max(1, read.deadline - clock.monotonic()),
        cause: causeOf(context, 'read'),
        isAccepted: store.isAccepted(),
        calls: read.calls,
        onExchange() {
          charge(read);
          sentAt ??= clock.monotonic();
        },
      };
      try {
        const record = await (resource.kind === 'backfill'
          ? client.getBackfill(caller, teamId, id, options)
          : client.getLatestBackfill(caller, teamId, id, options));
        admission.recordAccepted(credential, teamId);
        return store.keepRecord(resource, record, sentAt ?? clock.monotonic());
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        admission.recordFailure(error, credential, teamId, nameOf(resource));
        if (error.kind === 'notFound')
          return store.keepNotFound(resource, error, sentAt ?? clock.monotonic());
        if (error.kind === 'forbidden') store.refuse(resource);
        throw error;
      }
    },
  };
}
