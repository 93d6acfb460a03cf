import type { Clock } from '../../clock.ts';
import type { FreshnessOf } from '../cache/freshness.ts';
import type { Known, Resource } from '../cache/snapshots.ts';
import type { TeamStore } from '../cache/store.ts';
import { isDue } from '../cache/team-list.ts';
import { UpstreamError } from '../errors.ts';
import type { Admission } from '../quota/admission.ts';
import type { CallReason } from '../quota/demand.ts';
import type { Answered } from '../replicas/group-reads.ts';
import type { Group } from '../replicas/group.ts';
import type { BackfillsClient } from '../rest/client.ts';
import { formatUtc } from '../rest/timestamps.ts';
import type { GroupPeeks, RecordAnswer } from './group-peeks.ts';
import { causeOf, charge, nameOf, type PendingRead, priorityOf } from './read.ts';

/** Asks one resource's own endpoint. */
export interface Endpoint {
  /**
   * Rejects with an {@link UpstreamError}, but not with `notFound`: that is an outcome like any other. A refusal (403)
   * drops what was kept of the resource.
   */
  ask(store: TeamStore, read: PendingRead): Promise<Known>;
}

/** Keeps what an endpoint said, to this replica or to another one. */
export function keepAnswer(
  store: TeamStore,
  resource: Resource,
  { value, sentAt, answeredAt, fetchedAt, holdsAt }: Answered<RecordAnswer>,
): Known {
  const came = { at: answeredAt, fetchedAt, holdsAt };
  return value instanceof UpstreamError
    ? store.keepNotFound(resource, value, sentAt, came)
    : store.keepRecord(resource, value, sentAt, came);
}

export interface EndpointDeps {
  readonly client: Pick<BackfillsClient, 'getBackfill' | 'getLatestBackfill'>;
  readonly admission: Admission;
  readonly freshness: FreshnessOf;
  readonly clock: Clock;
  /** The other replicas, where there are any. */
  readonly group?: Group | undefined;
  readonly peeks: GroupPeeks;
}

export function createEndpoint(deps: EndpointDeps): Endpoint {
  const { client, admission, freshness, clock, group, peeks } = deps;

  function reasonOf({ context, resource, known }: PendingRead): CallReason {
    if (known === undefined) return 'miss';
    const lifetimes = freshness(context.caller.credential.id);
    return isDue(resource, known, clock.monotonic(), lifetimes) ? 'resync' : 'refresh';
  }

  /** Rejects with an {@link UpstreamError} that is no 404. */
  async function call(store: TeamStore, read: PendingRead): Promise<Answered<RecordAnswer>> {
    const { context, resource } = read;
    const { caller, cost } = context;
    const { teamId, id } = resource;
    const { credential } = caller;
    let sentAt: number | undefined;
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
    const answered = (value: RecordAnswer): Answered<RecordAnswer> => {
      const answeredAt = clock.monotonic();
      return { value, sentAt: sentAt ?? answeredAt, answeredAt, fetchedAt: formatUtc(clock.now()) };
    };
    try {
      const record = await (resource.kind === 'backfill'
        ? client.getBackfill(caller, teamId, id, options)
        : client.getLatestBackfill(caller, teamId, id, options));
      admission.recordAccepted(credential, teamId);
      return answered(record);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      admission.recordFailure(error, credential, teamId, nameOf(resource));
      if (error.kind === 'notFound') return answered(error);
      if (error.kind === 'forbidden') {
        store.refuse(resource);
        group?.refused(credential, teamId, nameOf(resource));
      }
      throw error;
    }
  }

  async function askGroup(
    group: Group,
    store: TeamStore,
    read: PendingRead,
  ): Promise<Answered<RecordAnswer>> {
    const { context, resource, deadline } = read;
    const { credential } = context.caller;
    const outcome = await group.reads.read({
      ...peeks.ofRecord(store, read),
      deadline,
      refusal: () => admission.refusal(credential, resource.teamId, priorityOf(context, read.hasStale)),
      isTrial: () => admission.isTrial(credential, resource.teamId),
      call: () => call(store, read),
    });
    if (outcome.kind === 'answered' && outcome.isOwn) return outcome.answered;
    read.call ??= 'shared';
    if (outcome.kind === 'answered') return outcome.answered;
    if (outcome.error.kind === 'forbidden') store.refuse(resource);
    throw outcome.error;
  }

  return {
    async ask(store, read) {
      return keepAnswer(
        store,
        read.resource,
        await (group === undefined ? call(store, read) : askGroup(group, store, read)),
      );
    },
  };
}
