import { UpstreamError } from '../errors.ts';

/** Counts what one operation cost, holds it to its limit, and knows how long its answer stays fresh. */
export class OperationCost {
  #maxCalls: number;
  calls = 0;
  cacheHits = 0;
  staleReads = 0;
  /** Monotonic milliseconds at which the first of the values read stops being fresh; Infinity before any read. */
  freshUntil = Infinity;

  constructor(maxCalls: number) {
    this.#maxCalls = maxCalls;
  }

  /** One that spares others, made in the hope of it: where it spares none, they are to be had all the same. */
  countExtraCall(): void {
    this.calls++;
    this.#maxCalls++;
  }

  /** @throws {UpstreamError} `tooManyCalls` when the operation has used up its calls. */
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
