import type { UpstreamErrorKind, WriteKind } from '../upstream/errors.ts';
import type { ErrorCode } from './error-codes.ts';

/** The code and message for each kind of upstream failure; error-codes.ts has the codes' meanings. */
export const UPSTREAM_ERRORS = {
  badRequest: {
    code: 'BAD_USER_INPUT',
    message: 'The Supermetrics API refused the request as invalid.',
  },
  unauthenticated: {
    code: 'UNAUTHENTICATED',
    message: 'The Supermetrics API does not accept this credential.',
  },
  forbidden: { code: 'FORBIDDEN', message: 'This credential may not read this resource.' },
  notFound: {
    code: 'NOT_FOUND',
    message: 'There is no such backfill, or it does not belong to this team.',
  },
  conflict: {
    code: 'CONFLICT',
    message: 'The request conflicts with the current state of the resource.',
  },
  rateLimited: {
    code: 'RATE_LIMITED',
    message: 'The rate limit of the Supermetrics API is reached for this credential.',
  },
  quotaExceeded: {
    code: 'QUOTA_EXCEEDED',
    message: 'The row quota of this account is used up; waiting does not help.',
  },
  failed: {
    code: 'UPSTREAM_ERROR',
    message: 'The Supermetrics API failed to answer this request.',
  },
  unavailable: {
    code: 'UPSTREAM_UNAVAILABLE',
    message: 'The Supermetrics API cannot be reached at the moment.',
  },
  overloaded: {
    code: 'UPSTREAM_UNAVAILABLE',
    message: 'Too many calls to the Supermetrics API wait at the moment.',
  },
  timeout: {
    code: 'UPSTREAM_TIMEOUT',
    message: 'The Supermetrics API did not answer in time.',
  },
  invalidResponse: {
    code: 'UPSTREAM_INVALID_RESPONSE',
    message: 'The Supermetrics API gave an answer that the gateway does not understand.',
  },
  outcomeUnknown: {
    code: 'OUTCOME_UNKNOWN',
    message: 'The Supermetrics API gave no definite answer: what was asked may have been done.',
  },
  tooManyCalls: {
    code: 'REQUEST_LIMIT_EXCEEDED',
    message: 'This operation needs more upstream calls than one operation may make; ask for less at once.',
  },
} as const satisfies Record<UpstreamErrorKind, { readonly code: ErrorCode; readonly message: string }>;

/** The code of each kind, for those who write down more than clients see. */
export const UPSTREAM_CODES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(UPSTREAM_ERRORS).map(([kind, { code }]) => [kind, code]),
);

/** What is to be said otherwise of a write. */
export const WRITE_MESSAGES: Readonly<Record<WriteKind, Partial<Record<UpstreamErrorKind, string>>>> = {
  create: {
    forbidden: 'This credential may not create backfills of this transfer.',
    notFound: 'There is no such transfer, or it does not belong to this team.',
    outcomeUnknown:
      'The Supermetrics API gave no definite answer: the backfill may have been created. Read latestBackfill of the transfer before you send this again.',
  },
  cancel: {
    forbidden: 'This credential may not cancel this backfill.',
    conflict: 'The backfill has ended already, so it cannot be cancelled.',
    outcomeUnknown:
      'The Supermetrics API gave no definite answer: the backfill may be cancelled soon. Read it before you send this again.',
  },
};
