const MINUTE_MS = 60_000;
const MINUTES = 60;

/**
 * Counts of the last hour, minute by minute. The REST API does not say whether its hour slides or begins anew; what
 * fits into every sliding hour fits into any other.
 */
export class QuotaHour {
  /** Of the current minute and the sixty before it, newest first. */
  readonly #counts: number[] = new Array<number>(MINUTES + 1).fill(0);
  #minute: number;

  /** @param now monotonic milliseconds, here as in every method */
  constructor(now: number) {
    this.#minute = minuteOf(now);
  }

  add(now: number, count: number): void {
    this.#turn(now);
    this.#counts[0] = (this.#counts[0] ?? 0) + count;
  }

  /** @param minutes how many whole ones before the current one */
  total(now: number, minutes = MINUTES): number {
    this.#turn(now);
    return sum(this.#counts.slice(0, minutes + 1));
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
    let pace = Infinity;
    // What is told about less than two minutes is mostly noise.
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

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
