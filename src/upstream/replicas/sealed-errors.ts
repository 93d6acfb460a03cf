import { UpstreamError, type UpstreamErrorKind, type UpstreamErrorOptions } from '../errors.ts';

interface ErrorText extends Omit<UpstreamErrorOptions, 'cause'> {
  readonly kind: UpstreamErrorKind;
  readonly message: string;
}

/** What other replicas are told of a failure: all that its readers may see, and not what caused it here. */
export function textOfError({ kind, message, details, retryAfterSeconds }: UpstreamError): string {
  const text: ErrorText = {
    kind,
    message,
    ...(details === undefined ? {} : { details }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
  return JSON.stringify(text);
}

/** @param text was sealed by a replica, so it is what {@link textOfError} gives */
export function errorIn(text: string): UpstreamError {
  const { kind, message, ...options } = JSON.parse(text) as ErrorText;
  return new UpstreamError(kind, message, options);
}
