import type { ExecutionResult } from 'graphql';
import { isAsyncIterable, mapAsyncIterator } from 'graphql-yoga';
import {
  asError,
  type ErrorFacts,
  errorFacts,
  INTERNAL_SERVER_ERROR,
  isOfField,
  limitExceeded,
  sharedCause,
  withFacts,
  writtenOut,
} from '../../graphql/errors.ts';
import type { GatewayPlugin, RecordingDeps, RequestState } from './request-state.ts';

/** One error for each of as many representations as `_entities` takes. */
const MAX_ERRORS = 5_000;

/** Makes the errors of a result public ones, with code and request id, and records them. */
export type FinishResult = <Result extends ExecutionResult>(result: Result, state: RequestState) => Result;

/**
 * Errors are counted by code; a bug of the gateway is logged whole. Of a failure that all reads of a credential share
 * the first error says everything, and its repeats no more than clients branch on.
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
    state.codes.add(code);
    const cause = sharedCause(root);
    const isRepeat = cause !== undefined && told.has(cause);
    if (cause !== undefined) told.add(cause);
    const { requestId } = state;
    const said = isRepeat ? { code, retryable: extensions['retryable'] } : extensions;
    return { root, message, extensions: { ...said, requestId } };
  }

  return (result, state) => {
    if (!hasErrors(result)) return result;
    const told = new Set<string>();
    if (result.errors.length <= MAX_ERRORS) {
      const errors = result.errors.map((thrown, index) => {
        const facts = finish(thrown, state, told);
        // Yoga decides by the first how it answers, and makes each `GraphQLError` anew.
        return index > 0 && isOfField(thrown) ? writtenOut(thrown, facts) : withFacts(thrown, facts);
      });
      return { ...result, errors };
    }
    // The first error is recorded too, so that the log has what went wrong so often.
    const first = finish(result.errors[0], state, told);
    const error = limitExceeded(
      `The answer would hold ${result.errors.length} errors, and may hold ${MAX_ERRORS}; the first: ${first.message}`,
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

type FailedResult = ExecutionResult & { readonly errors: readonly unknown[] };

export function hasErrors(result: ExecutionResult): result is FailedResult {
  return result.errors !== undefined && result.errors.length > 0;
}
