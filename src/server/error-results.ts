import type { ExecutionResult, GraphQLError } from 'graphql';
import { INTERNAL_SERVER_ERROR, toPublicError, withRequestId } from '../graphql/errors.ts';
import { type GatewayPlugin, type RecordingDeps, recordOf, type RequestRecord } from './request-record.ts';

/**
 * Every error that leaves passes here, those of unreadable requests and failed validation included, which execution
 * never sees: it gets its request id, is counted, and is logged whole if it is a bug of ours.
 */
export function useErrorResults({ clock, log, metrics }: RecordingDeps): GatewayPlugin {
  function finish(thrown: unknown, record: RequestRecord): GraphQLError {
    const error = toPublicError(thrown);
    const code = String(error.extensions['code']);
    metrics.recordError(code);
    if (code === INTERNAL_SERVER_ERROR) {
      log.error({ requestId: record.requestId, path: error.path, err: error.originalError }, 'bug');
    }
    record.codes.add(code);
    return withRequestId(error, record.requestId);
  }

  return {
    onResultProcess({ request, serverContext, result, setResult }) {
      // Batches and streams are off: a result is one result.
      if (!hasErrors(result)) return;
      const record = recordOf(serverContext, request, clock.monotonic());
      setResult({ ...result, errors: result.errors.map((error) => finish(error, record)) });
    },
  };
}

type FailedResult = ExecutionResult & { readonly errors: readonly unknown[] };

function hasErrors(result: object): result is FailedResult {
  return 'errors' in result && Array.isArray(result.errors) && result.errors.length > 0;
}
