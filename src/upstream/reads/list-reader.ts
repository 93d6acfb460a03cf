import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Log } from '../../log.ts';
import type { FreshnessOf } from '../cache/freshness.ts';
import { resourceKey } from '../cache/keys.ts';
import type { Store } from '../cache/store.ts';
import { UpstreamError } from '../errors.ts';
import type { Admission } from '../quota/admission.ts';
import type { BackfillsClient } from '../rest/client.ts';
import { type PendingRead, partitionOf, priorityOf, type ReadContext } from './read.ts';
import { answerFrom, newestOf, type TeamList } from './team-list.ts';

/** Reads the list of one team with one credential. */
export interface ListReader {
  /** The last reading, however old. */
  readonly list: TeamList | undefined;
  /** Whether the list is not to be read for a while. */
  readonly isResting: boolean;
  /** Reads the list once for all who ask while it is being read. Rejects with an {@link UpstreamError}. */
  read(reads: readonly PendingRead[]): Promise<TeamList>;
  /** After a refusal of this backfill: drops what the list said of it before. */
  forget(backfillId: ResourceId): void;
}

export interface ListReaderDeps {
  readonly client: Pick<BackfillsClient, 'listIncompleteBackfills'>;
  readonly admission: Admission;
  readonly store: Store;
  readonly freshness: FreshnessOf;
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

export function createListReader(teamId: ResourceId, deps: ListReaderDeps): ListReader {
  const { client, admission, store, freshness, timeoutMs, clock, log } = deps;
  let list: TeamList | undefined;
  let reading: Promise<TeamList> | undefined;
  let restsUntil = -Infinity;

  /** Reads the list at the expense of the first read. */
  async function readOnce(reads: readonly PendingRead[]): Promise<TeamList> {
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
      const { records, isWhole } = await client.listIncompleteBackfills(
        caller,
        teamId,
        timeoutMs * LIST_TIME_SHARE,
      );
      const partition = partitionOf(context);
      const rows = records.map((record) =>
        store.snapshotOf(partition, teamId, record, list?.rows.get(record.transfer_backfill_id)),
      );
      const readAt = clock.monotonic();
      list = {
        sentAt,
        readAt,
        freshUntil: readAt + freshness(partition).changingMs,
        rows: new Map(rows.map((row) => [row.id, row])),
        isWhole,
        newest: newestOf(rows),
      };
      updateStore(partition, list);
      return list;
    } catch (error) {
      if (error instanceof UpstreamError) {
        admission.recordFailure(error, caller.credential);
        restAfter(error, context);
      }
      throw error;
    }
  }

  /** Known backfills of the list's rows are kept up to date even where nobody reads them by id. */
  function updateStore(partition: string, read: TeamList): void {
    for (const { id, record } of read.rows.values()) {
      for (const resource of [
        { kind: 'backfill', teamId, id },
        { kind: 'latest', teamId, id: record.transfer_id },
      ] as const) {
        const key = resourceKey(partition, resource);
        const known = store.peek(key);
        const entry = known && answerFrom(read, resource, known, clock.monotonic(), freshness(partition));
        if (entry !== undefined) store.set(key, entry);
      }
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
    list = undefined;
    log.warn(
      { requestId: caller.requestId, reason: kind, restSeconds: restMs / 1000 },
      'team list not used: its backfills are read one by one',
    );
  }

  return {
    get list() {
      return list;
    },
    get isResting() {
      return clock.monotonic() < restsUntil;
    },
    read(reads) {
      reading ??= readOnce(reads).finally(() => (reading = undefined));
      return reading;
    },
    forget(backfillId) {
      if (list === undefined) return;
      list = { ...list, rows: new Map([...list.rows].filter(([id]) => id !== backfillId)) };
    },
  };
}
