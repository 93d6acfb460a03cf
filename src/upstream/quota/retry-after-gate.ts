import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { Credential } from '../credentials.ts';
import { UpstreamError } from '../errors.ts';

/** Keeps credentials that the REST API told to come back later from asking earlier. */
export interface RetryAfterGate {
  /** Closes for this credential where the error is a 429 that says for how long. */
  learnFrom(error: UpstreamError, credential: Credential): void;
  /** @throws {UpstreamError} what closed the gate, with the seconds that remain */
  assertOpen(credential: Credential): void;
}

/** Credentials that are told to wait at the same time; of more, the ones not asked for longest are forgotten. */
const MAX_CLOSED = 10_000;
/** The longest wait that the REST API documents; beyond a day it is a mistake. */
const MAX_SECONDS = 86_400;

export function createRetryAfterGate(clock: Clock): RetryAfterGate {
  const closed = new LRUCache<string, { readonly until: number; readonly by: UpstreamError }>({
    max: MAX_CLOSED,
  });

  return {
    learnFrom(by, { partition }) {
      if (by.kind !== 'rateLimited' && by.kind !== 'quotaExceeded') return;
      const seconds = Math.min(MAX_SECONDS, by.retryAfterSeconds ?? 0);
      if (seconds > 0) closed.set(partition, { until: clock.monotonic() + seconds * 1000, by });
    },

    assertOpen({ partition }) {
      const entry = closed.get(partition);
      if (entry === undefined) return;
      const left = entry.until - clock.monotonic();
      if (left <= 0) {
        closed.delete(partition);
        return;
      }
      const { kind, details: answer } = entry.by;
      throw new UpstreamError(kind, 'the gate is closed for this credential', {
        retryAfterSeconds: Math.ceil(left / 1000),
        ...(answer === undefined ? {} : { details: answer }),
      });
    },
  };
}
