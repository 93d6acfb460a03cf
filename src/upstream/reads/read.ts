import type { Caller } from '../rest/client.ts';
import type { Entry, Resource } from '../cache/snapshots.ts';
import type { OperationCost } from './operation-cost.ts';

/**
 * What will do for an answer: whatever is fresh; nothing but the REST API's own word from now on (`refresh`); or, for a
 * poll, what the REST API has said since a moment of the monotonic clock. An `estimate` gets whatever is known, or a
 * stand-in, and its tally the calls that `fresh` would have made.
 */
export type ReadMode =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'refresh' }
  | { readonly kind: 'poll'; readonly since: number }
  | { readonly kind: 'estimate' };

/** One operation's way of reading: for whom, what will do, and at whose expense. */
export interface ReadContext {
  readonly caller: Caller;
  readonly mode: ReadMode;
  readonly cost: OperationCost;
}

/** One read that the cache cannot answer. */
export interface PendingRead {
  readonly reader: ReadContext;
  readonly resource: Resource;
  /** What is known of the resource, however old. */
  readonly last: Entry | undefined;
  /** Whether what is known can stand in for an answer that is not to be had. */
  readonly hasReserve: boolean;
  /** Asks the resource's own endpoint. */
  ask(timeoutMs: number): Promise<Entry>;
  /**
   * Counts a call that is about to be made for this read: its own, or an `extra` one that others are told by too.
   * @throws {UpstreamError} `tooManyCalls` when the operation has used up its own ones
   */
  pay(call: 'own' | 'extra'): void;
}
