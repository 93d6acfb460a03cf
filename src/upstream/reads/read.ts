import type { Entry, Resource } from '../cache/snapshots.ts';
import type { Store } from '../cache/store.ts';
import type { Priority } from '../quota/governor.ts';
import type { Caller } from '../rest/client.ts';
import type { OperationCost } from './operation-cost.ts';

/**
 * Which values will do. `fresh`: any that is fresh. `noCache`: only what the resource's own endpoint says from now on
 * (RFC 9111, `no-cache`). `poll`: what the REST API has said since a moment of the monotonic clock.
 */
export type ReadMode =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'noCache' }
  | { readonly kind: 'poll'; readonly since: number };

/** How one operation reads: for whom, which values will do, and at whose expense. */
export interface ReadContext {
  readonly caller: Caller;
  readonly mode: ReadMode;
  readonly cost: OperationCost;
}

/** One read that no fresh cache entry answers. */
export interface PendingRead {
  readonly context: ReadContext;
  readonly resource: Resource;
  /** Key of the resource in the store. */
  readonly key: string;
  /** What is known of the resource, however old. */
  readonly known: Entry | undefined;
  /** Whether a stale value can stand in for an answer that cannot be had. */
  readonly hasStale: boolean;
  /** Monotonic milliseconds by which the read must be answered. */
  readonly deadline: number;
  /** Whether a call was made at this operation's expense. Whoever makes the call sets it. */
  charged: boolean;
}

export function partitionOf({ caller }: ReadContext): string {
  return caller.credential.partition;
}

/** @param hasStale whether stale values can stand in for everything that the call is for */
export function priorityOf({ mode }: ReadContext, hasStale: boolean): Priority {
  if (!hasStale) return 'essential';
  return mode.kind === 'poll' ? 'poll' : 'sheddable';
}

/**
 * @param key the resource's key in the store
 * @param deadline monotonic milliseconds
 */
export function pendingRead(
  store: Pick<Store, 'peek' | 'staleValue'>,
  context: ReadContext,
  resource: Resource,
  key: string,
  deadline: number,
): PendingRead {
  const hasStale = store.staleValue(key) !== undefined;
  return { context, resource, key, known: store.peek(key), hasStale, deadline, charged: false };
}
