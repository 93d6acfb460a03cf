import type { FreshnessOf } from '../cache/freshness.ts';
import { type PendingRead, partitionOf } from './read.ts';
import { listMayAnswer } from './team-list.ts';

/** Decides whether reading a team's list saves calls, from the reads of now and of lately. */
export interface ListPlanner {
  /**
   * @param candidates reads that a list read now might answer
   * @returns those that are worth a list: all of them, or none
   */
  plan(candidates: readonly PendingRead[]): ReadonlySet<PendingRead>;
  /**
   * Remembers those of the reads that a list might answer, for two lifetimes. Whoever reads them now is likely to read
   * them again soon, and then the list serves that reader too.
   * @param reads reads of one team with one credential
   * @param now monotonic milliseconds
   */
  remember(reads: readonly PendingRead[], now: number, freshness: FreshnessOf): void;
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
      const wanted = new Set([...others, ...candidates.map(({ key }) => key)]);
      return new Set(wanted.size < WORTH_A_LIST ? [] : candidates);
    },

    remember(reads, now, freshnessOf) {
      const [first] = reads;
      if (first === undefined) return;
      const freshness = freshnessOf(partitionOf(first.context));
      for (const { resource, known, key } of reads) {
        if (known === undefined || !listMayAnswer(resource, known, now, freshness)) continue;
        // Deleting first keeps the keys in the order of their moments.
        recent.delete(key);
        recent.set(key, now);
      }
      for (const [key, at] of recent) {
        if (now - at <= 2 * freshness.changingMs && recent.size <= MAX_REMEMBERED) break;
        recent.delete(key);
      }
    },
  };
}

export function isKnown({ known }: PendingRead): boolean {
  return known !== undefined;
}
