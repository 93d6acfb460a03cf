/** How millions of figures are spread, in steps. */
export class Spread {
  readonly #step: number;
  readonly #counts: number[] = [];
  #count = 0;
  greatest = 0;

  constructor(step: number) {
    this.#step = step;
  }

  add(value: number): void {
    const slot = Math.max(0, Math.round(value / this.#step));
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    this.#count++;
    if (value > this.greatest) this.greatest = value;
  }

  get count(): number {
    return this.#count;
  }

  /** The figure that this share does not exceed. */
  percentile(share: number): number {
    let below = 0;
    for (let slot = 0; slot < this.#counts.length; slot++) {
      below += this.#counts[slot] ?? 0;
      if (below > 0 && below >= this.#count * share) return slot * this.#step;
    }
    return this.greatest;
  }
}
