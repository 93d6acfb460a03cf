import type { PendingRead } from './read.ts';

/** The reads of a team that its feed is worth reading for, and those that go to their own endpoints. */
export interface ReadPlan {
  readonly byFeed: readonly PendingRead[];
  readonly alone: readonly PendingRead[];
}

/** Whether one call for a team's feed saves calls, told by what is asked for now and was lately. */
export interface ListPlanner {
  /** @param mayTell whether a feed read now might tell of the read's resource */
  plan(reads: readonly PendingRead[], mayTell: (read: PendingRead) => boolean): ReadPlan;
  /**
   * Remembers reads that a feed might tell of: who asked lately is likely to ask again, and then a feed serves him too.
   * @param now monotonic milliseconds
   * @param forMs how long they count
   */
  note(reads: readonly PendingRead[], now: number, forMs: number): void;
}

/** For less than this many resources their own endpoints cost no more. */
const WORTH_A_FEED = 2;
/** More tell nothing more. */
const MAX_REMEMBERED = 2 * WORTH_A_FEED;

export function createListPlanner(): ListPlanner {
  // Names of known resources, with the moments at which they were last asked for, oldest first.
  const recent = new Map<string, number>();

  return {
    plan(reads, mayTell) {
      const byFeed = new Set(reads.filter(mayTell));
      // Who asks for what nobody knows yet has two in hand himself, or pays for the feed and for what it does not tell.
      const others = [...byFeed].some(isKnown) ? recent.keys() : [];
      const wanted = new Set([...others, ...[...byFeed].map(nameOf)]);
      return wanted.size < WORTH_A_FEED
        ? { byFeed: [], alone: reads }
        : { byFeed: [...byFeed], alone: reads.filter((read) => !byFeed.has(read)) };
    },

    note(reads, now, forMs) {
      for (const name of reads.filter(isKnown).map(nameOf)) {
        // Anew, so that they stay in the order of their moments.
        recent.delete(name);
        recent.set(name, now);
      }
      for (const [name, at] of recent) {
        if (now - at <= forMs && recent.size <= MAX_REMEMBERED) break;
        recent.delete(name);
      }
    },
  };
}

export function isKnown({ last }: PendingRead): boolean {
  return last !== undefined;
}

function nameOf({ resource: { kind, id } }: PendingRead): string {
  return `${kind}/${id}`;
}
