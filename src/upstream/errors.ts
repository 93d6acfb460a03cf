/** Every way in which asking the REST API can go wrong. Each has one row in the GraphQL error table. */
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
  | 'timeout'
  | 'invalidResponse'
  | 'tooManyCalls';

/** What an answer said of itself, as far as it may be shown to clients. */
export interface UpstreamDetails {
  readonly status: number;
  /** The REST API's own error code, such as `ACCESS_DENIED`; its documents disagree on them, so it is detail only. */
  readonly code?: string;
  readonly description?: string;
  readonly requestId?: string;
}

export interface UpstreamErrorDetails {
  readonly details?: UpstreamDetails;
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** The one error that leaves `upstream/`. Its message is for logs and never holds text of the upstream's. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly kind: UpstreamErrorKind;
  readonly details: UpstreamDetails | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(kind: UpstreamErrorKind, message: string, details: UpstreamErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.kind = kind;
    this.details = details.details;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}
