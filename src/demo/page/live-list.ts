import type { Backfill } from './answers.ts';

export interface LiveRow {
  readonly backfill: Backfill;
  /** When it left the list, in milliseconds. */
  readonly leftAt?: number;
}

const OVER: ReadonlySet<string> = new Set(['COMPLETED', 'CANCELLED']);

/** The rows of the live list: what the stream told last, and for a while those that have left it. */
export class LiveList {
  readonly #rows = new Map<string, LiveRow>();
  readonly #lingerMs: number;

  constructor(lingerMs: number) {
    this.#lingerMs = lingerMs;
  }

  /** Newest first, which no change of a row ever changes. */
  get rows(): readonly LiveRow[] {
    return [...this.#rows.values()].sort(
      ({ backfill: a }, { backfill: b }) =>
        b.createdTime.localeCompare(a.createdTime) || (BigInt(b.id) > BigInt(a.id) ? 1 : -1),
    );
  }

  /**
   * Takes the first event of a subscription, which has the whole list.
   * @returns the ids of rows that are in it no more, and of which it does not say what became of them
   */
  begin(backfills: readonly Backfill[], now: number): readonly string[] {
    this.change(backfills, now);
    const listed = new Set(backfills.map(({ id }) => id));
    return this.rows
      .filter(({ backfill, leftAt }) => leftAt === undefined && !listed.has(backfill.id))
      .map(({ backfill }) => backfill.id);
  }

  /** Takes what changed, began or left. */
  change(backfills: readonly Backfill[], now: number): void {
    for (const backfill of backfills) {
      const before = this.#rows.get(backfill.id);
      const leftAt = OVER.has(backfill.status) ? (before?.leftAt ?? now) : undefined;
      this.#rows.set(backfill.id, { backfill, ...(leftAt === undefined ? {} : { leftAt }) });
    }
  }

  /** Takes what became of rows that left while nobody watched. Nobody can say it of some: these go in their last state. */
  settle(ids: readonly string[], found: readonly (Backfill | null)[], now: number): void {
    const known = found.flatMap((backfill) => backfill ?? []);
    this.change(known, now);
    for (const id of ids) {
      const row = this.#rows.get(id);
      if (row !== undefined && !known.some((backfill) => backfill.id === id)) {
        this.#rows.set(id, { ...row, leftAt: now });
      }
    }
  }

  /** Removes the rows that left long enough ago. */
  sweep(now: number): void {
    for (const [id, { leftAt }] of this.#rows) {
      if (leftAt !== undefined && now - leftAt >= this.#lingerMs) this.#rows.delete(id);
    }
  }

  /** The credential is refused, so what it was shown goes. */
  clear(): void {
    this.#rows.clear();
  }
}
