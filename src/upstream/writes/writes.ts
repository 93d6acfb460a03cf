import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Calls } from '../../tracing/calls.ts';
import type { BackfillSnapshot, Known, Resource } from '../cache/snapshots.ts';
import { UpstreamError, type WriteKind } from '../errors.ts';
import type { Admission } from '../quota/admission.ts';
import { type GroupPeeks, LIST_NAME } from '../reads/group-peeks.ts';
import { nameOf, pendingRead, type ReadContext } from '../reads/read.ts';
import type { Team, TeamOf } from '../reads/teams.ts';
import type { Group } from '../replicas/group.ts';
import type { BackfillsClient, DateRange, WriteCallOptions, Written } from '../rest/client.ts';
import type { BackfillRecord } from '../rest/records.ts';
import { formatUtc } from '../rest/timestamps.ts';

/** Writes of backfills. Both methods reject with an {@link UpstreamError} and nothing else. */
export interface Writes {
  /** Rejects with `outcomeUnknown` where nobody can know whether the backfill was created. */
  createBackfill(
    context: ReadContext,
    teamId: ResourceId,
    transferId: ResourceId,
    range: DateRange,
  ): Promise<WriteResult>;
  /** Rejects with `conflict` where the backfill had ended, and with `outcomeUnknown` as a create. */
  cancelBackfill(context: ReadContext, teamId: ResourceId, backfillId: ResourceId): Promise<WriteResult>;
}

/** What readers see of the backfill from now on. */
export interface WriteResult {
  readonly snapshot: BackfillSnapshot;
  /** The REST API's id of the request, where it gave one. */
  readonly upstreamRequestId?: string | undefined;
  /** Whether the write was under way already, for another operation. */
  readonly isShared?: boolean;
}

export interface WritesDeps {
  readonly teamOf: TeamOf;
  readonly client: Pick<BackfillsClient, 'createBackfill' | 'cancelBackfill'>;
  readonly admission: Admission;
  readonly clock: Clock;
  /** `UPSTREAM_TIMEOUT_MS`: the deadline of the read that follows a cancel of unknown outcome. */
  readonly timeoutMs: number;
  /** The other replicas, where there are any. */
  readonly group?: Pick<Group, 'changed' | 'reads'> | undefined;
  readonly peeks: GroupPeeks;
}

/** One write on its way. */
interface Order {
  readonly kind: WriteKind;
  readonly context: ReadContext;
  readonly teamId: ResourceId;
  /** What it changes: the backfill, or which one is the latest. */
  readonly target: Resource;
  readonly calls: Calls | undefined;
  readonly send: (options: WriteCallOptions) => Promise<Written>;
}

/** A failure that shows that what is kept is not the latest state. */
const TELLS_OF_CHANGE: ReadonlySet<UpstreamError['kind']> = new Set([
  'outcomeUnknown',
  'conflict',
  'notFound',
]);

/**
 * Sends each write once; transport/send-once.ts says how. What the REST API answers is kept, and readers are shown it from
 * then on; cache/store.ts says how it stands against reads that were under way. Where the outcome is unknown, what is
 * kept is in doubt and asked for again. After a cancel that is done at once, since a backfill that is cancelled says so.
 *
 * Identical writes that are under way for one credential and team are one: a button that was pressed twice creates one
 * backfill.
 */
export function createWrites({
  teamOf,
  client,
  admission,
  clock,
  timeoutMs,
  group,
  peeks,
}: WritesDeps): Writes {
  const underWay = new Map<
    string,
    { readonly result: Promise<WriteResult>; readonly calls: Calls | undefined }
  >();

  function share(
    { caller, cost, work }: ReadContext,
    name: string,
    write: (calls: Calls | undefined) => Promise<WriteResult>,
  ): Promise<WriteResult> {
    const key = `${caller.credential.id}/${name}`;
    const known = underWay.get(key);
    if (known !== undefined) {
      cost.cacheHits++;
      if (known.calls !== undefined) work?.answeredBy(known.calls);
      return known.result.then((result) => ({ ...result, isShared: true }));
    }
    const calls = work?.calls();
    const result = write(calls).finally(() => void underWay.delete(key));
    underWay.set(key, { result, calls });
    return result;
  }

  /** @returns what readers see of it, and the REST API's id of the request */
  async function perform(order: Order): Promise<WriteResult> {
    const { kind, context, teamId, target, calls, send } = order;
    const { caller, cost } = context;
    const team = teamOf(context, teamId);
    cost.assertMayCall();
    admission.assertMayWrite(caller.credential);
    let sentAt: number | undefined;
    const options = {
      isAccepted: team.store.isAccepted(),
      calls,
      onExchange() {
        cost.calls++;
        sentAt ??= clock.monotonic();
      },
    };
    try {
      const { record, upstreamRequestId } = await send(options);
      admission.recordAccepted(caller.credential, teamId);
      const { outcome } = team.store.keepWritten(kind, record, sentAt ?? clock.monotonic());
      const written = { kind: 'backfill', teamId, id: record.transfer_backfill_id } as const;
      const latest = { kind: 'latest', teamId, id: record.transfer_id } as const;
      beginGeneration(order, team, [written, latest]);
      group?.changed(caller.credential, teamId, [nameOf(written), nameOf(latest), LIST_NAME]);
      offer(context, team, written, record, sentAt ?? clock.monotonic());
      if (outcome instanceof UpstreamError) throw new Error('a written backfill is one');
      return { snapshot: outcome, upstreamRequestId };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      admission.recordFailure(error, caller.credential, teamId);
      if (error.details !== undefined && error.kind !== 'unauthenticated') team.store.keepAcquaintance();
      if (TELLS_OF_CHANGE.has(error.kind)) {
        team.store.doubt(target);
        // The latest backfill of a transfer may be the one that was to be cancelled.
        beginGeneration(order, team, 'all');
        group?.changed(caller.credential, teamId, [nameOf(target), LIST_NAME]);
      }
      throw error;
    }
  }

  /** Has the other replicas show what the write was answered. */
  function offer(
    context: ReadContext,
    { store }: Team,
    resource: Resource,
    value: BackfillRecord,
    sentAt: number,
  ): void {
    if (group === undefined) return;
    const answeredAt = clock.monotonic();
    const read = pendingRead(store, context, resource, answeredAt);
    const answered = { value, sentAt, answeredAt, fetchedAt: formatUtc(clock.now()) };
    void group.reads.offer(peeks.ofRecord(store, read), answered);
  }

  /** Whoever reads these from now on gets no answer that was asked for before. */
  function beginGeneration(
    { context, teamId, target }: Order,
    team: Team,
    resources: readonly Resource[] | 'all',
  ): void {
    team.forgetUnderWay(resources);
    // What was kept may have been dropped since the write was sent. What has been read since may be from before it.
    const present = teamOf({ ...context }, teamId);
    if (present === team) return;
    for (const resource of resources === 'all' ? [target] : resources) present.store.doubt(resource);
    present.forgetUnderWay('all');
  }

  /** Reads the backfill past the cache. */
  async function lookAt(context: ReadContext, resource: Resource): Promise<Known> {
    const asked: ReadContext = { ...context, mode: { kind: 'noCache' } };
    const team = teamOf(asked, resource.teamId);
    return team.share(resource, () => {
      const deadline = clock.monotonic() + timeoutMs;
      const read = pendingRead(team.store, asked, resource, deadline, asked.work?.calls());
      // A stale value would say nothing of the outcome.
      read.hasStale = false;
      return read;
    }).known;
  }

  async function cancel(order: Order): Promise<WriteResult> {
    try {
      return await perform(order);
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.kind !== 'outcomeUnknown') throw error;
      const { outcome } = await lookAt(order.context, order.target).catch(asOutcome);
      if (outcome instanceof UpstreamError || outcome.record.status !== 'CANCELLED') throw error;
      return { snapshot: outcome, upstreamRequestId: error.details?.requestId };
    }
  }

  return {
    createBackfill(context, teamId, transferId, range) {
      const { start, end } = range;
      return share(context, `${teamId}/create/${transferId}/${start}/${end}`, (calls) =>
        perform({
          kind: 'create',
          context,
          teamId,
          target: { kind: 'latest', teamId, id: transferId },
          calls,
          send: (options) => client.createBackfill(context.caller, teamId, transferId, range, options),
        }),
      );
    },

    cancelBackfill(context, teamId, id) {
      return share(context, `${teamId}/cancel/${id}`, (calls) =>
        cancel({
          kind: 'cancel',
          context,
          teamId,
          target: { kind: 'backfill', teamId, id },
          calls,
          send: (options) => client.cancelBackfill(context.caller, teamId, id, options),
        }),
      );
    },
  };
}

function asOutcome(error: unknown): Pick<Known, 'outcome'> {
  if (error instanceof UpstreamError) return { outcome: error };
  throw error;
}
