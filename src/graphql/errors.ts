import {
  getLocation,
  GraphQLError,
  type GraphQLErrorExtensions,
  type GraphQLFormattedError,
  type SourceLocation,
} from 'graphql';
import { UpstreamError, type UpstreamErrorKind } from '../upstream/errors.ts';
import { ERROR_CODES, type ErrorCode, type GatewayErrorExtensions } from './error-codes.ts';
import { FailedField, withoutStack } from './failed-field.ts';
import { UPSTREAM_ERRORS, WRITE_MESSAGES } from './upstream-errors.ts';

export const INTERNAL_SERVER_ERROR = 'INTERNAL_SERVER_ERROR' satisfies ErrorCode;
/** More upstream calls, or a larger answer, than one operation may have. */
export const REQUEST_LIMIT_EXCEEDED = 'REQUEST_LIMIT_EXCEEDED' satisfies ErrorCode;

/** An argument or header that is malformed, reported before any upstream call. */
export function badUserInput(message: string): GraphQLError {
  return expected(message, byTable('BAD_USER_INPUT'));
}

/** A request that is none for this gateway, refused before GraphQL sees it. */
export function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: byTable('BAD_REQUEST') });
}

export function unauthenticated(message: string): GraphQLError {
  return expected(message, byTable('UNAUTHENTICATED'));
}

/** The gateway itself has reached a limit, and takes requests again in a second or so. */
export function overloaded(message = 'The gateway is overloaded at the moment.'): GraphQLError {
  return expected(message, { ...byTable('UPSTREAM_UNAVAILABLE'), retryAfterSeconds: 1 });
}

/** {@link overloaded}, of an operation of which nothing is done: over HTTP its answer has the status 503. */
export function turnedAway(message: string): GraphQLError {
  const { extensions } = overloaded();
  const http = { status: 503, headers: { 'Retry-After': String(extensions['retryAfterSeconds']) } };
  return expected(message, { ...extensions, http });
}

/** In the place of an answer that cannot leave, where its operation has written. An error that is retryable would lie. */
export function answerLost(why: GraphQLError): GraphQLError {
  const message = `The mutation was sent, and its answer cannot be: ${why.message} Read what became of it.`;
  return expected(message, byTable('OUTCOME_UNKNOWN'));
}

/** The operation, or its answer, is larger than allowed. */
export function limitExceeded(message: string): GraphQLError {
  return expected(message, byTable(REQUEST_LIMIT_EXCEEDED));
}

/** An error that is no bug, and needs no stack. */
function expected(message: string, extensions: GraphQLErrorExtensions): GraphQLError {
  return withoutStack(() => new GraphQLError(message, { extensions }));
}

function byTable(code: ErrorCode): Pick<GatewayErrorExtensions, 'code' | 'retryable'> {
  return { code, retryable: ERROR_CODES[code].retryable };
}

/** What is public of an error, and what is behind it. */
export interface ErrorFacts {
  readonly message: string;
  readonly extensions: GraphQLErrorExtensions;
  /** The error that was thrown first. */
  readonly root: unknown;
}

/**
 * The one seam between errors and clients: whatever was thrown gets a code of {@link ERROR_CODES}. An unknown error
 * becomes `INTERNAL_SERVER_ERROR` without any of its text.
 */
export function errorFacts(error: unknown): ErrorFacts {
  const root = rootOf(error);
  if (root instanceof UpstreamError) {
    const { code, message: usual } = UPSTREAM_ERRORS[root.kind];
    const { details: upstream, retryAfterSeconds, write } = root;
    const message = (write && WRITE_MESSAGES[write][root.kind]) ?? usual;
    const extensions = {
      ...byTable(code),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      ...(upstream === undefined ? {} : { upstream }),
    };
    return { message, extensions, root };
  }
  const told = error instanceof FailedField ? error.thrown : error;
  if (told instanceof GraphQLError && root instanceof GraphQLError && isAboutTheRequest(told, root)) {
    return {
      message: told.message,
      extensions: { ...byTable('BAD_USER_INPUT'), ...told.extensions },
      root,
    };
  }
  return { message: 'Internal server error.', extensions: byTable(INTERNAL_SERVER_ERROR), root };
}

/** The error as clients may see it. What was thrown stays the `originalError`, which is never serialised. */
export function toPublicError(error: unknown): GraphQLError {
  const { message, extensions, root } = errorFacts(error);
  return located(error, root, message, extensions);
}

/** The same error with other extensions. */
export function withExtensions(error: GraphQLError, extensions: GraphQLErrorExtensions): GraphQLError {
  return withFacts(error, { message: error.message, extensions, root: error.originalError });
}

/** An error with these facts at the place of the one that was thrown. */
export function withFacts(error: unknown, { message, extensions, root }: ErrorFacts): GraphQLError {
  // Yoga answers 500 to a result of nothing but an error with an `originalError`, as when a subscription fails at its
  // start. Errors of fields answer 200, so they lose theirs here.
  return located(error, isOfField(error) ? undefined : root, message, extensions);
}

/** Whether it is the error of a field, as execution has placed it. */
export function isOfField(error: unknown): error is FailedField | GraphQLError {
  return error instanceof FailedField || (error instanceof GraphQLError && error.path !== undefined);
}

/** The same as it leaves, without the means of a `GraphQLError`: of an answer with thousands these are most of its cost. */
export function writtenOut(
  error: FailedField | GraphQLError,
  { message, extensions }: ErrorFacts,
): GraphQLFormattedError {
  const { path } = error;
  const locations = error instanceof FailedField ? locationsOf(error) : error.locations;
  return { message, ...(locations && { locations }), ...(path && { path }), extensions };
}

function locationsOf({ nodes }: FailedField): readonly SourceLocation[] {
  return nodes.flatMap(({ loc }) => (loc === undefined ? [] : [getLocation(loc.source, loc.start)]));
}

/**
 * The kind of a failure that other reads of the credential meet too, so that an answer need say it once. A circuit is
 * open for everybody, and a 403 is mostly about the whole team.
 */
export function sharedCause(root: unknown): UpstreamErrorKind | undefined {
  if (!(root instanceof UpstreamError)) return undefined;
  const { kind, subject } = root;
  const isShared =
    subject === 'credential' || subject === 'quota' || kind === 'forbidden' || kind === 'unavailable';
  return isShared ? kind : undefined;
}

/** Errors of the request itself carry a code, point into the document, or come before execution reached any field. */
function isAboutTheRequest(error: GraphQLError, root: GraphQLError): boolean {
  return 'code' in root.extensions || root.nodes !== undefined || error.path === undefined;
}

/** The error that was thrown first; execution wraps it once for each place that it passes. */
function rootOf(error: unknown): unknown {
  let root = error instanceof FailedField ? error.thrown : error;
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
  const { nodes, path } = error instanceof FailedField ? error : (place ?? {});
  return new GraphQLError(message, {
    nodes: nodes ?? null,
    source: place?.source ?? null,
    positions: place?.positions ?? null,
    path: path ?? null,
    originalError: root === undefined ? undefined : asError(root),
    extensions,
  });
}

export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('not an Error', { cause: thrown });
}
