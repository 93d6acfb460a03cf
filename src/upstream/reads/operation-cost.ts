import { UpstreamError } from '../errors.ts';

/** Counts what one operation cost, holds it to its limit of calls, and knows how long its answer stays fresh. */
export class OperationCost {
  #maxCalls: number;
  calls = 0;
  cacheHits = 0;
  staleReads = 0;
  /** Monotonic milliseconds at which the first of the values read stops being fresh; Infinity before any read. */
  freshUntil = Infinity;

  /** @param maxCalls `MAX_UPSTREAM_CALLS_PER_OPERATION` */
  constructor(maxCalls: number) {
    this.#maxCalls = maxCalls;
  }

  /** Counts a list call. It does not use up the operation's limit, since it may turn out to save no other call. */
  countListCall(): void {
    this.calls++;
    this.#maxCalls++;
  }

  /** @throws {UpstreamError} `tooManyCalls` when the operation has used up its calls */
  countCall(): void {
    if (this.calls >= this.#maxCalls) {
      throw new UpstreamError(
        'tooManyCalls',
        `the operation needs more than ${this.#maxCalls} upstream calls`,
      );
    }
    this.calls++;
  }

  countRead(freshUntil: number, from: 'call' | 'cache' | 'stale'): void {
    if (from === 'cache') this.cacheHits++;
    if (from === 'stale') this.staleReads++;
    this.freshUntil = Math.min(this.freshUntil, freshUntil);
  }
}
