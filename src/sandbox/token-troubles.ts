import { envelope } from './answers.ts';
import type { FaultAnswer } from './faults.ts';
import type { TokenGrant } from './world/tokens.ts';

/** Longer than a query of the gateway waits before it is answered a stale value, and shorter than its deadline. */
export const SLOW_MS = 4_000;

/**
 * Finds the fault that a token brings with it, for people who want to look at trouble.
 * @param slowMs how late a slow answer is
 */
export function createTokenTroubles(
  slowMs: number,
): (token: string, grant: TokenGrant) => FaultAnswer | undefined {
  /** Calls of each flaky token so far. */
  const calls = new Map<string, number>();

  return (token, { trouble }) => {
    switch (trouble) {
      case undefined:
        return undefined;
      case 'slow':
        return { kind: 'delay', ms: slowMs };
      case 'failing':
        return failure(500, 'INTERNAL_ERROR', 'Something went wrong.');
      case 'hanging':
        return { kind: 'hang' };
      case 'flaky':
        calls.set(token, (calls.get(token) ?? 0) + 1);
        return (calls.get(token) ?? 0) % 2 === 0
          ? failure(503, 'SERVICE_UNAVAILABLE', 'Try again later.')
          : undefined;
      default:
        return trouble satisfies never;
    }
  };
}

function failure(status: number, code: string, message: string): FaultAnswer {
  return { kind: 'status', status, body: envelope(code, message) };
}
