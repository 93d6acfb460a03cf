import type { Freshness } from '../cache/freshness.ts';
import { listMayAnswer } from '../cache/team-list.ts';
import { nameOf, type PendingRead } from './read.ts';

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
  remember(reads: readonly PendingRead[], now: number, freshness: Freshness): void;
}

/** For fewer resources than this their own endpoints cost no more than the list. */
const WORTH_A_LIST = 2;
/** Remembering more changes no decision. */
const MAX_REMEMBERED = 2 * WORTH_A_LIST;

export function createListPlanner(): ListPlanner {
  // Names of known resources, with the moments at which they were last read, oldest first.
  const recent = new Map<string, number>();

  return {
    plan(candidates) {
      // Earlier readers count only if this batch reads something known: of unknown resources the list may say nothing,
      // and then both calls would be paid.
      const others = candidates.some(isKnown) ? recent.keys() : [];
      const wanted = new Set([...others, ...candidates.map(({ resource }) => nameOf(resource))]);
      return new Set(wanted.size < WORTH_A_LIST ? [] : candidates);
    },

    remember(reads, now, freshness) {
      for (const { resource, known } of reads) {
        if (known === undefined || !listMayAnswer(resource, known, now, freshness)) continue;
        // Deleting first keeps the names in the order of their moments.
        const name = nameOf(resource);
        recent.delete(name);
        recent.set(name, now);
      }
      for (const [name, at] of recent) {
        if (now - at <= 2 * freshness.changingMs && recent.size <= MAX_REMEMBERED) break;
        recent.delete(name);
      }
    },
  };
}

export function isKnown({ known }: PendingRead): boolean {
  return known !== undefined;
}
