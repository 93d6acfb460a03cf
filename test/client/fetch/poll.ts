// Asks again and again. In a frontend the import reads 'backfill-gateway-client'.
import { ERROR_CODES } from '../../../src/graphql/error-codes.ts';
import type { FetchedAnswer } from '../client.ts';

export interface Polls {
  /** Asks now, as after a mutation. */
  again(): void;
  stop(): void;
}

/**
 * Asks now, and after each answer waits `everyMs`, or longer where that would bring the same answer: while it is fresh,
 * and after `RATE_LIMITED` until the time that the error tells.
 */
export function poll<Data>(
  ask: () => Promise<FetchedAnswer<Data>>,
  everyMs: number,
  show: (answer: FetchedAnswer<Data>) => void,
): Polls {
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** An answer that comes after a later question is not shown. */
  let questions = 0;

  async function next(): Promise<void> {
    clearTimeout(timer);
    const question = ++questions;
    // With no answer at all, as in a restart of the gateway, the page stays as it is.
    const answer = await ask().catch(() => undefined);
    if (question !== questions) return;
    timer = setTimeout(() => void next(), answer === undefined ? everyMs : Math.max(everyMs, waitMs(answer)));
    if (answer !== undefined) show(answer);
  }

  void next();
  return {
    again: () => void next(),
    stop: () => {
      questions++;
      clearTimeout(timer);
    },
  };
}

function waitMs({ freshForMs, errors }: FetchedAnswer<unknown>): number {
  const waits = errors
    .filter(({ extensions }) => ERROR_CODES[extensions.code].retryable)
    .map(({ extensions }) => (extensions.retryAfterSeconds ?? 0) * 1_000);
  return Math.max(freshForMs, ...waits);
}
