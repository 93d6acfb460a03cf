/**
 * A histogram without labels whose observations cost an addition or two, so that they may be made for each row of an
 * answer. It writes itself in the Prometheus text format, since a histogram of prom-client counts only what it observes.
 */
export class PlainHistogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  /** Of each bucket alone; the last one has what is above all bounds. */
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds the upper ones, each within its bucket, in ascending order */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#counts = [...bounds, Infinity].map(() => 0);
  }

  observe(value: number): void {
    let bucket = 0;
    for (const bound of this.#bounds) {
      if (value <= bound) break;
      bucket++;
    }
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  /** Lines, the last one ended too. */
  text(): string {
    const name = this.#name;
    let count = 0;
    const buckets = [...this.#bounds, '+Inf'].map((bound, index) => {
      count += this.#counts[index] ?? 0;
      return `${name}_bucket{le="${bound}"} ${count}\n`;
    });
    return [
      `# HELP ${name} ${this.#help}\n# TYPE ${name} histogram\n`,
      ...buckets,
      `${name}_sum ${this.#sum}\n${name}_count ${count}\n`,
    ].join('');
  }
}
