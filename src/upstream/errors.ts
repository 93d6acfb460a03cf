/** Every way in which a call to the REST API can fail. Each kind has one row in the GraphQL error table. */
export type UpstreamErrorKind =
  | 'badRequest'
  | 'unauthenticated'
  | 'forbidden'
  | 'notFound'
  | 'conflict'
  | 'rateLimited'
  | 'quotaExceeded'
  | 'failed'
  | 'unavailable'
  | 'overloaded'
  | 'timeout'
  | 'invalidResponse'
  | 'outcomeUnknown'
  | 'tooManyCalls';

/**
 * What a failure is about. Everything that follows from a failure is decided by this:
 *
 * - `request`: the call itself was wrong. Nothing else is affected.
 * - `resource`: the resource is refused or not there. A value kept from before may not be shown any more.
 * - `credential`: the REST API does not accept the credential, so every other call with it fails too.
 * - `quota`: the credential has no calls left, so every other call with it fails too. A stale value may stand in.
 * - `upstream`: the REST API is in trouble. A stale value may stand in.
 * - `answer`: the response arrived and makes no sense.
 * - `outcome`: a write may have arrived, and nothing says what became of it.
 * - `operation`: the GraphQL operation asked for too much.
 */
export type ErrorSubject =
  'request' | 'resource' | 'credential' | 'quota' | 'upstream' | 'answer' | 'outcome' | 'operation';

const SUBJECTS = {
  badRequest: 'request',
  unauthenticated: 'credential',
  forbidden: 'resource',
  notFound: 'resource',
  conflict: 'request',
  rateLimited: 'quota',
  quotaExceeded: 'quota',
  failed: 'upstream',
  unavailable: 'upstream',
  overloaded: 'upstream',
  timeout: 'upstream',
  invalidResponse: 'answer',
  outcomeUnknown: 'outcome',
  tooManyCalls: 'operation',
} as const satisfies Record<UpstreamErrorKind, ErrorSubject>;

/** The parts of an error response that clients may see. */
export interface UpstreamDetails {
  /** HTTP status. */
  readonly status: number;
  /** The REST API's own error code, such as `ACCESS_DENIED`. Its documents disagree on the codes, so it is detail only. */
  readonly code?: string;
  readonly description?: string;
  readonly requestId?: string;
}

/** What a write does. */
export type WriteKind = 'create' | 'cancel';

export interface UpstreamErrorOptions {
  readonly details?: UpstreamDetails;
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
  /** The write that failed; undefined for a read. */
  readonly write?: WriteKind;
}

/** The one error that leaves `upstream/`. Its message is for logs and never holds text of the upstream's. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly kind: UpstreamErrorKind;
  readonly details: UpstreamDetails | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly write: WriteKind | undefined;

  constructor(kind: UpstreamErrorKind, message: string, options: UpstreamErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    // It says nothing that the kind and the message do not, and a page of failed reads would pay for writing it out.
    this.stack = '';
    this.kind = kind;
    this.details = options.details;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.write = options.write;
  }

  get subject(): ErrorSubject {
    return SUBJECTS[this.kind];
  }
}
