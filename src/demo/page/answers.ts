import type { ErrorCode, GatewayError } from '../../graphql/error-codes.ts';

export type { ErrorCode, GatewayError };

export type Status = 'CREATED' | 'SCHEDULED' | 'RUNNING' | 'FAILED' | 'COMPLETED' | 'CANCELLED' | 'UNKNOWN';

/** What the fragment `Row` asks for. */
export interface Backfill {
  readonly id: string;
  readonly teamId: string;
  readonly transfer: { readonly id: string; readonly teamId: string };
  readonly status: Status;
  readonly progress: number;
  readonly rangeStartDate: string;
  readonly rangeEndDate: string;
  readonly createdTime: string;
  readonly endTime: string | null;
  readonly transferRunsTotal: number;
  readonly transferRunsCompleted: number;
  readonly transferRunsFailed: number;
  readonly estimatedEndTime: string | null;
  readonly errorReport: readonly { readonly transferRunDate: string; readonly error: string }[];
  readonly fetchedAt: string;
  readonly isStale: boolean;
}

/** `extensions.upstream`, which `X-Explain-Cost: 1` asks for. */
export interface Cost {
  readonly calls: number;
  readonly cacheHits: number;
  readonly staleReads: number;
  readonly quotaRemaining: number | null;
}

export interface Answer<Data> {
  readonly data: Data | null;
  readonly errors: readonly GatewayError[];
}

export interface LiveData {
  readonly incompleteBackfillsUpdated: readonly Backfill[];
}

export interface TransfersData {
  readonly transfers: readonly { readonly id: string; readonly latestBackfill: Backfill | null }[];
}

/** What went wrong, as a page says it. */
export interface Failure {
  /** `UNREACHABLE` is the page's own: the gateway itself did not answer. */
  readonly code: ErrorCode | 'UNREACHABLE';
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

export const UNREACHABLE: Failure = { code: 'UNREACHABLE', message: 'The gateway does not answer.' };

/** The repeats of one failure say no more than their code, so the seconds may stand in another error. */
export function failureOf(error: GatewayError, all: readonly GatewayError[]): Failure {
  const { code, upstream } = error.extensions;
  const told = all.find(
    ({ extensions }) => extensions.code === code && extensions.retryAfterSeconds !== undefined,
  );
  const retryAfterSeconds = told?.extensions.retryAfterSeconds;
  return {
    code,
    message: upstream?.description ?? error.message,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}
