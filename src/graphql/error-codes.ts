/**
 * The table of error codes: every `errors[].extensions.code` that a client can get, its meaning, and whether sending
 * the same operation again may help. The gateway answers by it, the README is tested against it, and frontends import
 * it from `backfill-gateway-client`. The file imports nothing, so that frontends get nothing of the server.
 */
export const ERROR_CODES = {
  BAD_USER_INPUT: {
    retryable: false,
    meaning: 'An id, team, argument or variable is malformed, or no team is named.',
  },
  UNAUTHENTICATED: {
    retryable: false,
    meaning: 'No usable credential came with the request, or the REST API does not accept it.',
  },
  FORBIDDEN: { retryable: false, meaning: 'The credential may not read, or not change, this resource.' },
  NOT_FOUND: {
    retryable: false,
    meaning: 'There is no such backfill or transfer, or it belongs to another team.',
  },
  CONFLICT: { retryable: false, meaning: 'The request conflicts with the current state of the resource.' },
  RATE_LIMITED: {
    retryable: true,
    meaning: 'The rate limit of the REST API is reached; `retryAfterSeconds` is sent if known.',
  },
  QUOTA_EXCEEDED: {
    retryable: false,
    meaning: "The account's row quota is used up; waiting does not help.",
  },
  UPSTREAM_ERROR: { retryable: true, meaning: 'The REST API failed to answer.' },
  UPSTREAM_UNAVAILABLE: { retryable: true, meaning: 'The REST API cannot be reached at the moment.' },
  UPSTREAM_TIMEOUT: { retryable: true, meaning: 'The REST API did not answer in time.' },
  UPSTREAM_INVALID_RESPONSE: {
    retryable: false,
    meaning: 'The REST API gave an answer that makes no sense to the gateway.',
  },
  OUTCOME_UNKNOWN: {
    retryable: false,
    meaning: 'A mutation may have been done: read what became of it before you send it again.',
  },
  REQUEST_LIMIT_EXCEEDED: {
    retryable: false,
    meaning: 'The operation needs more upstream calls, or a larger answer, than allowed.',
  },
  INTERNAL_SERVER_ERROR: {
    retryable: false,
    meaning: 'A bug of the gateway; its log has it by `requestId`.',
  },
  GRAPHQL_PARSE_FAILED: { retryable: false, meaning: 'The document is not GraphQL.' },
  GRAPHQL_VALIDATION_FAILED: { retryable: false, meaning: 'The document does not fit the schema.' },
  OPERATION_RESOLUTION_FAILURE: {
    retryable: false,
    meaning: 'The document holds no operation of that name, or several and no name was sent.',
  },
  PERSISTED_QUERY_NOT_FOUND: {
    retryable: false,
    meaning: 'The gateway does not know this hash: send the text too. Apollo clients do so themselves.',
  },
  PERSISTED_QUERY_MISMATCH: { retryable: false, meaning: 'The hash is not that of the text sent with it.' },
  PERSISTED_QUERY_NOT_IN_LIST: { retryable: false, meaning: 'No trusted document has this id.' },
  PERSISTED_QUERY_ID_REQUIRED: {
    retryable: false,
    meaning: 'The gateway runs trusted documents only, by their ids.',
  },
  BAD_REQUEST: { retryable: false, meaning: 'The HTTP request is no GraphQL request, or it is too large.' },
} as const satisfies Readonly<Record<string, ErrorCodeRow>>;

interface ErrorCodeRow {
  /** Whether the same operation may succeed when sent again, after `retryAfterSeconds` if given. */
  readonly retryable: boolean;
  /** One sentence of at most 90 characters. */
  readonly meaning: string;
}

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * `errors[].extensions`. The gateway always sends the first three fields; some routers keep nothing but `code`.
 */
export interface GatewayErrorExtensions {
  readonly code: ErrorCode;
  readonly retryable?: boolean;
  readonly requestId?: string;
  readonly retryAfterSeconds?: number;
  /** The REST API's answer, if there was one. */
  readonly upstream?: {
    readonly status: number;
    readonly code?: string;
    readonly description?: string;
    readonly requestId?: string;
  };
}

/** One of a response's `errors`. */
export interface GatewayError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions: GatewayErrorExtensions;
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);
}

/** Whether an error has a code of this table. Routers and proxies send others, and so do later gateways. */
export function isGatewayError(error: unknown): error is GatewayError {
  return (
    hasKey(error, 'extensions') && hasKey(error.extensions, 'code') && isErrorCode(error.extensions.code)
  );
}

function hasKey<Key extends string>(value: unknown, key: Key): value is Readonly<Record<Key, unknown>> {
  return typeof value === 'object' && value !== null && key in value;
}
