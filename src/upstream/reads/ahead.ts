import { randomUUID } from 'node:crypto';
import type { ResourceId } from '../../ids.ts';
import type { Interest } from '../cache/interest.ts';
import type { Known, Resource } from '../cache/snapshots.ts';
import type { TeamStore } from '../cache/store.ts';
import type { KnownList } from '../cache/team-list.ts';
import type { ResilientHttp } from '../transport/resilience.ts';
import { OperationCost } from './operation-cost.ts';
import { isAsk, type ReadContext } from './read.ts';
import type { RefreshPermits } from './refresh-permits.ts';

/**
 * Refreshes what a crowd asks for before its lifetime ends, so that nobody waits for it. An ask that meets a fresh value
 * late in its lifetime begins the refresh, and is itself answered at once. So nothing is refreshed that nobody asks for,
 * and no timer is needed: in a crowd the next ask is near.
 *
 * A refresh makes the next one fall due sooner. Without it, a call follows the answer before it by the lifetime and what
 * is left to the next ask. It begins after that time divided by {@link CALLS_FOR_EACH} at the earliest. Who polls alone
 * would pay far more: of a poller of 2 s every second poll is free at a lifetime of 2 s. So he waits.
 */
export interface Ahead {
  /**
   * Takes note that somebody was answered what is kept of the resource, which is fresh.
   * @param now monotonic milliseconds
   */
  asked(context: ReadContext, resource: Resource, known: Known, now: number): void;
  /** The same for the list. */
  askedForList(context: ReadContext, known: KnownList, now: number): void;
}

export interface AheadDeps {
  readonly http: Pick<ResilientHttp, 'usualMs'>;
  readonly permits: RefreshPermits;
  /** `CACHE_TTL_MS` */
  readonly ttlMs: number;
}

/** The team's ways to read. */
export interface TeamReads {
  readonly store: Pick<TeamStore, 'list'>;
  /** Reads the resource, or joins whoever reads it. */
  read(context: ReadContext, resource: Resource): Promise<unknown>;
  /** Reads the list, or joins whoever reads it; undefined where it is not to be read for a while. */
  readList(context: ReadContext): Promise<unknown> | undefined;
}

/** How many calls may be made, for each that would be made if nothing were refreshed ahead. */
const CALLS_FOR_EACH = 1.05;
/** So many asks in `CACHE_TTL_MS`, evenly spread, are a crowd. */
const CROWD = 40;
/** An answer takes its time to be read. In milliseconds. */
const MARGIN_MS = 5;

export function createAhead(
  teamId: ResourceId,
  { store, read, readList }: TeamReads,
  { http, permits, ttlMs }: AheadDeps,
): Ahead {
  /** What was decided on after it had left the list, which is read at its own endpoint then. */
  const left = new WeakSet<Known['outcome']>();

  /** Takes note of an ask. @returns whether a refresh that takes so many milliseconds should begin now */
  function isDue(
    interest: Interest,
    calledAt: number,
    freshUntil: number,
    takesMs: number,
    now: number,
  ): boolean {
    const gapMs = interest.ask(now, ttlMs);
    if (now < calledAt + (freshUntil - calledAt + gapMs) / CALLS_FOR_EACH) return false;
    // The ask after this one may come too late.
    return gapMs <= ttlMs / CROWD && now >= freshUntil - takesMs - MARGIN_MS - gapMs;
  }

  /** What is not in the next list is read at its own endpoint after it. */
  function listTakesMs(): number {
    return http.usualMs(true) + http.usualMs(false);
  }

  /** Where it fails it is not tried again, and the next ask reads as if there had been none. */
  function refresh(
    { caller: { credential }, work }: ReadContext,
    { interest, freshUntil }: Pick<Known, 'interest' | 'freshUntil'>,
    begin: (context: ReadContext) => Promise<unknown> | undefined,
  ): void {
    interest.decidedFor = freshUntil;
    const leave = permits.acquire(credential, teamId);
    if (leave === undefined) return;
    const refreshing = work?.refresh();
    const ended = (): void => {
      leave();
      refreshing?.end();
    };
    const reading = begin({
      caller: { credential, requestId: randomUUID(), traceparent: undefined },
      // What will be due when the answer comes is due.
      mode: { kind: 'ahead', until: freshUntil + http.usualMs(interest.isByList) },
      // No limit, and nobody's expense.
      cost: new OperationCost(Infinity),
      work: refreshing,
    });
    void Promise.resolve(reading).then(ended, ended);
  }

  return {
    asked(context, resource, known, now) {
      if (!isAsk(context)) return;
      const { interest, verifiedAt, freshUntil, outcome } = known;
      // What has left the list is not renewed by another.
      const isByList = interest.isByList && store.list()?.interest === interest;
      const hasLeft = interest.isByList && !isByList;
      const calledAt = interest.isByList ? interest.since : verifiedAt;
      const takesMs = isByList ? listTakesMs() : http.usualMs(false);
      if (!isDue(interest, calledAt, freshUntil, takesMs, now)) return;
      if (hasLeft ? left.has(outcome) : interest.decidedFor >= freshUntil) return;
      if (hasLeft) left.add(outcome);
      refresh(context, known, isByList ? readList : (ahead) => read(ahead, resource));
    },

    askedForList(context, { interest, readAt, freshUntil }, now) {
      if (!isAsk(context) || !isDue(interest, readAt, freshUntil, listTakesMs(), now)) return;
      if (interest.decidedFor < freshUntil) refresh(context, { interest, freshUntil }, readList);
    },
  };
}
