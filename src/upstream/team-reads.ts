import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { ResourceId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Admit } from './admission.ts';
import type { BackfillsClient } from './client.ts';
import { UpstreamError, type UpstreamErrorKind } from './errors.ts';
import type { CallReason } from './governor.ts';
import type { Lifetimes } from './lifetimes.ts';
import type { Reader } from './reader.ts';
import type { BackfillRecord } from './records.ts';
import type { BackfillSnapshot, KeptKnown, Resource } from './snapshots.ts';
import { isDue, judge, mayTell, newestOf, type TeamFeed } from './team-feed.ts';

/** One read that the cache cannot answer. */
export interface Read {
  readonly reader: Reader;
  readonly resource: Resource;
  /** What is known of the resource, however old. */
  readonly last: KeptKnown | undefined;
  /** Whether what is known can stand in for an answer that is not to be had. */
  readonly hasReserve: boolean;
  /** Asks the resource's own endpoint. */
  ask(timeoutMs: number): Promise<KeptKnown>;
  /** Is called when a call was made at this read's expense. */
  paid(): void;
}

export interface TeamReads {
  /** Rejects with an {@link UpstreamError}. */
  load(read: Read): Promise<KeptKnown>;
  /**
   * Has the tally of the read's operation count the calls that {@link load} would make at most, and makes none.
   * @returns what is known of the resource, however old
   */
  estimate(read: Read): Promise<KeptKnown | undefined>;
  /** After a refusal: nothing that was told of the team before it counts. */
  forget(reader: Reader, teamId: ResourceId): void;
}

export interface TeamReadsDeps {
  readonly client: Pick<BackfillsClient, 'listIncompleteBackfills'>;
  readonly admit: Admit;
  readonly lifetimes: (partition: string) => Lifetimes;
  readonly snapshot: (
    reader: Reader,
    teamId: ResourceId,
    record: BackfillRecord,
    previous: BackfillSnapshot | undefined,
  ) => BackfillSnapshot;
  /** Is given each feed as it is read: what is known of its rows is not to fall behind because nobody asks for it. */
  readonly learn: (reader: Reader, teamId: ResourceId, feed: TeamFeed) => void;
  /** Of one read, in milliseconds. */
  readonly timeoutMs: number;
  /** Most rows of feeds kept, of all teams together. */
  readonly maxRows: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** A team as one credential sees it. */
interface Team {
  readonly key: string;
  readonly id: ResourceId;
  feed: TeamFeed | undefined;
  reading: Promise<TeamFeed> | undefined;
  /** Until this monotonic moment the feed is not read. */
  restsUntil: number;
  /** Known resources that a feed might tell of, with the moments at which they were last asked for, oldest first. */
  readonly recent: Map<string, number>;
  queue: Entry[];
  estimates: Estimate[];
}

interface Entry {
  readonly read: Read;
  readonly deadline: number;
  readonly resolve: (kept: KeptKnown | Promise<KeptKnown>) => void;
  readonly reject: (reason: unknown) => void;
}

interface Estimate {
  readonly read: Read;
  readonly resolve: (kept: KeptKnown | undefined) => void;
}

/** For less than this many resources their own endpoints cost no more. */
const WORTH_A_FEED = 2;
/** How much of its time a read may spend on the feed, so that some is left for its own endpoint. */
const FEED_TIME_SHARE = 0.5;
/** How long a feed is not read after it was refused, and after it failed by itself, in milliseconds. */
const REFUSED_REST_MS = 15 * 60_000;
const FAILED_REST_MS = 30_000;

/** Failures that every other call of the credential would meet with too. */
const HOLDS_FOR_ALL: ReadonlySet<UpstreamErrorKind> = new Set([
  'unauthenticated',
  'rateLimited',
  'quotaExceeded',
]);

/**
 * Decides how what the cache lacks is read. What one turn of the event loop asks for of a team is looked at together:
 * where two or more resources might be told by the team's feed, now or as lately asked for, the feed is read once for
 * all, and only what it does not tell is asked at its own endpoint.
 */
export function createTeamReads(deps: TeamReadsDeps): TeamReads {
  const { client, admit, lifetimes, snapshot, learn, timeoutMs, clock, log } = deps;
  const teams = new LRUCache<string, Team>({
    maxSize: deps.maxRows,
    sizeCalculation: ({ feed }) => 1 + (feed?.rows.size ?? 0),
  });

  function teamOf({ caller }: Reader, id: ResourceId): Team {
    const key = teamKey(caller.credential.partition, id);
    const known = teams.get(key);
    if (known !== undefined) return known;
    const team: Team = {
      key,
      id,
      feed: undefined,
      reading: undefined,
      restsUntil: -Infinity,
      recent: new Map(),
      queue: [],
      estimates: [],
    };
    teams.set(key, team);
    return team;
  }

  /** What the feed at hand tells, if it is as new as the read wants it. */
  function told({ feed }: Team, { reader, resource, last }: Read): KeptKnown | undefined {
    const { mode, caller } = reader;
    if (feed === undefined || mode.kind === 'refresh') return undefined;
    const willDo = mode.kind === 'poll' ? feed.readAt >= mode.since : clock.monotonic() <= feed.freshUntil;
    return willDo ? judge(feed, resource, last, lifetimes(caller.credential.partition)) : undefined;
  }

  function mayTellNow({ reader, resource, last }: Read): boolean {
    const { mode, caller } = reader;
    if (mode.kind === 'refresh') return false;
    return mayTell(resource, last, clock.monotonic(), lifetimes(caller.credential.partition));
  }

  /** The reads that the feed is worth reading for, and those that go to their own endpoints. */
  function plan(
    { recent, restsUntil }: Team,
    reads: readonly Read[],
  ): { readonly byFeed: readonly Read[]; readonly alone: readonly Read[] } {
    const byFeed = reads.filter(mayTellNow);
    // Who asks for what nobody knows yet has two in hand himself, or pays for the feed and for what it does not tell.
    const others = byFeed.some(isKnown) ? recent.keys() : [];
    const wanted = new Set([...others, ...byFeed.map(nameOf)]);
    return wanted.size >= WORTH_A_FEED && clock.monotonic() >= restsUntil
      ? { byFeed, alone: reads.filter((read) => !byFeed.includes(read)) }
      : { byFeed: [], alone: reads };
  }

  /** Who asked lately is likely to ask again, and then a feed serves him too. */
  function note({ recent }: Team, reads: readonly Read[]): void {
    const now = clock.monotonic();
    for (const read of reads.filter((one) => isKnown(one) && mayTellNow(one))) {
      const window = 2 * lifetimes(read.reader.caller.credential.partition).changingMs;
      for (const [name, at] of recent) {
        if (now - at <= window) break;
        recent.delete(name);
      }
      // Anew, so that they stay in the order of their moments.
      recent.delete(nameOf(read));
      recent.set(nameOf(read), now);
    }
  }

  function flush(team: Team): void {
    const entries = new Map(team.queue.map((entry) => [entry.read, entry]));
    team.queue = [];
    const reads = [...entries.keys()];
    note(team, reads);
    const { byFeed, alone } = plan(team, reads);
    const entriesOf = (some: readonly Read[]): Entry[] => some.flatMap((read) => entries.get(read) ?? []);
    entriesOf(alone).forEach(askAlone);
    if (byFeed.length > 0) void askFeed(team, entriesOf(byFeed));
  }

  async function askFeed(team: Team, entries: readonly Entry[]): Promise<void> {
    let feed: TeamFeed | undefined;
    try {
      team.reading ??= readFeed(
        team,
        entries.map(({ read }) => read),
      ).finally(() => (team.reading = undefined));
      feed = await team.reading;
    } catch (error) {
      if (!(error instanceof UpstreamError) || HOLDS_FOR_ALL.has(error.kind)) {
        for (const { reject } of entries) reject(error);
        return;
      }
    }
    for (const entry of entries) {
      const { reader, resource, last } = entry.read;
      const kept = feed && judge(feed, resource, last, lifetimes(reader.caller.credential.partition));
      if (kept === undefined) askAlone(entry);
      else entry.resolve(kept);
    }
  }

  /** At the expense of the first who can pay. */
  async function readFeed(team: Team, reads: readonly Read[]): Promise<TeamFeed> {
    const payer = reads.find(({ reader }) => reader.tally.canCall) ?? reads[0];
    if (payer === undefined) throw new Error('a feed is read for somebody');
    const { reader } = payer;
    const hasReserve = reads.every((read) => read.hasReserve);
    const sentAt = clock.monotonic();
    try {
      const { records, isWhole } = await admit(reader, 'recheck', hasReserve, () => {
        payer.paid();
        return client.listIncompleteBackfills(reader.caller, team.id, timeoutMs * FEED_TIME_SHARE);
      });
      const rows = records.map((record) =>
        snapshot(reader, team.id, record, team.feed?.rows.get(record.transfer_backfill_id)),
      );
      const readAt = clock.monotonic();
      team.feed = {
        sentAt,
        readAt,
        freshUntil: readAt + lifetimes(reader.caller.credential.partition).changingMs,
        rows: new Map(rows.map((row) => [row.id, row])),
        isWhole,
        newest: newestOf(rows),
      };
      // Set again, because its size is another.
      teams.set(team.key, team);
      learn(reader, team.id, team.feed);
      return team.feed;
    } catch (error) {
      if (error instanceof UpstreamError) rest(team, reader, error);
      throw error;
    }
  }

  function rest(team: Team, { caller }: Reader, { kind, answer }: UpstreamError): void {
    const refused = answer?.status === 403 || answer?.status === 404;
    const failed = kind === 'failed' || kind === 'timeout' || kind === 'invalidResponse';
    if (!refused && !failed) return;
    const restMs = refused ? REFUSED_REST_MS : FAILED_REST_MS;
    team.restsUntil = clock.monotonic() + restMs;
    team.feed = undefined;
    log.warn(
      { requestId: caller.requestId, reason: kind, restSeconds: restMs / 1000 },
      'team feed not used: its backfills are read one by one',
    );
  }

  function flushEstimates(team: Team): void {
    const estimates = team.estimates;
    team.estimates = [];
    const reads = estimates.map(({ read }) => read);
    for (const tally of new Set(reads.map(({ reader }) => reader.tally))) {
      const own = reads.filter(({ reader }) => reader.tally === tally);
      const { byFeed, alone } = plan(team, own);
      // Of what is not known yet the feed may tell nothing.
      const unsure = byFeed.filter((read) => !isKnown(read)).length;
      const calls = alone.length + unsure + Math.min(1, byFeed.length);
      tally.calls += calls;
      tally.cacheHits += Math.max(0, own.length - calls);
    }
    for (const { read, resolve } of estimates) resolve(read.last);
  }

  function askAlone({ read, deadline, resolve, reject }: Entry): void {
    const { reader, hasReserve } = read;
    const leftMs = Math.max(1, deadline - clock.monotonic());
    admit(reader, reasonOf(read), hasReserve, () => {
      read.paid();
      return read.ask(leftMs);
    }).then(resolve, reject);
  }

  function reasonOf({ reader, last }: Read): CallReason {
    if (last === undefined) return 'cold';
    const { finalMs } = lifetimes(reader.caller.credential.partition);
    return isDue(last, clock.monotonic(), finalMs) ? 'verify' : 'recheck';
  }

  return {
    async load(read) {
      const team = teamOf(read.reader, read.resource.teamId);
      const kept = told(team, read);
      if (kept !== undefined) {
        note(team, [read]);
        return kept;
      }
      return new Promise((resolve, reject) => {
        team.queue.push({ read, deadline: clock.monotonic() + timeoutMs, resolve, reject });
        if (team.queue.length === 1) setImmediate(flush, team);
      });
    },

    async estimate(read) {
      const team = teamOf(read.reader, read.resource.teamId);
      const kept = told(team, read);
      if (kept !== undefined) {
        read.reader.tally.cacheHits++;
        return kept;
      }
      return new Promise((resolve) => {
        team.estimates.push({ read, resolve });
        if (team.estimates.length === 1) setImmediate(flushEstimates, team);
      });
    },

    forget(reader, teamId) {
      teamOf(reader, teamId).feed = undefined;
    },
  };
}

// Of a partition and ids only digits and the partition's own alphabet can occur, so no two teams share a key.
function teamKey(partition: string, teamId: ResourceId): string {
  return `${partition}/${teamId}`;
}

function isKnown({ last }: Read): boolean {
  return last !== undefined;
}

function nameOf({ resource: { kind, id } }: Read): string {
  return `${kind}/${id}`;
}
