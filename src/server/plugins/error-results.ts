import type { ExecutionResult, GraphQLError } from 'graphql';
import { isAsyncIterable, mapAsyncIterator } from 'graphql-yoga';
import { INTERNAL_SERVER_ERROR, toPublicError, withExtensions } from '../../graphql/errors.ts';
import type { GatewayPlugin, RecordingDeps, RequestState } from './request-state.ts';

/** Makes the errors of a result public ones, with code and request id, and records them. */
export type FinishResult = <Result extends ExecutionResult>(result: Result, state: RequestState) => Result;

/** Errors are counted by code; a bug of the gateway is logged whole. */
export function createFinishResult({ log, metrics }: Omit<RecordingDeps, 'clock'>): FinishResult {
  function finish(thrown: unknown, state: RequestState): GraphQLError {
    const error = toPublicError(thrown);
    const code = String(error.extensions['code']);
    metrics.recordError(code);
    if (code === INTERNAL_SERVER_ERROR) {
      log.error({ requestId: state.requestId, path: error.path, err: error.originalError }, 'bug');
    }
    state.codes.add(code);
    return withExtensions(error, { ...error.extensions, requestId: state.requestId });
  }

  return (result, state) =>
    hasErrors(result) ? { ...result, errors: result.errors.map((error) => finish(error, state)) } : result;
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
