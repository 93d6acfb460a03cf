import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Log } from '../../log.ts';
import type { Admit } from '../quota/admission.ts';
import type { BackfillsClient } from '../rest/client.ts';
import { UpstreamError } from '../errors.ts';
import type { Freshness } from '../cache/freshness.ts';
import type { PendingRead, ReadContext } from './read.ts';
import type { BackfillRecord } from '../rest/records.ts';
import type { BackfillSnapshot } from '../cache/snapshots.ts';
import { newestOf, type TeamList } from './team-list.ts';

/** Reads the feed of one team with one credential. */
export interface ListReader {
  /** The last reading, however old. */
  readonly feed: TeamList | undefined;
  /** Whether the feed is not to be read for a while. */
  readonly rests: boolean;
  /** Reads it once for all who ask while it is under way. Rejects with an {@link UpstreamError}. */
  read(reads: readonly PendingRead[]): Promise<TeamList>;
  /** After a refusal: what was told of this backfill before it does not count any more. */
  forget(backfillId: ResourceId): void;
}

export interface ListReaderDeps {
  readonly client: Pick<BackfillsClient, 'listIncompleteBackfills'>;
  readonly admit: Admit;
  readonly lifetimes: (partition: string) => Freshness;
  readonly snapshot: (
    reader: ReadContext,
    teamId: ResourceId,
    record: BackfillRecord,
    previous: BackfillSnapshot | undefined,
  ) => BackfillSnapshot;
  /** Is given each feed as it is read: what is known of its rows is not to fall behind because nobody asks for it. */
  readonly learn: (reader: ReadContext, teamId: ResourceId, feed: TeamList) => void;
  /** Of one read, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** How much of its time a read may spend on the feed, so that some is left for its own endpoint. */
const FEED_TIME_SHARE = 0.5;
/** How long a feed is not read after it was refused, and after it failed by itself, in milliseconds. */
const REFUSED_REST_MS = 15 * 60_000;
const FAILED_REST_MS = 30_000;

export function createListReader(teamId: ResourceId, deps: ListReaderDeps): ListReader {
  const { client, admit, lifetimes, snapshot, learn, timeoutMs, clock, log } = deps;
  let feed: TeamList | undefined;
  let reading: Promise<TeamList> | undefined;
  let restsUntil = -Infinity;

  /** At the expense of the first. */
  async function readOnce(reads: readonly PendingRead[]): Promise<TeamList> {
    const [payer] = reads;
    if (payer === undefined) throw new Error('a feed is read for somebody');
    const { reader } = payer;
    const hasReserve = reads.every((read) => read.hasReserve);
    const sentAt = clock.monotonic();
    try {
      const { records, isWhole } = await admit(reader, 'recheck', hasReserve, () => {
        payer.pay('extra');
        return client.listIncompleteBackfills(reader.caller, teamId, timeoutMs * FEED_TIME_SHARE);
      });
      const rows = records.map((record) =>
        snapshot(reader, teamId, record, feed?.rows.get(record.transfer_backfill_id)),
      );
      const readAt = clock.monotonic();
      feed = {
        sentAt,
        readAt,
        freshUntil: readAt + lifetimes(reader.caller.credential.partition).changingMs,
        rows: new Map(rows.map((row) => [row.id, row])),
        isWhole,
        newest: newestOf(rows),
      };
      learn(reader, teamId, feed);
      return feed;
    } catch (error) {
      if (error instanceof UpstreamError) rest(reader, error);
      throw error;
    }
  }

  /** What says something about the upstream as a whole says nothing about the feed. */
  function rest({ caller }: ReadContext, { kind, details: answer }: UpstreamError): void {
    const refused = answer?.status === 403 || answer?.status === 404;
    const failed = kind === 'failed' || kind === 'timeout' || kind === 'invalidResponse';
    if (!refused && !failed) return;
    const restMs = refused ? REFUSED_REST_MS : FAILED_REST_MS;
    restsUntil = clock.monotonic() + restMs;
    feed = undefined;
    log.warn(
      { requestId: caller.requestId, reason: kind, restSeconds: restMs / 1000 },
      'team feed not used: its backfills are read one by one',
    );
  }

  return {
    get feed() {
      return feed;
    },
    get rests() {
      return clock.monotonic() < restsUntil;
    },
    read(reads) {
      reading ??= readOnce(reads).finally(() => (reading = undefined));
      return reading;
    },
    forget(backfillId) {
      if (feed === undefined) return;
      feed = { ...feed, rows: new Map([...feed.rows].filter(([id]) => id !== backfillId)) };
    },
  };
}
