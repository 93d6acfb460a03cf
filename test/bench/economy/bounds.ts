import type { Stretch } from '../../../src/upstream/quota/demand.ts';

/** What the governor said, moment by moment, and so how old data were allowed to be. */
export class Bounds {
  readonly #steps: { readonly since: number; readonly stretch: Stretch }[] = [];

  /** Moments must not go back. */
  record(now: number, stretch: Stretch): void {
    const last = this.#steps.at(-1)?.stretch;
    if (last?.changing !== stretch.changing || last.final !== stretch.final)
      this.#steps.push({ since: now, stretch });
  }

  /** The greatest stretches of a time until now. */
  greatestSince(from: number): Stretch {
    let [changing, final] = [1, 1];
    for (let n = this.#steps.length - 1; n >= 0; n--) {
      const step = this.#steps[n];
      if (step === undefined) break;
      changing = Math.max(changing, step.stretch.changing);
      final = Math.max(final, step.stretch.final);
      if (step.since <= from) break;
    }
    return { changing, final };
  }

  at(moment: number): Stretch {
    const step = this.#steps.findLast(({ since }) => since <= moment);
    return step?.stretch ?? { changing: 1, final: 1 };
  }
}
