import type { PendingRead } from './read.ts';

/** Decides whether reading a team's list saves calls, from the reads of now and of lately. */
export interface ListPlanner {
  /**
   * @param candidates reads that a list read now might answer
   * @returns those that are worth a list: all of them, or none
   */
  plan(candidates: readonly PendingRead[]): ReadonlySet<PendingRead>;
  /**
   * Remembers reads that a list might answer. Whoever reads them now is likely to read them again soon, and then the
   * list serves that reader too.
   * @param now monotonic milliseconds
   * @param forMs how long they count
   */
  remember(reads: readonly PendingRead[], now: number, forMs: number): void;
}

/** For fewer resources than this their own endpoints cost no more than the list. */
const WORTH_A_LIST = 2;
/** Remembering more changes no decision. */
const MAX_REMEMBERED = 2 * WORTH_A_LIST;

export function createListPlanner(): ListPlanner {
  // Keys of known resources, with the moments at which they were last read, oldest first.
  const recent = new Map<string, number>();

  return {
    plan(candidates) {
      // Earlier readers count only if this batch reads something known: of unknown resources the list may say nothing,
      // and then both calls would be paid.
      const others = candidates.some(isKnown) ? recent.keys() : [];
      const wanted = new Set([...others, ...candidates.map(keyOf)]);
      return new Set(wanted.size < WORTH_A_LIST ? [] : candidates);
    },

    remember(reads, now, forMs) {
      for (const key of reads.filter(isKnown).map(keyOf)) {
        // Deleting first keeps the keys in the order of their moments.
        recent.delete(key);
        recent.set(key, now);
      }
      for (const [key, at] of recent) {
        if (now - at <= forMs && recent.size <= MAX_REMEMBERED) break;
        recent.delete(key);
      }
    },
  };
}

export function isKnown({ known }: PendingRead): boolean {
  return known !== undefined;
}

function keyOf({ key }: PendingRead): string {
  return key;
}
