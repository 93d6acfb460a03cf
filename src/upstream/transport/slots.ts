import type { Clock } from '../../clock.ts';
import { Crowd } from '../../crowd.ts';
import { UpstreamError } from '../errors.ts';
import { createFairQueue, type Waiting } from './fair-queue.ts';
import type { RefusalScope } from '../../metric-labels.ts';
import type { Silence } from './silence.ts';

/** Who wants a slot. */
export interface Claim {
  readonly credentialId: string;
  /** Whether the REST API has accepted the credential before. */
  readonly isAccepted: boolean;
  /** Whether it is a list, which answers what would be many calls else, or a write, which a person waits for. */
  readonly goesFirst: boolean;
  /** How long it may wait, in milliseconds. */
  readonly patienceMs: number;
  /** Whether it had a slot before, and gave it to others. It does so once. */
  readonly wasMoved: boolean;
}

export interface Slot {
  /** Called when others want the slot, once at most. Its call should end. */
  onWanted: ((why: Wanted) => void) | undefined;
  release(): void;
}

/** `late`: the call takes unusually long. `beyondShare`: it may wait for another slot, see {@link Claim.wasMoved}. */
export type Wanted = 'late' | 'beyondShare';

/**
 * The bulkhead: bounds how many calls are in flight, and divides the slots among those who want them.
 *
 * - A credential alone may use all slots, and no more than half of them once another one has come, until nobody else has
 *   asked for {@link ALONE_AFTER_MS}. So whoever asks from time to time finds a slot at once.
 * - Where it still holds more than half, and somebody with less than a quarter has waited for {@link PATIENCE_MS}, its
 *   latest calls have to wait once more. So whoever asks little is served soon beside one whose calls take seconds.
 * - Where it holds more than a quarter, and others find no slot free, its calls that take unusually long have to go: they
 *   are most likely hanging.
 * - Credentials that wait get slots by round robin, however many calls each has waiting. Those that the REST API has not
 *   accepted yet count as one, since anybody can invent tokens.
 * - Lists and writes go first. After three of them one other call is served.
 * - While all slots are held by calls that hang, one a second gives its slot to another, and all of them do so once the
 *   upstream answers again; see {@link Silence}.
 * - Where no more may wait, the credential with the most waiting calls loses its latest.
 */
export interface Slots {
  readonly running: number;
  readonly waiting: number;
  readonly hasFree: boolean;
  /** A slot at once; undefined where none is free, or others wait. */
  tryAcquire(credentialId: string, wasMoved?: boolean): Slot | undefined;
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
  readonly silence: Silence;
  /** Called for each call that got no slot, or lost it to others. */
  readonly onRefused: (scope: RefusalScope) => void;
}

/** What one credential may hold that is not alone, as a share of the slots. */
const SHARE_AMONG_OTHERS = 1 / 2;
/** Whoever holds no more than this share loses no call, and whoever holds less is served before those with more than half. */
const SHARE_TO_KEEP = 1 / 4;
const PATIENCE_MS = 20;
const ALONE_AFTER_MS = 10_000;
const FIRST_IN_A_ROW = 3;
const NEWCOMERS = 'newcomers';

interface Held extends Slot {
  readonly since: number;
  readonly wasMoved: boolean;
}

/** That a credential asked, at a moment of the monotonic clock. */
interface Seen {
  readonly credentialId: string;
  readonly at: number;
}

export function createSlots(options: SlotsOptions): Slots {
  const { slots, maxWaiting, clock, unusualMs, silence, onRefused } = options;
  const first = createFairQueue();
  const others = createFairQueue();
  /** Slots by credential, oldest first. */
  const held = new Map<string, Crowd<Held>>();
  let running = 0;
  let firstInARow = 0;
  let isWatching = false;
  /** Who asked last, and who asked last before it. */
  let latest: Seen = { credentialId: '', at: -Infinity };
  let another: Seen = latest;

  function see(credentialId: string): void {
    if (latest.credentialId !== credentialId) another = latest;
    latest = { credentialId, at: clock.monotonic() };
  }

  function isAlone(credentialId: string): boolean {
    const { at } = latest.credentialId === credentialId ? another : latest;
    return clock.monotonic() - at >= ALONE_AFTER_MS;
  }

  function isWithinShare(credentialId: string): boolean {
    return holds(credentialId) < Math.max(1, slots * SHARE_AMONG_OTHERS);
  }

  function waiting(): number {
    return first.size + others.size;
  }

  function holds(credentialId: string): number {
    return held.get(credentialId)?.size ?? 0;
  }

  function hold(credentialId: string, wasMoved = false): Slot {
    running++;
    const own = held.get(credentialId) ?? new Crowd<Held>();
    held.set(credentialId, own);
    const slot: Held = {
      since: clock.monotonic(),
      wasMoved,
      onWanted: undefined,
      release() {
        if (!own.leave(place)) return;
        if (own.size === 0) held.delete(credentialId);
        running--;
        serve();
      },
    };
    const place = own.join(slot);
    return slot;
  }

  function serve(): void {
    while (running < slots && waiting() > 0) {
      const [queue, otherQueue] = firstInARow < FIRST_IN_A_ROW ? [first, others] : [others, first];
      const next =
        queue.take(isWithinShare) ??
        otherQueue.take(isWithinShare) ??
        queue.take(isAlone) ??
        otherQueue.take(isAlone);
      if (next === undefined) return;
      firstInARow = next.goesFirst ? firstInARow + 1 : 0;
      next.start(hold(next.credentialId, next.wasMoved));
    }
  }

  function largest(): Crowd<Held> {
    let most = new Crowd<Held>();
    for (const own of held.values()) if (own.size > most.size) most = own;
    return most;
  }

  /** Ends the oldest call of the credential that holds most, if that is much and the call takes unusually long. */
  function reclaim(): void {
    const most = largest();
    if (most.size <= slots * SHARE_TO_KEEP) return;
    const oldestAllowed = clock.monotonic() - unusualMs();
    for (const slot of most) {
      if (slot.since > oldestAllowed) return;
      if (take(slot, 'late')) {
        onRefused('share');
        return;
      }
    }
  }

  function take(slot: Held, why: Wanted): boolean {
    const { onWanted } = slot;
    slot.onWanted = undefined;
    onWanted?.(why);
    return onWanted !== undefined;
  }

  /** Looks after those who wait, as long as somebody does. */
  function watch(): void {
    if (isWatching) return;
    isWatching = true;
    clock.after(PATIENCE_MS, () => {
      isWatching = false;
      // One of them may be alone by now.
      serve();
      moveLatest();
      moveHanging();
      if (waiting() > 0) watch();
    });
  }

  function moveLatest(): void {
    const most = largest();
    const beyondShare = most.size - slots * SHARE_AMONG_OTHERS;
    if (beyondShare <= 0) return;
    let toMove = Math.min(beyondShare, patientCalls());
    for (const slot of [...most].reverse()) {
      if (toMove < 1) return;
      if (!slot.wasMoved && take(slot, 'beyondShare')) toMove--;
    }
  }

  /** Calls from a silence that take unusually long: one a second while it lasts, and all once it has ended. */
  function moveHanging(): void {
    if (running < slots) return;
    const oldestAllowed = clock.monotonic() - unusualMs();
    let toMove = waiting();
    for (const own of held.values()) {
      for (const slot of own) {
        if (toMove < 1 || slot.since > oldestAllowed) break;
        if (slot.wasMoved || slot.onWanted === undefined) continue;
        if (silence.isOn() ? !silence.mayTry() : !silence.isBefore(slot.since)) break;
        take(slot, 'beyondShare');
        toMove--;
      }
    }
  }

  /** Calls that have waited for long enough, of credentials that hold less than their share. */
  function patientCalls(): number {
    const share = Math.ceil(slots * SHARE_TO_KEEP);
    const before = clock.monotonic() - PATIENCE_MS;
    let count = 0;
    for (const queue of [first, others]) {
      for (const [credentialId, entries] of queue.byCredential()) {
        const isPatient = entries.first !== undefined && entries.first.since <= before;
        if (isPatient) count += Math.max(0, Math.min(entries.size, share - holds(credentialId)));
      }
    }
    return count;
  }

  function makeRoom(claim: Claim): boolean {
    const queue = others.longest() >= first.longest() ? others : first;
    return queue.dropLatest(partyOf(claim));
  }

  return {
    get running() {
      return running;
    },
    get waiting() {
      return waiting();
    },
    get hasFree() {
      return running < slots;
    },

    tryAcquire(credentialId, wasMoved) {
      see(credentialId);
      if (running >= slots || waiting() > 0) return undefined;
      if (!isWithinShare(credentialId) && !isAlone(credentialId)) return undefined;
      return hold(credentialId, wasMoved);
    },

    acquire(claim) {
      const { credentialId, goesFirst, patienceMs, wasMoved } = claim;
      return new Promise((resolve, reject) => {
        if (waiting() >= maxWaiting && !makeRoom(claim)) {
          onRefused('share');
          reject(overloaded('too many calls wait for a slot'));
          return;
        }
        const queue = goesFirst ? first : others;
        const deadline = setTimeout(() => {
          queue.leave(entry);
          onRefused(isWithinShare(credentialId) || isAlone(credentialId) ? 'global' : 'share');
          reject(overloaded(`no slot within ${patienceMs} ms`));
        }, patienceMs);
        const entry: Waiting = {
          credentialId,
          party: partyOf(claim),
          goesFirst,
          wasMoved,
          since: clock.monotonic(),
          place: undefined,
          start(slot) {
            clearTimeout(deadline);
            resolve(slot);
          },
          refuse() {
            clearTimeout(deadline);
            onRefused('share');
            reject(overloaded('too many calls wait for a slot'));
          },
        };
        queue.join(entry);
        serve();
        if (waiting() > 0) watch();
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
