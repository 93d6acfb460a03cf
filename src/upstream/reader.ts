import type { Caller } from './client.ts';
import type { Tally } from './tally.ts';

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
export interface Reader {
  readonly caller: Caller;
  readonly mode: ReadMode;
  readonly tally: Tally;
}
