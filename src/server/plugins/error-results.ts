import { type ExecutionResult, GraphQLError } from 'graphql';
import { isAsyncIterable, mapAsyncIterator } from 'graphql-yoga';
import {
  asError,
  type ErrorFacts,
  errorFacts,
  INTERNAL_SERVER_ERROR,
  isOfField,
  limitExceeded,
  REQUEST_LIMIT_EXCEEDED,
  sharedCause,
  withExtensions,
  withFacts,
  writtenOut,
} from '../../graphql/errors.ts';
import { inOrderOfAnswer } from './error-order.ts';
import type { GatewayPlugin, RecordingDeps, RequestState } from './request-state.ts';

/** One error for each of as many representations as `_entities` takes. */
const MAX_ERRORS = 5_000;

/**
 * Makes the errors of a result public ones, with code and request id, and records them.
 * @param isWritten whether they are written out as they are, so that each may be of another class
 */
export type FinishResult = <Result extends ThrownResult>(
  result: Result,
  state: RequestState,
  isWritten?: boolean,
) => Result;

/** A result whose errors are what was thrown. */
type ThrownResult = Omit<ExecutionResult, 'errors'> & { readonly errors?: readonly unknown[] };

/**
 * Errors are counted by code; a bug of the gateway is logged whole. Of a failure that all reads of a credential share
 * the first error says everything, and its repeats no more than clients branch on. Errors of fields leave in the order of
 * the fields in the answer, and not in that of their ends, which depends on the upstream.
 */
export function createFinishResult({ log, metrics }: Omit<RecordingDeps, 'clock'>): FinishResult {
  /** @param told the shared causes that errors before this one have told whole */
  function finish(thrown: unknown, state: RequestState, told: Set<string>): ErrorFacts {
    const facts = errorFacts(thrown);
    const { root, message, extensions } = facts;
    const code = String(extensions['code']);
    metrics.recordError(code);
    if (code === INTERNAL_SERVER_ERROR) {
      const path = isOfField(thrown) ? thrown.path : undefined;
      log.error({ requestId: state.requestId, path, err: asError(root) }, 'bug');
    }
    if (code === REQUEST_LIMIT_EXCEEDED && !state.codes.has(code)) {
      metrics.recordRefusal('operation', 'share');
    }
    state.codes.add(code);
    const cause = sharedCause(root);
    const isRepeat = cause !== undefined && told.has(cause);
    if (cause !== undefined) told.add(cause);
    const { requestId } = state;
    const said = isRepeat ? { code, retryable: extensions['retryable'] } : extensions;
    return { root, message, extensions: { ...said, requestId } };
  }

  return (result, state, isWritten = false) => {
    if (!hasErrors(result)) return result;
    const { data, errors: thrown } = result;
    const told = new Set<string>();
    if (thrown.length <= MAX_ERRORS) {
      const errors = inOrderOfAnswer(thrown, data).map((error, index) => {
        const facts = finish(error, state, told);
        // Yoga decides by the first how it answers, and makes each `GraphQLError` anew.
        return (isWritten || index > 0) && isOfField(error)
          ? writtenOut(error, facts)
          : withFacts(error, facts);
      });
      return { ...result, errors };
    }
    // The first error is recorded too, so that the log has what went wrong so often.
    const [firstThrown] = inOrderOfAnswer(thrown.slice(0, MAX_ERRORS), data);
    const first = finish(firstThrown, state, told);
    const error = limitExceeded(
      `The answer would hold ${thrown.length} errors, and may hold ${MAX_ERRORS}; the first: ${first.message}`,
    );
    return { ...result, data: null, errors: [withFacts(error, finish(error, state, told))] };
  };
}

/**
 * Every error that leaves passes here: also those of unreadable requests and failed validation, which execution never
 * sees, and those of a stream's events and of its end.
 */
export function useErrorResults(finish: FinishResult): GatewayPlugin {
  return {
    onExecutionResult({ context: { state }, result, setResult }) {
      if (!isAsyncIterable(result)) return;
      setResult(mapAsyncIterator(result, (event) => finish(event, state)));
    },

    onResultProcess({ serverContext: { state }, result, setResult }) {
      // Batches are off and streams are handled above, so one result is left.
      if (isAsyncIterable(result) || Array.isArray(result)) return;
      setResult(finish(result, state));
    },
  };
}

export function hasErrors<Result extends ThrownResult>(
  result: Result,
): result is Result & { readonly errors: readonly unknown[] } {
  return result.errors !== undefined && result.errors.length > 0;
}

/** Removes the HTTP statuses and headers, which neither a message nor an event can carry. */
export function withoutHttpFacts<Result extends ExecutionResult>(result: Result): Result {
  if (!hasErrors(result)) return result;
  const errors = result.errors.map((error) => {
    if (!(error instanceof GraphQLError)) return error;
    const { http: _http, ...extensions } = error.extensions;
    return withExtensions(error, extensions);
  });
  return { ...result, errors };
}
