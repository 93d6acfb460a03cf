/**
 * How often people ask for what one call to the REST API has renewed. What the team's list has renewed shares one, and so
 * do the list and its rows. Moments are monotonic milliseconds.
 */
export class Interest {
  /** When the answer came. */
  readonly since: number;
  /** Whether the list's call renewed it, and not one to a resource's own endpoint. */
  readonly isByList: boolean;
  /** `freshUntil` of the last value whose refresh was decided on. Each is decided on once. */
  decidedFor = -Infinity;
  #askedAt: number;
  #gapMs = 0;

  constructor(since: number, isByList = false) {
    this.since = since;
    this.#askedAt = since;
    this.isByList = isByList;
  }

  /**
   * Takes note of an ask.
   * @param memoryMs for how long asks are remembered
   * @returns the usual time between two asks, in milliseconds. Each time counts by its length, as whoever comes at any
   * moment meets it. So a page that asks for a hundred rows at once, every two seconds, asks every two seconds.
   */
  ask(now: number, memoryMs: number): number {
    const gap = now - this.#askedAt;
    if (gap > 0) {
      const weight = Math.min(1, gap / Math.min(memoryMs, now - this.since));
      this.#gapMs += weight * (gap - this.#gapMs);
      this.#askedAt = now;
    }
    return this.#gapMs;
  }
}
