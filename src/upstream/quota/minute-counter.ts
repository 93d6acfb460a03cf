const MINUTE_MS = 60_000;
const MINUTES = 60;

/**
 * Counts something by the minute of the monotonic clock, for the last hour or longer. Every `now` is in milliseconds.
 */
export class MinuteCounter {
  /** Counts of the present minute and of those before it, newest first. */
  readonly #counts: number[];
  readonly #since: number;
  #minute: number;
  /** The sum of the counts: it is asked for at every read, and for every credential at every scrape. */
  #total = 0;

  /** @param minutes how many whole minutes are remembered besides the present one */
  constructor(now: number, minutes = MINUTES) {
    this.#counts = new Array<number>(minutes + 1).fill(0);
    this.#since = now;
    this.#minute = minuteOf(now);
  }

  add(now: number, count: number): void {
    this.#advance(now);
    this.#change(0, count);
  }

  /** Counts of the present minute and of those before it, newest first. */
  counts(now: number): readonly number[] {
    this.#advance(now);
    return this.#counts;
  }

  total(now: number): number {
    this.#advance(now);
    return this.#total;
  }

  /** The count of the last so many minutes. */
  within(now: number, minutes: number): number {
    const intoMinute = (now % MINUTE_MS) / MINUTE_MS;
    // The oldest minute counts by the share of it inside the window; otherwise the total would jump at every full minute.
    let total = 0;
    for (const [age, count] of this.counts(now).entries()) {
      if (count > 0) total += count * clamp(minutes - intoMinute - age + 1);
    }
    return total;
  }

  /** Counts per hour, measured over the last so many minutes, or over as many as there have been. */
  rate(now: number, minutes: number): number {
    const lived = (now - this.#since) / MINUTE_MS;
    // A rate measured over less than a minute is mostly noise.
    const span = Math.max(1, Math.min(minutes, lived, MINUTES));
    return (this.within(now, span) / span) * MINUTES;
  }

  /** Makes the hour's total so. A missing count is added to the present minute; an excess is taken from the oldest. */
  correctTo(now: number, total: number): void {
    let excess = this.total(now) - total;
    if (excess < 0) this.add(now, -excess);
    for (let age = MINUTES; age >= 0 && excess > 0; age--) {
      const removed = Math.min(excess, this.#counts[age] ?? 0);
      this.#change(age, -removed);
      excess -= removed;
    }
  }

  /** Sets the counts, newest first. What is older than an hour is left out. */
  replace(now: number, counts: readonly number[]): void {
    this.#advance(now);
    for (const age of this.#counts.keys()) this.#counts[age] = age <= MINUTES ? (counts[age] ?? 0) : 0;
    this.#total = this.#counts.reduce((total, count) => total + count, 0);
  }

  #change(age: number, by: number): void {
    this.#counts[age] = (this.#counts[age] ?? 0) + by;
    this.#total += by;
  }

  #advance(now: number): void {
    const passed = minuteOf(now) - this.#minute;
    if (passed <= 0) return;
    this.#minute += passed;
    this.#counts.copyWithin(passed, 0).fill(0, 0, passed);
    // Summed anew: counts may be fractions, whose errors would add up.
    this.#total = this.#counts.reduce((total, count) => total + count, 0);
  }
}

function minuteOf(now: number): number {
  return Math.floor(now / MINUTE_MS);
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
