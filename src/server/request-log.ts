import { type DocumentNode, getOperationAST } from 'graphql';
import { type GatewayPlugin, type RecordingDeps, recordOf } from './request-record.ts';

const MAX_NAME = 100;

/** One log line and one observation for each request: what was asked, what it cost and how it ended; never with what. */
export function useRequestLog({ clock, log, metrics }: RecordingDeps): GatewayPlugin {
  return {
    onRequest({ request, serverContext }) {
      recordOf(serverContext, request, clock.monotonic());
    },

    onExecute({ args }) {
      const { record, tally } = args.contextValue;
      const operation = getOperationAST(
        args.document as DocumentNode,
        args.operationName as string | undefined,
      );
      if (record === undefined || !operation) return;
      record.operation = { type: operation.operation, name: operation.name?.value.slice(0, MAX_NAME) };
      record.tally = tally;
    },

    onResponse({ request, response, serverContext }) {
      const now = clock.monotonic();
      const { requestId, traceparent, startedAt, operation, tally, codes } = recordOf(
        serverContext,
        request,
        now,
      );
      const milliseconds = now - startedAt;
      metrics.recordRequest(response.status, milliseconds);
      // Probes, scrapes and pages are not what operators look for.
      const level = operation === undefined && response.status < 400 ? 'debug' : 'info';
      log[level](
        {
          requestId,
          ...(traceparent === undefined ? {} : { traceparent }),
          method: request.method,
          status: response.status,
          durationMs: Math.round(milliseconds * 10) / 10,
          ...(operation === undefined ? {} : { operation: operation.type, operationName: operation.name }),
          ...(tally === undefined
            ? {}
            : { upstreamCalls: tally.calls, cacheHits: tally.cacheHits, staleReads: tally.staleReads }),
          ...(codes.size === 0 ? {} : { codes: [...codes] }),
        },
        'request',
      );
    },
  };
}
