import type { Cost } from './answers.ts';
import { count, counted } from './words.ts';

/** What the page's queries cost, and what all readers of its token have spent since it was opened. */
export class Costs {
  #last: Cost | undefined;
  #own = 0;
  #firstLeft: number | undefined;
  #spent = 0;

  record(cost: Cost): void {
    this.#last = cost;
    this.#own += cost.calls;
    const { quotaRemaining: left } = cost;
    if (left === null) return;
    // The first answer's own calls are part of what the page spent.
    this.#firstLeft ??= left + cost.calls;
    this.#spent = Math.max(this.#spent, this.#firstLeft - left);
  }

  /** Sentences by the name of the part of the page that they fill. */
  get words(): Readonly<Record<'left' | 'last' | 'own' | 'spent', string>> {
    if (this.#last === undefined) return { left: '–', last: '–', own: '–', spent: '–' };
    const { calls, cacheHits, staleReads, quotaRemaining } = this.#last;
    return {
      left: quotaRemaining === null ? '–' : count(quotaRemaining),
      last: `${counted(calls, 'call')}, ${counted(cacheHits, 'cache hit')}, ${counted(staleReads, 'stale read')}`,
      own: counted(this.#own, 'call'),
      spent: counted(this.#spent, 'call'),
    };
  }
}
