import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Log } from '../../log.ts';
import type { Calls } from '../../tracing/calls.ts';
import type { ListReading, TeamStore } from '../cache/store.ts';
import { UpstreamError } from '../errors.ts';
import type { Admission } from '../quota/admission.ts';
import type { Priority } from '../quota/governor.ts';
import type { Answered, GroupRead } from '../replicas/group-reads.ts';
import type { Group } from '../replicas/group.ts';
import type { IncompleteBackfills } from '../rest/backfill-data.ts';
import type { BackfillsClient } from '../rest/client.ts';
import { formatUtc } from '../rest/timestamps.ts';
import type { GroupPeeks } from './group-peeks.ts';
import { causeOf, charge, type Payer, priorityOf, type ReadContext } from './read.ts';

/** Reads the list of one team with one credential. */
export interface ListReader {
  /** Whether the list is not to be read for a while in the place of what stands in it. */
  readonly isResting: boolean;
  /** Whether the list is being read. */
  readonly isUnderWay: boolean;
  /** Reads the list once for all who ask while it is being read. The first of those who began it pays. */
  read(payers: readonly Payer[]): ListCall;
  /** Lets nobody join the reading that is under way any more. */
  forgetUnderWay(): void;
}

export interface ListCall {
  /** Monotonic milliseconds. */
  readonly beganAt: number;
  /** Whether the call was made, and not refused. */
  readonly isSent: boolean;
  /** Rejects with an {@link UpstreamError}. */
  readonly reading: Promise<ListReading>;
  /** Resolves when half of the deadline has passed since the call was sent. */
  readonly isLate: Promise<'late'>;
  /** The call, for all whom it answers; only where traces are made. */
  readonly calls: Calls | undefined;
}

/** The share of its deadline after which the list's backfills are read one by one beside it. */
export const LATE_SHARE = 0.5;

export interface ListReaderDeps {
  readonly client: Pick<BackfillsClient, 'listIncompleteBackfills'>;
  readonly admission: Admission;
  /** The deadline of one read, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** The other replicas, where there are any. */
  readonly group?: Group | undefined;
  readonly peeks: GroupPeeks;
}

/** How long the list rests after the REST API refused it, in milliseconds. */
const REFUSED_REST_MS = 15 * 60_000;
/** How long the list rests after its own failure, in milliseconds. */
const FAILED_REST_MS = 30_000;

/** Keeps what was answered, to this replica or to another one. */
export function keepListAnswer(
  store: TeamStore,
  { value: { records, isWhole }, sentAt, answeredAt, fetchedAt }: Answered<IncompleteBackfills>,
): ListReading {
  return store.keepList(records, isWhole, sentAt, { at: answeredAt, fetchedAt });
}

export function createListReader(teamId: ResourceId, store: TeamStore, deps: ListReaderDeps): ListReader {
  const { client, admission, timeoutMs, clock, log, group, peeks } = deps;
  let underWay: ListCall | undefined;
  let restsUntil = -Infinity;

  async function readOnce(
    payers: readonly Payer[],
    calls: Calls | undefined,
    onSent: () => void,
  ): Promise<ListReading> {
    const [payer] = payers;
    if (payer === undefined) throw new Error('a list is read for somebody');
    const { context } = payer;
    const { credential } = context.caller;
    const priority = priorityOf(
      context,
      payers.every((each) => each.hasStale),
    );
    const make = (): Promise<Answered<IncompleteBackfills>> => call(payers, payer, priority, calls, onSent);
    const answered = await (group === undefined
      ? make()
      : askGroup(group, context, {
          ...peeks.ofList(store, teamId, context),
          deadline: clock.monotonic() + timeoutMs,
          refusal: () => admission.refusal(credential, teamId, priority),
          isTrial: () => admission.isTrial(credential, teamId),
          call: make,
        }));
    restsUntil = -Infinity;
    return keepListAnswer(store, answered);
  }

  async function askGroup(
    group: Group,
    context: ReadContext,
    read: GroupRead<IncompleteBackfills>,
  ): Promise<Answered<IncompleteBackfills>> {
    const outcome = await group.reads.read(read);
    if (outcome.kind === 'answered') return outcome.answered;
    restAfter(outcome.error, context);
    throw outcome.error;
  }

  async function call(
    payers: readonly Payer[],
    payer: Payer,
    priority: Priority,
    calls: Calls | undefined,
    onSent: () => void,
  ): Promise<Answered<IncompleteBackfills>> {
    const { context } = payer;
    const { caller } = context;
    admission.assertMayCall(caller.credential, teamId, priority, 'refresh');
    let sentAt: number | undefined;
    const options = {
      timeoutMs,
      cause: causeOf(context, 'list'),
      isAccepted: store.isAccepted(),
      calls,
      onExchange() {
        charge(payer);
        if (sentAt === undefined) onSent();
        sentAt ??= clock.monotonic();
      },
    };
    try {
      const value = await client.listIncompleteBackfills(caller, teamId, options);
      admission.recordAccepted(caller.credential, teamId);
      const answeredAt = clock.monotonic();
      return { value, sentAt: sentAt ?? answeredAt, answeredAt, fetchedAt: formatUtc(clock.now()) };
    } catch (error) {
      if (error instanceof UpstreamError) {
        const isAskedFor = payers.some(({ wantsList }) => wantsList);
        admission.recordFailure(error, caller.credential, teamId, isAskedFor ? 'list' : undefined);
        restAfter(error, context);
      }
      throw error;
    }
  }

  function begin(payers: readonly Payer[]): ListCall {
    const beganAt = clock.monotonic();
    const timers: (() => void)[] = [];
    let onSent = (): void => undefined;
    let isSent = false;
    const isLate = new Promise<'late'>((resolve) => {
      const lateAfter = (ms: number): void => void timers.push(clock.after(ms, () => resolve('late')));
      onSent = () => {
        isSent = true;
        lateAfter(timeoutMs * LATE_SHARE);
      };
      // It may have waited for a slot for so long that its first readers have no time left.
      lateAfter(timeoutMs);
    });
    const calls = payers[0]?.calls?.apart();
    const reading = readOnce(payers, calls, () => onSent()).finally(() => {
      if (underWay === call) underWay = undefined;
      for (const cancel of timers) cancel();
    });
    const call: ListCall = {
      beganAt,
      reading,
      isLate,
      calls,
      get isSent() {
        return isSent;
      },
    };
    return call;
  }

  function isResting(): boolean {
    return clock.monotonic() < restsUntil;
  }

  /** Only the list's own failures rest it; an upstream that is down or out of quota is not its fault. */
  function restAfter(error: UpstreamError, { caller }: ReadContext): void {
    const { kind, subject, details } = error;
    const refused = details?.status === 403 || details?.status === 404;
    const failed =
      subject === 'answer' || (subject === 'upstream' && kind !== 'unavailable' && kind !== 'overloaded');
    if (!refused && !failed) return;
    const restMs = refused ? REFUSED_REST_MS : FAILED_REST_MS;
    const rested = isResting();
    restsUntil = clock.monotonic() + restMs;
    // What failed may be read again, and its last word stand in until then.
    if (refused) store.dropList();
    if (rested) return;
    log.warn(
      { requestId: caller.requestId, reason: kind, restSeconds: restMs / 1000 },
      'team list not used: its backfills are read one by one',
    );
  }

  return {
    get isResting() {
      return isResting();
    },
    get isUnderWay() {
      return underWay !== undefined;
    },
    read(payers) {
      underWay ??= begin(payers);
      return underWay;
    },
    forgetUnderWay() {
      underWay = undefined;
    },
  };
}
