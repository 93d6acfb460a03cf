import { Crowd, type Place } from '../../crowd.ts';
import type { Slot } from './slots.ts';

/** A call that waits for a slot. */
export interface Waiting {
  readonly credentialId: string;
  /** Parties get slots by turns. */
  readonly party: string;
  readonly goesFirst: boolean;
  /** Whether it had a slot before, and gave it to others. */
  readonly wasMoved: boolean;
  /** When it began to wait, in monotonic milliseconds. */
  readonly since: number;
  /** Given and taken by the queue. */
  place: Place<Waiting> | undefined;
  start(slot: Slot): void;
  refuse(): void;
}

/** Serves parties by turns, and the credentials of a party by turns too. */
export interface FairQueue {
  readonly size: number;
  join(entry: Waiting): void;
  leave(entry: Waiting): void;
  /**
   * Takes the next entry.
   * @param mayHaveOne whether a credential may get a slot
   */
  take(mayHaveOne: (credentialId: string) => boolean): Waiting | undefined;
  /** The credentials that wait, with what waits of each, oldest first. */
  byCredential(): Iterable<readonly [credentialId: string, entries: Pick<Crowd<Waiting>, 'size' | 'first'>]>;
  /** The greatest number of entries of one party. */
  longest(): number;
  /** Refuses the latest entry of the longest party, unless the given one would then be the longest. */
  dropLatest(insteadOf: string): boolean;
}

/** In the order of turns: whoever got one goes to the end. */
type Turns<Value> = Map<string, Value>;

export function createFairQueue(): FairQueue {
  const parties: Turns<Turns<Crowd<Waiting>>> = new Map();
  const sizes = new Map<string, number>();
  let size = 0;

  function leave(entry: Waiting): void {
    const { party, credentialId, place } = entry;
    const credentials = parties.get(party);
    const own = credentials?.get(credentialId);
    if (credentials === undefined || own === undefined || place === undefined || !own.leave(place)) return;
    entry.place = undefined;
    size--;
    sizes.set(party, (sizes.get(party) ?? 1) - 1);
    if (own.size === 0) credentials.delete(credentialId);
    if (credentials.size > 0) return;
    parties.delete(party);
    sizes.delete(party);
  }

  function longestParty(): string | undefined {
    let longest: string | undefined;
    for (const [party, count] of sizes) {
      if (longest === undefined || count > (sizes.get(longest) ?? 0)) longest = party;
    }
    return longest;
  }

  return {
    get size() {
      return size;
    },

    join(entry) {
      const { party, credentialId } = entry;
      const credentials = parties.get(party) ?? new Map<string, Crowd<Waiting>>();
      parties.set(party, credentials);
      const own = credentials.get(credentialId) ?? new Crowd<Waiting>();
      credentials.set(credentialId, own);
      entry.place = own.join(entry);
      size++;
      sizes.set(party, (sizes.get(party) ?? 0) + 1);
    },

    leave,

    take(mayHaveOne) {
      for (const [party, credentials] of parties) {
        for (const [credentialId, own] of credentials) {
          const entry = own.first;
          if (entry === undefined || !mayHaveOne(credentialId)) continue;
          moveToEnd(credentials, credentialId);
          moveToEnd(parties, party);
          leave(entry);
          return entry;
        }
      }
      return undefined;
    },

    *byCredential() {
      for (const credentials of parties.values()) yield* credentials;
    },

    longest() {
      const party = longestParty();
      return party === undefined ? 0 : (sizes.get(party) ?? 0);
    },

    dropLatest(insteadOf) {
      const party = longestParty();
      if (party === undefined || (sizes.get(party) ?? 0) <= (sizes.get(insteadOf) ?? 0) + 1) return false;
      const latest = [...(parties.get(party)?.values() ?? [])].at(-1)?.last;
      if (latest === undefined) return false;
      leave(latest);
      latest.refuse();
      return true;
    },
  };
}

function moveToEnd<Value>(turns: Turns<Value>, name: string): void {
  const value = turns.get(name);
  if (value === undefined || turns.size === 1) return;
  turns.delete(name);
  turns.set(name, value);
}
