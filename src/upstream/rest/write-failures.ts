import { UpstreamError, type UpstreamErrorKind, type WriteKind } from '../errors.ts';

/** What a read's failure would be, and says nothing of a write. */
const INDEFINITE: ReadonlySet<UpstreamErrorKind> = new Set(['failed', 'unavailable', 'invalidResponse']);

/**
 * What the failure of a call means where the call was a write. A 4xx or a redirect says that nothing was done. A 5xx may
 * come from anything between us and the REST API, and a success that makes no sense is a success of something.
 */
export function failureOf(write: WriteKind, error: UpstreamError): UpstreamError {
  const { message, details, retryAfterSeconds, cause } = error;
  const kind = kindFor(write, error);
  return new UpstreamError(kind, message, {
    write,
    ...(details === undefined ? {} : { details }),
    // What is unknown is not to be sent again, however long one waits.
    ...(retryAfterSeconds === undefined || kind === 'outcomeUnknown' ? {} : { retryAfterSeconds }),
    ...(cause === undefined ? {} : { cause }),
  });
}

function kindFor(write: WriteKind, { kind, details }: UpstreamError): UpstreamErrorKind {
  // Nothing was sent, or what was is known to be in doubt.
  if (details === undefined) return kind;
  const { status, code } = details;
  const isRefusal = status >= 300 && status < 500;
  if (!isRefusal && INDEFINITE.has(kind)) return 'outcomeUnknown';
  const isFinal = status === 422 || (status < 300 && code === 'CANNOT_CANCEL_BACKFILL');
  return write === 'cancel' && isFinal ? 'conflict' : kind;
}
