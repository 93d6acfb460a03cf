import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Span } from '../../tracing/span.ts';
import type { Tracing } from '../../tracing/tracing.ts';
import type { Work } from '../../tracing/work.ts';
import type { Credential } from '../../upstream/credentials.ts';
import type { BackfillSnapshot } from '../../upstream/cache/snapshots.ts';
import { OperationCost } from '../../upstream/reads/operation-cost.ts';
import type { ReadContext } from '../../upstream/reads/read.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import { createRowPoll, type RowOutcome, type RowPoll } from './row-poll.ts';

/** What streams need of the upstream. */
export type PolledUpstream = Pick<
  Upstream,
  'backfills' | 'incompleteBackfills' | 'lastKnown' | 'newest' | 'pollIntervalMs' | 'listen' | 'hearNews'
>;

export interface PollDeps {
  readonly upstream: PolledUpstream;
  readonly clock: Clock;
  readonly credential: Credential;
  readonly teamId: ResourceId;
  /** Milliseconds for which the last good answer may be sent as stale while polls fail; 0 for never. */
  readonly staleMs: number;
  /** Only where traces are made. */
  readonly tracing?: Pick<Tracing, 'poll'> | undefined;
}

/** The ids of the team's incomplete backfills, or why they cannot be had. */
export type Listed =
  { readonly ids: readonly ResourceId[]; readonly isStale: boolean } | { readonly error: Error };

/** One look at the backfills of a team. Each is read once, for all who watch it. */
export class Poll {
  readonly #deps: PollDeps;
  readonly #reader: ReadContext;
  readonly #rows = new Map<ResourceId, RowPoll>();
  readonly #cost = new OperationCost(Infinity);
  #isListFresh = true;

  /**
   * @param since monotonic milliseconds: a state that the REST API gave since then is new enough
   * @param streams what those were opened by for whom it looks
   */
  constructor(since: number, deps: PollDeps, streams: () => readonly Work[]) {
    this.#deps = deps;
    this.#reader = {
      caller: { credential: deps.credential, requestId: randomUUID(), traceparent: undefined },
      mode: { kind: 'poll', since },
      // No limit: the poll serves many operations, and reads nothing but what they subscribed to.
      cost: this.#cost,
      work: deps.tracing?.poll(streams()),
    };
  }

  /** Only where traces are made. */
  get span(): Span | undefined {
    return this.#reader.work?.span;
  }

  /** Ends its trace. */
  end(): void {
    this.#reader.work?.end();
  }

  /** By the ids that were read so far. */
  get rows(): ReadonlyMap<ResourceId, RowPoll> {
    return this.#rows;
  }

  get isFresh(): boolean {
    const isFresh = ({ outcome }: RowPoll): boolean => 'snapshot' in outcome && !outcome.snapshot.isStale;
    return this.#isListFresh && [...this.#rows.values()].every(isFresh);
  }

  /**
   * When the REST API gave what was read, where others' calls have paid for all of it; undefined where this poll made a call,
   * or not everything could be had. Monotonic milliseconds.
   */
  get paidAt(): number | undefined {
    if (this.#cost.calls > 0 || !this.isFresh || this.#rows.size === 0) return undefined;
    const given = [...this.#rows.values()].flatMap(({ outcome }) =>
      'snapshot' in outcome ? [outcome.snapshot.givenAt] : [],
    );
    return Math.min(...given);
  }

  get leavesStale(): boolean {
    return [...this.#rows.values()].some(({ leavesStale }) => leavesStale);
  }

  /** Takes over what other replicas have read of them and of the list. */
  hearNews(ids: readonly ResourceId[]): Promise<void> {
    const { upstream, teamId } = this.#deps;
    return upstream.hearNews(this.#reader, teamId, ids);
  }

  async read(id: ResourceId): Promise<void> {
    const { upstream, teamId } = this.#deps;
    try {
      this.#set(id, { snapshot: await upstream.backfills.backfill(this.#reader, teamId, id) });
    } catch (reason) {
      this.fail(id, toError(reason));
    }
  }

  /** Reads the team's list, and all that stands in it. */
  async readList(): Promise<Listed> {
    const { upstream, teamId } = this.#deps;
    try {
      const { items, isStale } = await upstream.incompleteBackfills(this.#reader, teamId);
      this.#isListFresh = !isStale;
      for (const snapshot of items) this.#set(snapshot.id, { snapshot });
      return { ids: items.map(({ id }) => id), isStale };
    } catch (reason) {
      this.#isListFresh = false;
      this.span?.failBy(reason);
      return { error: toError(reason) };
    }
  }

  /** Has the read of a backfill failed. Other readers may have been shown a later state than a stream's own last. */
  fail(id: ResourceId, error: Error): void {
    const { upstream, teamId } = this.#deps;
    this.span?.failBy(error);
    this.#set(id, { error, known: upstream.lastKnown(this.#reader, teamId, id) });
  }

  /** Takes over what other readers have been shown since the rows were read: streams are not told anything older. */
  refresh(): void {
    const { upstream, teamId } = this.#deps;
    for (const [id, { outcome }] of this.#rows) {
      if ('snapshot' in outcome) {
        const newest = upstream.newest(this.#reader, teamId, id);
        if (newest !== undefined && newest.record !== outcome.snapshot.record)
          this.#set(id, { snapshot: newest });
      } else {
        this.fail(id, outcome.error);
      }
    }
  }

  #set(id: ResourceId, outcome: RowOutcome): void {
    const { clock, staleMs } = this.#deps;
    const isTooOld = ({ fetchedAt }: BackfillSnapshot): boolean =>
      staleMs === 0 || clock.now() - Date.parse(fetchedAt) > staleMs;
    this.#rows.set(id, createRowPoll(outcome, { isTooOld, now: clock.monotonic() }));
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('a read rejected without an error');
}
