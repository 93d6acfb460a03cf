import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import {
  type CallOutcome,
  type CircuitBreaker,
  createCircuitBreaker,
  type Permit,
} from './circuit-breaker.ts';

/** For whom a call is made. */
export interface Scope {
  readonly credentialId: string;
  readonly teamId: string;
}

/** What a call showed. `noConnection` is trouble that has nothing to do with the credential. */
export type Showed = CallOutcome | 'noConnection';

/**
 * Two kinds of circuits, so that one caller's trouble refuses nobody else.
 *
 * The circuit of a credential and team opens after {@link FAILURES_TO_OPEN} failures of theirs in a row. The common one
 * opens when as many calls in a row failed, whoever made them, and several credentials were among them, or none could
 * connect at all. A call that began before the last good answer is in no row: it says nothing of what came after it. So a
 * page of rows that hang, which all fail at one moment, opens no circuit while the rest is answered.
 */
export interface Circuits {
  /** @throws {UpstreamError} `unavailable` while one of the scope's circuits is open */
  assertClosed(scope: Scope): void;
  /** Permission for one call; see {@link CircuitBreaker.acquire}. */
  acquire(scope: Scope): CircuitPermit;
  /** Whether the common circuit is closed, and that of the scope too where one is given. */
  isClosed(scope?: Scope): boolean;
  state(): CircuitsState;
}

/** The circuits at a moment. */
export interface CircuitsState {
  readonly all: 'closed' | 'open';
  /** The number of credentials and teams whose own circuit is open. */
  readonly ownOpen: number;
}

export interface CircuitPermit {
  /** A limit of the call's time in milliseconds. */
  readonly timeoutMs: number;
  readonly isProbe: boolean;
  /** Must be called once, whatever became of the call. */
  settle(showed: Showed): void;
}

export interface CircuitsOptions {
  readonly clock: Clock;
  /** Called when a circuit has opened or closed: of the scope, or the common one where it is undefined. */
  readonly onChange: (scope: Scope | undefined, isClosed: boolean) => void;
}

const FAILURES_TO_OPEN = 10;
/** As many are several. Of two credentials that fail, one may fail for ever, and the other by accident. */
const SEVERAL_CREDENTIALS = 3;
/** Scopes in trouble at once; the one used least recently is forgotten. */
const MAX_SCOPES = 10_000;

interface GoodAnswer extends Scope {
  at: number;
}

interface Troubled {
  readonly breaker: CircuitBreaker;
  failuresInARow: number;
}

export function createCircuits({ clock, onChange }: CircuitsOptions): Circuits {
  const common = createCircuitBreaker(clock);
  // Scopes without a failure have no entry.
  const troubled = new LRUCache<string, Troubled>({ maxSize: MAX_SCOPES, sizeCalculation: () => 1 });
  /** Moments of the last good answers: of each scope, of the one that answered last, and of all. */
  const goodAt = new LRUCache<string, GoodAnswer>({ maxSize: MAX_SCOPES, sizeCalculation: () => 1 });
  let latestGood: GoodAnswer | undefined;
  let latestGoodAt = -Infinity;
  let failures: { count: number; unconnected: number; readonly by: Set<string> } = none();

  function none(): { count: number; unconnected: number; readonly by: Set<string> } {
    return { count: 0, unconnected: 0, by: new Set() };
  }

  function breakerOf(scope: Scope): CircuitBreaker | undefined {
    // Mostly nobody is in trouble, and no name is made.
    return troubled.size === 0 ? undefined : troubled.get(nameOf(scope))?.breaker;
  }

  function recordCommon(showed: Showed, { credentialId }: Scope, beganAt: number): void {
    if (showed === 'good') {
      latestGoodAt = clock.monotonic();
      if (failures.count > 0) failures = none();
      return;
    }
    if (showed === 'unknown' || beganAt < latestGoodAt || !common.isClosed()) return;
    failures.count++;
    if (showed === 'noConnection') failures.unconnected++;
    if (failures.by.size < SEVERAL_CREDENTIALS) failures.by.add(credentialId);
    const concernsAll = failures.by.size >= SEVERAL_CREDENTIALS || failures.unconnected >= FAILURES_TO_OPEN;
    if (failures.count < FAILURES_TO_OPEN || !concernsAll) return;
    failures = none();
    common.open();
    onChange(undefined, false);
  }

  /** Mostly one scope has many good answers in a row, and no name is made. */
  function noteGood({ credentialId, teamId }: Scope, at: number): void {
    if (latestGood?.credentialId === credentialId && latestGood.teamId === teamId) {
      latestGood.at = at;
      return;
    }
    latestGood = { credentialId, teamId, at };
    goodAt.set(nameOf(latestGood), latestGood);
  }

  function recordOwn(showed: Showed, scope: Scope, beganAt: number): void {
    if (showed === 'good') {
      noteGood(scope, clock.monotonic());
      // Calls that began before the circuit opened do not close it.
      if (breakerOf(scope)?.isClosed() === true) troubled.delete(nameOf(scope));
      return;
    }
    const name = nameOf(scope);
    const known = troubled.get(name);
    if (showed === 'unknown' || beganAt < (goodAt.get(name)?.at ?? -Infinity)) return;
    const own = known ?? { breaker: createCircuitBreaker(clock), failuresInARow: 0 };
    troubled.set(name, own);
    if (!own.breaker.isClosed()) return;
    own.failuresInARow++;
    if (own.failuresInARow < FAILURES_TO_OPEN) return;
    own.breaker.open();
    onChange(scope, false);
  }

  /** Takes the permit of the scope's circuit only if the common one has given its own. */
  function permits(scope: Scope): { readonly all: Permit; readonly own: Permit | undefined } {
    const breaker = breakerOf(scope);
    breaker?.assertClosed();
    const all = common.acquire(scope.credentialId);
    return { all, own: breaker?.acquire() };
  }

  return {
    isClosed: (scope) => common.isClosed() && (scope === undefined || breakerOf(scope)?.isClosed() !== false),

    state() {
      let ownOpen = 0;
      for (const { breaker } of troubled.values()) if (!breaker.isClosed()) ownOpen++;
      return { all: common.isClosed() ? 'closed' : 'open', ownOpen };
    },

    assertClosed(scope) {
      common.assertClosed(scope.credentialId);
      breakerOf(scope)?.assertClosed();
    },

    acquire(scope) {
      const { all, own } = permits(scope);
      const beganAt = clock.monotonic();
      return {
        timeoutMs: Math.min(all.timeoutMs, own?.timeoutMs ?? Infinity),
        isProbe: all.isProbe || own?.isProbe === true,
        settle(showed) {
          const outcome = showed === 'noConnection' ? 'trouble' : showed;
          recordCommon(showed, scope, beganAt);
          all.settle(outcome);
          if (all.isProbe && common.isClosed()) onChange(undefined, true);
          own?.settle(outcome);
          if (own?.isProbe === true && outcome === 'good') {
            troubled.delete(nameOf(scope));
            onChange(scope, true);
          }
          recordOwn(showed, scope, beganAt);
        },
      };
    },
  };
}

function nameOf({ credentialId, teamId }: Scope): string {
  return `${credentialId}/${teamId}`;
}
