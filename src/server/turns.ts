import type { Clock } from '../clock.ts';

export interface Turns {
  /** @returns undefined to begin now, else a promise of one's turn */
  wait(caller: string): Promise<void> | undefined;
  /** Tells that a connection was accepted. */
  connected(): void;
}

/** Milliseconds of a turn of the event loop in which requests may begin. */
const BUDGET_MS = 5;
/** The same in a turn in which a connection was accepted, so that the next one is accepted soon. */
const CONNECTING_BUDGET_MS = 1;
/** Requests that begin in one turn, of those that had to wait. Each takes some tenths of a millisecond at least. */
const MOST_EACH_TURN = 20;

/**
 * Lets requests begin for a few milliseconds of each turn of the event loop. Those that come beyond that wait for later
 * turns, and callers then take turns, however many requests of each wait.
 *
 * Otherwise a turn would begin all requests that have come, which takes as long as they are many. But Node accepts no
 * more than one connection in a turn, so the clients of a busy gateway would wait for theirs for tens of seconds. Those
 * who give up meanwhile come again with yet another connection, and so a rush would never end.
 */
export function createTurns({ monotonic }: Pick<Clock, 'monotonic'>): Turns {
  /** Those who wait, by caller; who had a turn goes to the end. */
  const waiting = new Map<string, (() => void)[]>();
  let beganAt: number | undefined;
  let budgetMs = BUDGET_MS;

  function enqueue(caller: string): Promise<void> {
    const own = waiting.get(caller) ?? [];
    waiting.set(caller, own);
    return new Promise((resolve) => {
      own.push(resolve);
    });
  }

  function beginNext(): void {
    const [next] = waiting;
    if (next === undefined) return;
    const [caller, own] = next;
    const begin = own.shift();
    if (own.length === 0 || waiting.size > 1) waiting.delete(caller);
    if (own.length > 0) waiting.set(caller, own);
    begin?.();
  }

  /** Serves those who wait in the next turn. Each has a callback of its own, after which its promises run. */
  function serveNextTurn(): void {
    beganAt = undefined;
    budgetMs = BUDGET_MS;
    if (waiting.size === 0) return;
    for (let n = 1; n <= MOST_EACH_TURN; n++) {
      setImmediate(() => {
        beganAt ??= monotonic();
        if (monotonic() - beganAt < budgetMs) beginNext();
        if (n === MOST_EACH_TURN) serveNextTurn();
      });
    }
  }

  return {
    wait(caller) {
      if (waiting.size > 0) return enqueue(caller);
      const now = monotonic();
      if (beganAt === undefined) {
        beganAt = now;
        setImmediate(serveNextTurn);
      }
      return now - beganAt < budgetMs ? undefined : enqueue(caller);
    },
    connected() {
      budgetMs = CONNECTING_BUDGET_MS;
    },
  };
}
