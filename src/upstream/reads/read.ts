import type { CallCause } from '../../metric-labels.ts';
import type { Known, Resource } from '../cache/snapshots.ts';
import type { TeamStore } from '../cache/store.ts';
import type { TeamList } from '../cache/team-list.ts';
import type { Priority } from '../quota/governor.ts';
import type { Calls } from '../../tracing/calls.ts';
import type { Work } from '../../tracing/work.ts';
import type { Caller } from '../rest/client.ts';
import type { OperationCost } from './operation-cost.ts';

/**
 * Which values will do. `fresh`: any that is fresh. `noCache`: only what the resource's own endpoint says from now on
 * (RFC 9111, `no-cache`). `poll`: what the REST API has said since a moment of the monotonic clock. `ahead`: what is still
 * fresh after a moment.
 */
export type ReadMode =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'noCache' }
  | { readonly kind: 'poll'; readonly since: number }
  | { readonly kind: 'ahead'; readonly until: number };

/** How one operation reads: for whom, which values will do, and at whose expense. */
export interface ReadContext {
  readonly caller: Caller;
  readonly mode: ReadMode;
  readonly cost: OperationCost;
  /** Whether a stream goes on to poll what is read, so that nothing else need refresh it. */
  readonly isFollowed?: true;
  /** What the reads stand beneath in traces; only where these are made. */
  readonly work?: Work | undefined;
}

/** Whether somebody reads who may ask again. Streams and `no-cache` read anyway, however fresh something is. */
export function isAsk({ mode, isFollowed }: ReadContext): boolean {
  return mode.kind === 'fresh' && isFollowed !== true;
}

/** The context as it is read for a credential that has so few calls left that it reads nothing known again. */
export function sparing(context: ReadContext, isSaving: (credentialId: string) => boolean): ReadContext {
  const isSpared = context.mode.kind === 'noCache' && isSaving(context.caller.credential.id);
  return isSpared ? { ...context, mode: { kind: 'fresh' } } : context;
}

/** Whose call was made for a read: its own, that of a list for others too, or that of a read for which it waited. */
export type CallMade = 'own' | 'list' | 'shared';

/** One read that nothing fresh answers. */
export interface PendingRead {
  readonly context: ReadContext;
  readonly resource: Resource;
  /** What is known of the resource, however old. */
  known: Known | undefined;
  /** Whether a stale value can stand in for an answer that cannot be had. */
  hasStale: boolean;
  /** Monotonic milliseconds by which the read must be answered. Moves when the list was asked in vain. */
  deadline: number;
  /** The call that was made for it; an own one is at this operation's expense. Undefined where none was. */
  call: CallMade | undefined;
  /** The calls that answer it; only where traces are made. */
  readonly calls?: Calls | undefined;
}

/** Whoever pays for a call, and how much it matters to him. */
export interface Payer extends Pick<PendingRead, 'context' | 'hasStale' | 'call' | 'calls'> {
  /** Whether it is the list itself that is asked for, and not what stands in it. */
  readonly wantsList?: true;
}

/** Has the payer's operation pay for an exchange. */
export function charge(payer: Payer): void {
  payer.call = 'own';
  payer.context.cost.calls++;
}

/** @param usual what it is for where an operation waits for it */
export function causeOf({ mode }: ReadContext, usual: CallCause): CallCause {
  if (mode.kind === 'poll') return 'poll';
  return mode.kind === 'ahead' ? 'refresh' : usual;
}

/** @param hasStale whether stale values can stand in for everything that the call is for */
export function priorityOf({ mode }: ReadContext, hasStale: boolean): Priority {
  if (!hasStale) return 'essential';
  return mode.kind === 'poll' ? 'poll' : 'sheddable';
}

/** @param deadline monotonic milliseconds */
export function pendingRead(
  store: Pick<TeamStore, 'known' | 'staleValue'>,
  context: ReadContext,
  resource: Resource,
  deadline: number,
  calls?: Calls,
): PendingRead {
  return { context, resource, ...lookUp(store, resource), deadline, call: undefined, calls };
}

/** What the store has of the resource now. */
export function lookUp(
  store: Pick<TeamStore, 'known' | 'staleValue'>,
  resource: Resource,
): Pick<PendingRead, 'known' | 'hasStale'> {
  const known = store.known(resource);
  return { known, hasStale: known !== undefined && store.staleValue(resource) !== undefined };
}

/** The moment for which a reader wants an answer, in monotonic milliseconds: mostly now. */
export function momentOf({ mode }: ReadContext, now: number): number {
  return mode.kind === 'ahead' ? Math.max(now, mode.until) : now;
}

/** How often, in milliseconds, a resource is read past the cache. A browser with its tools open asks so at each poll. */
const NO_CACHE_MS = 1_000;

/** Whether the reader wants no other answer than this. */
export function isGoodEnough(known: Known, context: ReadContext, now: number): boolean {
  return known.isDoubted !== true && isFreshEnough(known, context, now);
}

/** The same for what nobody doubts. */
export function isFreshEnough(
  known: Pick<Known, 'freshUntil' | 'confirmedAt' | 'verifiedAt'>,
  { mode }: ReadContext,
  now: number,
): boolean {
  switch (mode.kind) {
    case 'fresh':
      return known.freshUntil >= now;
    case 'poll':
      return known.confirmedAt >= mode.since;
    case 'ahead':
      return known.freshUntil > mode.until;
    case 'noCache':
      return now - known.verifiedAt < NO_CACHE_MS;
  }
}

/** Whether the reader wants no other list than this. */
export function isListGoodEnough(
  {
    readAt,
    freshUntil,
    isDoubted,
  }: Pick<TeamList, 'readAt' | 'freshUntil'> & { readonly isDoubted?: boolean },
  { mode }: ReadContext,
  now: number,
): boolean {
  if (isDoubted === true) return false;
  switch (mode.kind) {
    case 'fresh':
      return freshUntil >= now;
    case 'poll':
      return readAt >= mode.since;
    case 'ahead':
      return freshUntil > mode.until;
    case 'noCache':
      return now - readAt < NO_CACHE_MS;
  }
}

/** Since when an answer may do that lives as long, in monotonic milliseconds. */
export function sinceWhen({ mode }: ReadContext, now: number, lifetimeMs: number): number {
  switch (mode.kind) {
    case 'fresh':
      return now - lifetimeMs;
    case 'poll':
      return mode.since;
    case 'ahead':
      return mode.until - lifetimeMs;
    case 'noCache':
      return now - NO_CACHE_MS;
  }
}

/** Names a resource within its team. */
export function nameOf({ kind, id }: Resource): string {
  return `${kind}/${id}`;
}
