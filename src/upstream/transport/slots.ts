import type { Clock } from '../../clock.ts';
import { UpstreamError } from '../errors.ts';
import { createFairQueue, type Waiting } from './fair-queue.ts';

/** Who wants a slot. */
export interface Claim {
  readonly credentialId: string;
  /** Whether the REST API has accepted the credential before. */
  readonly isAccepted: boolean;
  /** Whether the call reads a list, which answers what would be many calls else. */
  readonly isList: boolean;
  /** How long it may wait, in milliseconds. */
  readonly patienceMs: number;
}

export interface Slot {
  /** Called when others want the slot, and its call takes unusually long. The call should end. */
  onWanted: (() => void) | undefined;
  release(): void;
}

/**
 * The bulkhead: bounds how many calls are in flight, and divides the slots among those who want them.
 *
 * - A credential alone may use all slots. While others wait, it gets no more than half of them. Where it holds more than
 *   a quarter, and others find no slot free, its calls that take unusually long have to go: they are most likely hanging.
 * - Credentials that wait get slots by round robin, however many calls each has waiting. Those that the REST API has not
 *   accepted yet count as one, since anybody can invent tokens.
 * - Lists go first. After three of them one other call is served.
 * - Where no more may wait, the credential with the most waiting calls loses its latest.
 */
export interface Slots {
  readonly running: number;
  readonly waiting: number;
  /** A slot at once; undefined where none is free, or others wait. */
  tryAcquire(credentialId: string): Slot | undefined;
  /**
   * Waits for a slot. Rejects with an {@link UpstreamError} `overloaded` when the claim gets none in time, or has to make
   * room.
   */
  acquire(claim: Claim): Promise<Slot>;
}

export interface SlotsOptions {
  /** `UPSTREAM_MAX_CONCURRENCY` */
  readonly slots: number;
  readonly maxWaiting: number;
  readonly clock: Clock;
  /** After how many milliseconds a call takes unusually long. */
  readonly unusualMs: () => number;
}

/** What one credential may hold while others wait, as a share of the slots. */
const SHARE_WHILE_OTHERS_WAIT = 1 / 2;
/** Whoever holds no more than this share loses no call. */
const SHARE_TO_KEEP = 1 / 4;
const LISTS_IN_A_ROW = 3;
const NEWCOMERS = 'newcomers';

interface Held extends Slot {
  readonly since: number;
}

export function createSlots({ slots, maxWaiting, clock, unusualMs }: SlotsOptions): Slots {
  const lists = createFairQueue();
  const others = createFairQueue();
  /** Slots by credential, oldest first. */
  const held = new Map<string, Set<Held>>();
  let running = 0;
  let listsInARow = 0;

  function waiting(): number {
    return lists.size + others.size;
  }

  function holds(credentialId: string): number {
    return held.get(credentialId)?.size ?? 0;
  }

  function hold(credentialId: string): Slot {
    running++;
    const own = held.get(credentialId) ?? new Set();
    held.set(credentialId, own);
    const slot: Held = {
      since: clock.monotonic(),
      onWanted: undefined,
      release() {
        if (!own.delete(slot)) return;
        if (own.size === 0) held.delete(credentialId);
        running--;
        serve();
      },
    };
    own.add(slot);
    return slot;
  }

  function serve(): void {
    while (running < slots && waiting() > 0) {
      const isWithinShare = (credentialId: string): boolean =>
        holds(credentialId) < Math.max(1, slots * SHARE_WHILE_OTHERS_WAIT);
      const [first, second] = listsInARow < LISTS_IN_A_ROW ? [lists, others] : [others, lists];
      const next = first.take(isWithinShare) ?? second.take(isWithinShare) ?? first.take() ?? second.take();
      if (next === undefined) return;
      listsInARow = next.isList ? listsInARow + 1 : 0;
      next.start(hold(next.credentialId));
    }
  }

  /** Ends the oldest call of the credential that holds most, if that is much and the call takes unusually long. */
  function reclaim(): void {
    let most: ReadonlySet<Held> | undefined;
    for (const own of held.values()) if (own.size > (most?.size ?? 0)) most = own;
    if (most === undefined || most.size <= slots * SHARE_TO_KEEP) return;
    const oldestAllowed = clock.monotonic() - unusualMs();
    for (const slot of most) {
      if (slot.since > oldestAllowed) return;
      if (slot.onWanted === undefined) continue;
      const end = slot.onWanted;
      slot.onWanted = undefined;
      end();
      return;
    }
  }

  function makeRoom(claim: Claim): boolean {
    const queue = others.longest() >= lists.longest() ? others : lists;
    return queue.dropLatest(partyOf(claim));
  }

  return {
    get running() {
      return running;
    },
    get waiting() {
      return waiting();
    },

    tryAcquire: (credentialId) => (running < slots && waiting() === 0 ? hold(credentialId) : undefined),

    acquire(claim) {
      const { credentialId, isList, patienceMs } = claim;
      return new Promise((resolve, reject) => {
        if (waiting() >= maxWaiting && !makeRoom(claim)) {
          reject(overloaded('too many calls wait for a slot'));
          return;
        }
        const queue = isList ? lists : others;
        const deadline = setTimeout(() => {
          queue.leave(entry);
          reject(overloaded(`no slot within ${patienceMs} ms`));
        }, patienceMs);
        const entry: Waiting = {
          credentialId,
          party: partyOf(claim),
          isList,
          start(slot) {
            clearTimeout(deadline);
            resolve(slot);
          },
          refuse() {
            clearTimeout(deadline);
            reject(overloaded('too many calls wait for a slot'));
          },
        };
        queue.join(entry);
        serve();
        if (running >= slots && holds(credentialId) < slots * SHARE_TO_KEEP) reclaim();
      });
    },
  };
}

/** Who is served by turns. */
function partyOf({ credentialId, isAccepted }: Claim): string {
  return isAccepted ? credentialId : NEWCOMERS;
}

function overloaded(message: string): UpstreamError {
  return new UpstreamError('overloaded', message, { retryAfterSeconds: 1 });
}
