import type { ExecutionResult, GraphQLError } from 'graphql';
import { isAsyncIterable, mapAsyncIterator } from 'graphql-yoga';
import { INTERNAL_SERVER_ERROR, toPublicError, withExtensions } from '../../graphql/errors.ts';
import type { GatewayPlugin, RecordingDeps, RequestState } from './request-state.ts';

/** Brings the errors of a result to the form in which they leave, and records them. */
export type FinishResult = <Result extends ExecutionResult>(result: Result, state: RequestState) => Result;

/** Each error gets its code and request id, is counted, and is logged whole if it is a bug of ours. */
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
 * Every error that leaves passes here, those of unreadable requests and failed validation included, which execution
 * never sees, and those of each event of a stream, its end included.
 */
export function useErrorResults(finish: FinishResult): GatewayPlugin {
  return {
    onExecutionResult({ context: { state }, result, setResult }) {
      if (!isAsyncIterable(result)) return;
      setResult(mapAsyncIterator(result, (event) => finish(event, state)));
    },

    onResultProcess({ serverContext: { state }, result, setResult }) {
      // Batches are off, and streams are done above: what is left is one result.
      if (isAsyncIterable(result) || Array.isArray(result)) return;
      setResult(finish(result, state));
    },
  };
}

type FailedResult = ExecutionResult & { readonly errors: readonly unknown[] };

export function hasErrors(result: ExecutionResult): result is FailedResult {
  return result.errors !== undefined && result.errors.length > 0;
}
