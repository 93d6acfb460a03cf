import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Log } from '../../log.ts';
import type { ListReading, TeamStore } from '../cache/store.ts';
import { UpstreamError } from '../errors.ts';
import type { Admission } from '../quota/admission.ts';
import type { BackfillsClient } from '../rest/client.ts';
import { type PendingRead, priorityOf, type ReadContext } from './read.ts';

/** Reads the list of one team with one credential. */
export interface ListReader {
  /** Whether the list is not to be read for a while. */
  readonly isResting: boolean;
  /** Reads the list once for all who ask while it is being read. Rejects with an {@link UpstreamError}. */
  read(reads: readonly PendingRead[]): Promise<ListReading>;
}

export interface ListReaderDeps {
  readonly client: Pick<BackfillsClient, 'listIncompleteBackfills'>;
  readonly admission: Admission;
  /** The deadline of one read, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** The share of a read's deadline that the list may take, so that time is left for the own endpoint. */
const LIST_TIME_SHARE = 0.5;
/** How long the list rests after the REST API refused it, in milliseconds. */
const REFUSED_REST_MS = 15 * 60_000;
/** How long the list rests after its own failure, in milliseconds. */
const FAILED_REST_MS = 30_000;

export function createListReader(teamId: ResourceId, store: TeamStore, deps: ListReaderDeps): ListReader {
  const { client, admission, timeoutMs, clock, log } = deps;
  let reading: Promise<ListReading> | undefined;
  let restsUntil = -Infinity;

  /** Reads the list at the expense of the first read. */
  async function readOnce(reads: readonly PendingRead[]): Promise<ListReading> {
    const [payer] = reads;
    if (payer === undefined) throw new Error('a list is read for somebody');
    const { context } = payer;
    const { caller } = context;
    const hasStale = reads.every((read) => read.hasStale);
    admission.assertMayCall(caller.credential, priorityOf(context, hasStale), 'refresh');
    context.cost.countListCall();
    payer.charged = true;
    const sentAt = clock.monotonic();
    try {
      const listMs = timeoutMs * LIST_TIME_SHARE;
      const { records, isWhole } = await client.listIncompleteBackfills(caller, teamId, listMs);
      return store.keepList(records, isWhole, sentAt);
    } catch (error) {
      if (error instanceof UpstreamError) {
        admission.recordFailure(error, caller.credential);
        restAfter(error, context);
      }
      throw error;
    }
  }

  /** Only the list's own failures rest it; an upstream that is down or out of quota is not its fault. */
  function restAfter(error: UpstreamError, { caller }: ReadContext): void {
    const { kind, subject, details } = error;
    const refused = details?.status === 403 || details?.status === 404;
    const failed = subject === 'answer' || (subject === 'upstream' && kind !== 'unavailable');
    if (!refused && !failed) return;
    const restMs = refused ? REFUSED_REST_MS : FAILED_REST_MS;
    restsUntil = clock.monotonic() + restMs;
    store.dropList();
    log.warn(
      { requestId: caller.requestId, reason: kind, restSeconds: restMs / 1000 },
      'team list not used: its backfills are read one by one',
    );
  }

  return {
    get isResting() {
      return clock.monotonic() < restsUntil;
    },
    read(reads) {
      reading ??= readOnce(reads).finally(() => (reading = undefined));
      return reading;
    },
  };
}
