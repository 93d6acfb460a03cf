import { GraphQLError, type GraphQLErrorExtensions } from 'graphql';
import { UpstreamError, type UpstreamErrorKind } from '../upstream/errors.ts';
import { ERROR_CODES, type ErrorCode, type GatewayErrorExtensions } from './error-codes.ts';

/** The code and message for each kind of upstream failure; error-codes.ts has the codes' meanings. */
const UPSTREAM_ERRORS = {
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
  timeout: {
    code: 'UPSTREAM_TIMEOUT',
    message: 'The Supermetrics API did not answer in time.',
  },
  invalidResponse: {
    code: 'UPSTREAM_INVALID_RESPONSE',
    message: 'The Supermetrics API gave an answer that the gateway does not understand.',
  },
  tooManyCalls: {
    code: 'REQUEST_LIMIT_EXCEEDED',
    message: 'This operation needs more upstream calls than one operation may make; ask for less at once.',
  },
} as const satisfies Record<UpstreamErrorKind, { readonly code: ErrorCode; readonly message: string }>;

export const INTERNAL_SERVER_ERROR = 'INTERNAL_SERVER_ERROR' satisfies ErrorCode;

/** An argument or header that is malformed, reported before any upstream call. */
export function badUserInput(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: byTable('BAD_USER_INPUT') });
}

/** A request that is none for this gateway, refused before GraphQL sees it. */
export function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: byTable('BAD_REQUEST') });
}

export function unauthenticated(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: byTable('UNAUTHENTICATED') });
}

/** The gateway itself has reached a limit, and takes requests again in a second or so. */
export function overloaded(message = 'The gateway is overloaded at the moment.'): GraphQLError {
  return new GraphQLError(message, {
    extensions: { ...byTable('UPSTREAM_UNAVAILABLE'), retryAfterSeconds: 1 },
  });
}

function byTable(code: ErrorCode): Pick<GatewayErrorExtensions, 'code' | 'retryable'> {
  return { code, retryable: ERROR_CODES[code].retryable };
}

/**
 * The one seam between errors and clients: whatever was thrown becomes an error with a code of {@link ERROR_CODES}. An
 * unknown error becomes `INTERNAL_SERVER_ERROR` without any of its text. The thrown error stays the `originalError`,
 * which is never serialised.
 */
export function toPublicError(error: unknown): GraphQLError {
  const root = rootOf(error);
  if (root instanceof UpstreamError) {
    const { code, message } = UPSTREAM_ERRORS[root.kind];
    const { details: upstream, retryAfterSeconds } = root;
    return located(error, root, message, {
      ...byTable(code),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      ...(upstream === undefined ? {} : { upstream }),
    });
  }
  if (error instanceof GraphQLError && root instanceof GraphQLError && isAboutTheRequest(error, root)) {
    const { originalError: unreadable, ...extensions } = error.extensions;
    // For a body that is not JSON yoga puts the runtime's own error here, which must not leave. Its presence also fixes
    // the status at 400; without it the status would depend on the media type that the client accepts.
    const http = unreadable === undefined ? {} : { http: { status: 400 } };
    return located(error, root, error.message, {
      ...byTable('BAD_USER_INPUT'),
      ...extensions,
      ...http,
    });
  }
  return located(error, root, 'Internal server error.', byTable(INTERNAL_SERVER_ERROR));
}

/** The same error with other extensions. */
export function withExtensions(error: GraphQLError, extensions: GraphQLErrorExtensions): GraphQLError {
  // Yoga answers 500 to a result of nothing but an error with an `originalError`, as when a subscription fails at its
  // start. Errors of fields answer 200, so they lose theirs here.
  const inside = error.path === undefined ? error.originalError : undefined;
  return located(error, inside, error.message, extensions);
}

/** Errors of the request itself carry a code, point into the document, or come before execution reached any field. */
function isAboutTheRequest(error: GraphQLError, root: GraphQLError): boolean {
  return 'code' in root.extensions || root.nodes !== undefined || error.path === undefined;
}

/** The error that was thrown first; execution wraps it once for each place that it passes. */
function rootOf(error: unknown): unknown {
  let root = error;
  while (root instanceof GraphQLError && root.originalError !== undefined) root = root.originalError;
  return root;
}

function located(
  error: unknown,
  root: unknown,
  message: string,
  extensions: GraphQLErrorExtensions,
): GraphQLError {
  const place = error instanceof GraphQLError ? error : undefined;
  return new GraphQLError(message, {
    nodes: place?.nodes ?? null,
    source: place?.source ?? null,
    positions: place?.positions ?? null,
    path: place?.path ?? null,
    originalError:
      root instanceof Error || root === undefined ? root : new Error('not an Error', { cause: root }),
    extensions,
  });
}
