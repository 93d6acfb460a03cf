import { UpstreamError } from '../errors.ts';

/** Counts what one operation cost, holds it to its limit of calls, and knows how long its answer stays fresh. */
export class OperationCost {
  readonly #maxCalls: number;
  #needed = 0;
  /** One for all reads that it fails, which may be thousands. */
  #tooMany: UpstreamError | undefined;
  /** HTTP exchanges with the REST API that were made at the operation's expense. */
  calls = 0;
  cacheHits = 0;
  staleReads = 0;
  /** Monotonic milliseconds at which the first of the values read stops being fresh; Infinity before any read. */
  freshUntil = Infinity;

  /** @param maxCalls `MAX_UPSTREAM_CALLS_PER_OPERATION` */
  constructor(maxCalls: number) {
    this.#maxCalls = maxCalls;
  }

  /**
   * Uses up one of the operation's calls. Lists use up none, since they may turn out to save no other call, and retries
   * use up none, since the operation does not need them.
   * @throws {UpstreamError} `tooManyCalls` when the operation has used up its calls
   */
  assertMayCall(): void {
    if (this.#needed >= this.#maxCalls) {
      this.#tooMany ??= new UpstreamError(
        'tooManyCalls',
        `the operation needs more than ${this.#maxCalls} upstream calls`,
      );
      throw this.#tooMany;
    }
    this.#needed++;
  }

  countRead(freshUntil: number, from: 'call' | 'cache' | 'stale'): void {
    if (from === 'cache') this.cacheHits++;
    if (from === 'stale') this.staleReads++;
    this.freshUntil = Math.min(this.freshUntil, freshUntil);
  }
}
