import type { RefusalScope } from './metric-labels.ts';

/** A resource that all callers draw from. */
export interface ShareSize {
  /** How much there is, in whatever unit callers take. */
  readonly total: number;
  /** How many times as much as is left free one caller may hold: 1 gives him half when he is alone, 3 three quarters. */
  readonly timesFree: number;
}

/** What one caller holds for one purpose. */
export interface Holding {
  /** @returns whether there was room; where there was none, it holds what it held */
  set(amount: number): boolean;
  /** Gives everything back; may be called again. */
  release(): void;
}

/** What is held of a resource at a moment. */
export interface SharesState {
  readonly total: number;
  readonly held: number;
  /** Those who hold something. */
  readonly callers: number;
  /** Those of them whom the REST API has not accepted, as far as was known when they asked last. */
  readonly newcomers: number;
}

/**
 * A resource of which each caller keeps a share. Callers are named by any string, and those whom the REST API has not
 * accepted yet share one share, since anybody can invent them.
 */
export interface Shares {
  /** Whether the caller could take so much now. */
  hasRoomFor(caller: string, amount: number): boolean;
  /** @returns a function that gives it back, and may be called again; undefined where it is beyond the caller's share */
  take(caller: string, amount?: number): (() => void) | undefined;
  /** Begins with nothing held. */
  hold(caller: string): Holding;
  heldBy(caller: string): number;
  /** What all hold together. */
  readonly held: number;
  state(): SharesState;
}

interface Account {
  held: number;
  isNewcomer: boolean;
}

/** Newcomers looked at again each time that one asks. With two, a round ends though each who asks is new. */
const LOOKED_AT_AGAIN = 2;

/**
 * Dynamic thresholds, by which switches share their memory among ports (Choudhury and Hahne, 1998): a caller may hold
 * `timesFree` times as much as he leaves free. So a caller alone gets a large part, several get equal parts, and something
 * is always left for one who comes next. A newcomer may hold as many times as much as he leaves free of what all newcomers
 * may hold.
 * @param onRefused called each time that a caller finds no room
 */
export function createShares(
  { total, timesFree }: ShareSize,
  isAccepted: (caller: string) => boolean,
  onRefused: (scope: RefusalScope) => void = () => undefined,
): Shares {
  const accounts = new Map<string, Account>();
  const newcomers = new Map<string, Account>();
  let round = newcomers.entries();
  let held = 0;
  let heldByNewcomers = 0;

  function classify(caller: string, account: Account, isNewcomer: boolean): void {
    if (account.isNewcomer === isNewcomer) return;
    account.isNewcomer = isNewcomer;
    heldByNewcomers += isNewcomer ? account.held : -account.held;
    if (isNewcomer) newcomers.set(caller, account);
    else newcomers.delete(caller);
  }

  /** Whoever holds something and was accepted meanwhile burdens the other newcomers no longer. */
  function lookAgain(): void {
    for (let n = 0; n < LOOKED_AT_AGAIN; n++) {
      const next = round.next();
      if (next.done === true) {
        round = newcomers.entries();
        return;
      }
      const [caller, account] = next.value;
      if (isAccepted(caller)) classify(caller, account, false);
    }
  }

  function hasRoomFor(caller: string, amount: number): boolean {
    const isThere = isWithinShare(caller, amount);
    if (!isThere) onRefused(amount <= mostOf(amount) ? 'share' : 'global');
    return isThere;
  }

  /** What one caller may hold at most, when so much more is held. */
  function mostOf(amount: number): number {
    return timesFree * (total - held - amount);
  }

  function isWithinShare(caller: string, amount: number): boolean {
    const account = accounts.get(caller);
    const isNewcomer = !isAccepted(caller);
    if (account !== undefined) classify(caller, account, isNewcomer);
    const wants = (account?.held ?? 0) + amount;
    const most = mostOf(amount);
    if (!isNewcomer) return wants <= most;
    if (newcomers.size > 0) lookAgain();
    const leftToNewcomers = (most - heldByNewcomers - amount) / (1 + timesFree);
    return wants <= timesFree * leftToNewcomers;
  }

  function add(caller: string, amount: number): void {
    let account = accounts.get(caller);
    if (account === undefined) {
      account = { held: 0, isNewcomer: false };
      accounts.set(caller, account);
      classify(caller, account, !isAccepted(caller));
    }
    account.held += amount;
    held += amount;
    if (account.isNewcomer) heldByNewcomers += amount;
    if (account.held > 0) return;
    accounts.delete(caller);
    newcomers.delete(caller);
  }

  function hold(caller: string): Holding {
    let holds = 0;
    return {
      set(amount) {
        const more = amount - holds;
        if (more > 0 && !hasRoomFor(caller, more)) return false;
        if (more !== 0) add(caller, more);
        holds = amount;
        return true;
      },
      release() {
        if (holds > 0) add(caller, -holds);
        holds = 0;
      },
    };
  }

  return {
    hasRoomFor,
    hold,
    take(caller, amount = 1) {
      const holding = hold(caller);
      return holding.set(amount) ? holding.release : undefined;
    },
    heldBy: (caller) => accounts.get(caller)?.held ?? 0,
    get held() {
      return held;
    },
    state: () => ({ total, held, callers: accounts.size, newcomers: newcomers.size }),
  };
}
