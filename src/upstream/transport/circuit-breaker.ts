import type { Clock } from '../../clock.ts';
import { UpstreamError } from '../errors.ts';

export interface CircuitBreaker {
  isClosed(): boolean;
  /** @throws {UpstreamError} `unavailable` while the circuit is open or its one probe is in flight */
  assertClosed(by?: string): void;
  /**
   * Permission for one call. While the circuit is open, one call a second gets it: the probe.
   * @param by who asks, where several may. Whoever made the last probe gets the next only if nobody else wants it
   * @throws {UpstreamError} as {@link assertClosed}
   */
  acquire(by?: string): Permit;
  /** Opens the circuit, where it is closed. */
  open(): void;
}

export interface Permit {
  /** A limit of the call's time in milliseconds: a probe has less than other calls. */
  readonly timeoutMs: number;
  readonly isProbe: boolean;
  /** Must be called once, whatever became of the call. */
  settle(outcome: CallOutcome): void;
}

/** `unknown` for a call that was given up before it could show anything. */
export type CallOutcome = 'good' | 'trouble' | 'unknown';

const OPEN_MS = 1_000;
/** How long the next probe is kept for others than the one who made the last. */
const KEPT_FOR_OTHERS_MS = 250;
/**
 * Timeout of the first probe. Each failed probe doubles the timeout of the next; otherwise a slow upstream would be shut
 * out for good.
 */
export const PROBE_TIMEOUT_MS = 1_000;

/** Of a closed circuit. */
const UNLIMITED: Permit = { timeoutMs: Infinity, isProbe: false, settle: () => undefined };

type State =
  | { readonly kind: 'closed' }
  | {
      readonly kind: 'open';
      readonly until: number;
      readonly failedProbes: number;
      readonly probedBy: string | undefined;
    }
  | { readonly kind: 'probing'; readonly failedProbes: number };

/**
 * Stops asking an upstream that is in trouble, and asks it once a second whether it still is. Nobody waits for that
 * probe: other callers are told at once to come back later.
 */
export function createCircuitBreaker(clock: Clock): CircuitBreaker {
  let state: State = { kind: 'closed' };

  function assertClosed(by?: string): void {
    if (state.kind === 'closed') return;
    const leftMs = state.kind === 'open' ? waitOf(state, by) - clock.monotonic() : OPEN_MS;
    if (leftMs <= 0) return;
    throw new UpstreamError('unavailable', 'the circuit is open', {
      retryAfterSeconds: Math.ceil(leftMs / 1000),
    });
  }

  function settleProbe(by: string | undefined, failedProbes: number, outcome: CallOutcome): void {
    state =
      outcome === 'good'
        ? { kind: 'closed' }
        : {
            kind: 'open',
            until: clock.monotonic() + OPEN_MS,
            failedProbes: failedProbes + 1,
            probedBy: by,
          };
  }

  return {
    isClosed: () => state.kind === 'closed',
    assertClosed,
    acquire(by) {
      assertClosed(by);
      if (state.kind !== 'open') return UNLIMITED;
      const { failedProbes } = state;
      state = { kind: 'probing', failedProbes };
      return {
        timeoutMs: PROBE_TIMEOUT_MS * 2 ** failedProbes,
        isProbe: true,
        settle(outcome) {
          settleProbe(by, failedProbes, outcome);
        },
      };
    },
    open() {
      if (state.kind !== 'closed') return;
      state = { kind: 'open', until: clock.monotonic() + OPEN_MS, failedProbes: 0, probedBy: undefined };
    },
  };
}

function waitOf({ until, probedBy }: State & { readonly kind: 'open' }, by: string | undefined): number {
  return by !== undefined && probedBy === by ? until + KEPT_FOR_OTHERS_MS : until;
}
