// What a frontend does about errors, by their code alone. In a frontend the import reads 'backfill-gateway-client'.
import { ERROR_CODES, type ErrorCode, type GatewayError } from '../../src/graphql/error-codes.ts';
import type { Answer } from './client.ts';

export type Reaction =
  'sign in' | 'show as missing' | 'show as busy' | 'show what to correct' | 'show as unknown' | 'report';

/** A code that is added to the gateway's table does not compile here until it has its case. */
export function reactionTo(code: ErrorCode): Reaction {
  switch (code) {
    case 'UNAUTHENTICATED':
      return 'sign in';
    case 'FORBIDDEN':
    case 'NOT_FOUND':
      return 'show as missing';
    case 'RATE_LIMITED':
    case 'QUOTA_EXCEEDED':
    case 'UPSTREAM_ERROR':
    case 'UPSTREAM_UNAVAILABLE':
    case 'UPSTREAM_TIMEOUT':
      return 'show as busy';
    case 'BAD_USER_INPUT':
    case 'CONFLICT':
    case 'REQUEST_LIMIT_EXCEEDED':
      return 'show what to correct';
    case 'OUTCOME_UNKNOWN':
      return 'show as unknown';
    case 'UPSTREAM_INVALID_RESPONSE':
    case 'INTERNAL_SERVER_ERROR':
    case 'GRAPHQL_PARSE_FAILED':
    case 'GRAPHQL_VALIDATION_FAILED':
    case 'OPERATION_RESOLUTION_FAILURE':
    case 'PERSISTED_QUERY_NOT_FOUND':
    case 'PERSISTED_QUERY_MISMATCH':
    case 'PERSISTED_QUERY_NOT_IN_LIST':
    case 'PERSISTED_QUERY_ID_REQUIRED':
    case 'BAD_REQUEST':
      return 'report';
    default:
      return code satisfies never;
  }
}

export interface Patience {
  readonly attempts: number;
  /** The longest wait. Beyond it the answer is shown with its errors. */
  readonly maxWaitSeconds: number;
  readonly wait: (seconds: number) => Promise<void>;
}

/** Asks again while an error is retryable, each time after `retryAfterSeconds`. */
export async function askPatiently<Data>(
  ask: () => Promise<Answer<Data>>,
  { attempts, maxWaitSeconds, wait }: Patience,
): Promise<Answer<Data>> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await ask();
    const seconds = secondsToWait(answer.errors, attempt);
    if (seconds === undefined || seconds > maxWaitSeconds || attempt >= attempts) return answer;
    await wait(seconds);
  }
}

/** Undefined if no error is retryable. */
function secondsToWait(errors: readonly GatewayError[], attempt: number): number | undefined {
  const waits = errors
    .filter(({ extensions }) => ERROR_CODES[extensions.code].retryable)
    .map(({ extensions }) => extensions.retryAfterSeconds ?? 2 ** attempt);
  return waits.length === 0 ? undefined : Math.max(...waits);
}
