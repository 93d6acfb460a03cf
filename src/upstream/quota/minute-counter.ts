const MINUTE_MS = 60_000;
const MINUTES = 60;

/**
 * Counts of the last hour, minute by minute. The REST API does not say whether its hour slides or begins anew; what
 * fits into every sliding hour fits into any other.
 */
export class MinuteCounter {
  /** Of the current minute and those before it, newest first. */
  readonly #counts: number[];
  readonly #since: number;
  #minute: number;

  /**
   * @param now monotonic milliseconds, here as in every method
   * @param minutes how many whole ones are remembered, where an hour does not tell enough
   */
  constructor(now: number, minutes = MINUTES) {
    this.#counts = new Array<number>(minutes + 1).fill(0);
    this.#since = now;
    this.#minute = minuteOf(now);
  }

  add(now: number, count: number): void {
    this.#turn(now);
    this.#counts[0] = (this.#counts[0] ?? 0) + count;
  }

  total(now: number): number {
    this.#turn(now);
    return sum(this.#counts);
  }

  /** How many there were in so many minutes until now, the rest of the oldest minute being taken for even. */
  within(now: number, minutes: number): number {
    this.#turn(now);
    // Leaving it out or in as a whole would make what is told leap with every minute that ends.
    const intoMinute = (now % MINUTE_MS) / MINUTE_MS;
    return sum(this.#counts.map((count, age) => count * clamp(minutes - intoMinute - age + 1)));
  }

  /** Counts an hour, by those of so many minutes until now, or of as many as there have been. */
  rate(now: number, minutes: number): number {
    const lived = (now - this.#since) / MINUTE_MS;
    // What is told about less than a minute is mostly noise.
    const span = Math.max(1, Math.min(minutes, lived, MINUTES));
    return (this.within(now, span) / span) * MINUTES;
  }

  /** Makes the total so: what is missing happened now, what is too much is forgotten, oldest first. */
  correctTo(now: number, total: number): void {
    let excess = this.total(now) - total;
    if (excess < 0) this.add(now, -excess);
    for (let age = MINUTES; age >= 0 && excess > 0; age--) {
      const forgotten = Math.min(excess, this.#counts[age] ?? 0);
      this.#counts[age] = (this.#counts[age] ?? 0) - forgotten;
      excess -= forgotten;
    }
  }

  /** The greatest even pace, in counts an hour, that keeps every sliding hour of the coming one within the budget. */
  pace(now: number, budget: number): number {
    this.#turn(now);
    const intoMinute = (now % MINUTE_MS) / MINUTE_MS;
    let still = sum(this.#counts.slice(0, MINUTES));
    // For what is left of this minute alone a pace would be mostly noise: the next one's share is lent to it.
    let pace = (budget + budget / MINUTES - still) / (2 - intoMinute);
    for (let ahead = 1; ahead <= MINUTES; ahead++) {
      if (ahead > 1) pace = Math.min(pace, (budget - still) / (ahead - intoMinute));
      still -= this.#counts[MINUTES - ahead] ?? 0;
    }
    return Math.max(0, pace * MINUTES);
  }

  /** Milliseconds until something leaves the hour; 0 where nothing is in it. */
  untilRelief(now: number): number {
    this.#turn(now);
    const oldest = this.#counts.findLastIndex((count) => count > 0);
    return oldest < 0 ? 0 : (MINUTES + 1 - oldest) * MINUTE_MS - (now % MINUTE_MS);
  }

  #turn(now: number): void {
    const passed = minuteOf(now) - this.#minute;
    if (passed <= 0) return;
    this.#minute += passed;
    const kept = this.#counts.slice(0, Math.max(0, this.#counts.length - passed));
    this.#counts.fill(0);
    kept.forEach((count, index) => (this.#counts[index + passed] = count));
  }
}

function minuteOf(now: number): number {
  return Math.floor(now / MINUTE_MS);
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
