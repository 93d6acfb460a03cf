import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { Credential } from '../credentials.ts';
import { UpstreamError } from '../errors.ts';
import type { Bar } from './bar.ts';

/** Keeps a credential from asking before the time that the `Retry-After` of a 429 named. */
export interface RetryAfterGate {
  /** Seconds until the last closed gate opens; 0 where none is closed. */
  readonly longestSeconds: number;
  /**
   * Closes the gate of this credential where the error is a 429 that names a time.
   * @returns whether it does
   */
  closeAfter(error: UpstreamError, credential: Credential): boolean;
  /** The gate, as long as nobody has asked since it opened. */
  of(credential: Pick<Credential, 'id'>): Bar | undefined;
  /** Closes it as another replica has, where it is not closed for longer. */
  adopt(credential: Pick<Credential, 'id'>, gate: Bar): void;
  /** @throws {UpstreamError} the error that closed the gate, with the seconds that remain */
  assertOpen(credential: Credential): void;
  /** Number of credentials whose gate is closed now. */
  readonly closed: number;
}

/** Gates closed at the same time. Beyond that the one used least recently is forgotten. */
const MAX_CLOSED = 10_000;

/** @param onClosed called when the gate of a credential has closed, with the seconds */
export function createRetryAfterGate(
  clock: Clock,
  onClosed: (seconds: number) => void = () => undefined,
): RetryAfterGate {
  const closed = new LRUCache<string, Bar>({
    maxSize: MAX_CLOSED,
    sizeCalculation: () => 1,
  });

  return {
    get closed() {
      const now = clock.monotonic();
      return [...closed.values()].filter(({ until }) => until > now).length;
    },

    closeAfter(by, { id }) {
      const seconds = by.subject === 'quota' ? (by.retryAfterSeconds ?? 0) : 0;
      if (seconds <= 0) return false;
      const now = clock.monotonic();
      // Calls that were under way together are refused together, which closes the gate once.
      if ((closed.get(id)?.until ?? -Infinity) <= now) onClosed(seconds);
      closed.set(id, { until: now + seconds * 1000, error: by, lastsMs: undefined });
      return true;
    },

    of: ({ id }) => closed.peek(id),

    adopt({ id }, gate) {
      if ((closed.get(id)?.until ?? -Infinity) < gate.until) closed.set(id, gate);
    },

    assertOpen({ id }) {
      const gate = closed.get(id);
      if (gate === undefined) return;
      const leftMs = gate.until - clock.monotonic();
      if (leftMs <= 0) {
        closed.delete(id);
        return;
      }
      const { kind, details } = gate.error;
      throw new UpstreamError(kind, 'the retry-after gate of this credential is closed', {
        retryAfterSeconds: Math.ceil(leftMs / 1000),
        ...(details === undefined ? {} : { details }),
      });
    },

    get longestSeconds() {
      let last = clock.monotonic();
      for (const { until } of closed.values()) last = Math.max(last, until);
      return Math.ceil((last - clock.monotonic()) / 1000);
    },
  };
}
