import type { Clock } from '../../clock.ts';
import { UpstreamError } from '../errors.ts';

export interface CircuitBreaker {
  isClosed(): boolean;
  /** @throws {UpstreamError} `unavailable` while the circuit is open or its one probe is in flight */
  assertClosed(): void;
  /**
   * Permission for one call. While the circuit is open, one call a second gets it: the probe.
   * @param leftMs what is left of the call's deadline
   * @throws {UpstreamError} as {@link assertClosed}
   */
  acquire(leftMs: number): Permit;
}

export interface Permit {
  /** How long the call may take: a probe has less time than other calls. */
  readonly timeoutMs: number;
  /** Must be called once, whatever became of the call. */
  settle(inTrouble: boolean): void;
}

const FAILURES_TO_OPEN = 10;
const OPEN_MS = 1_000;
/**
 * Timeout of the first probe. Each failed probe doubles the timeout of the next; otherwise a slow upstream would be shut
 * out for good.
 */
const PROBE_TIMEOUT_MS = 1_000;

type State =
  | { readonly kind: 'closed'; readonly failuresInARow: number }
  | { readonly kind: 'open'; readonly until: number; readonly failedProbes: number }
  | { readonly kind: 'probing'; readonly failedProbes: number };

/**
 * Stops asking an upstream that is in trouble, and asks it once a second whether it still is. Nobody waits for that
 * probe: other callers are told at once to come back later.
 */
export function createCircuitBreaker(clock: Clock): CircuitBreaker {
  let state: State = { kind: 'closed', failuresInARow: 0 };

  function assertClosed(): void {
    const leftMs = state.kind === 'open' ? state.until - clock.monotonic() : OPEN_MS;
    if (state.kind === 'closed' || leftMs <= 0) return;
    throw new UpstreamError('unavailable', 'the circuit is open', {
      retryAfterSeconds: Math.ceil(leftMs / 1000),
    });
  }

  function settleProbe(failedProbes: number, inTrouble: boolean): void {
    state = inTrouble
      ? { kind: 'open', until: clock.monotonic() + OPEN_MS, failedProbes: failedProbes + 1 }
      : { kind: 'closed', failuresInARow: 0 };
  }

  /** Calls that began before the circuit opened do not count any more. */
  function settleCall(inTrouble: boolean): void {
    if (state.kind !== 'closed') return;
    const failuresInARow = inTrouble ? state.failuresInARow + 1 : 0;
    state =
      failuresInARow < FAILURES_TO_OPEN
        ? { kind: 'closed', failuresInARow }
        : { kind: 'open', until: clock.monotonic() + OPEN_MS, failedProbes: 0 };
  }

  return {
    isClosed: () => state.kind === 'closed',
    assertClosed,
    acquire(leftMs) {
      assertClosed();
      if (state.kind !== 'open') return { timeoutMs: leftMs, settle: settleCall };
      const { failedProbes } = state;
      state = { kind: 'probing', failedProbes };
      return {
        timeoutMs: Math.min(leftMs, PROBE_TIMEOUT_MS * 2 ** failedProbes),
        settle: (inTrouble) => {
          settleProbe(failedProbes, inTrouble);
        },
      };
    },
  };
}
