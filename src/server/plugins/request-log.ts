import { type DocumentNode, getOperationAST } from 'graphql';
import type { GatewayContext } from '../../graphql/context.ts';
import type { Log } from '../../log.ts';
import {
  type GatewayPlugin,
  logFields,
  type RecordingDeps,
  type RequestState,
  type ServerContext,
} from './request-state.ts';

export const MAX_NAME = 100;

/**
 * Writes one log line and one metric for each request: its operation, cost and end, but never its text or variables.
 * The line of a subscription is about its start.
 */
export function useRequestLog({ clock, log, metrics }: RecordingDeps): GatewayPlugin {
  return {
    onExecute({ args }) {
      recordOperation(args);
    },

    onSubscribe({ args }) {
      recordOperation(args);
    },

    onResponse({ request, response, serverContext: { state } }) {
      const now = clock.monotonic();
      metrics.recordRequest(response.status, now - state.startedAt);
      logRequest(log, state, { method: request.method, status: response.status }, now);
    },
  };
}

/**
 * @param by method and status; an operation over a WebSocket has no status
 * @param now monotonic milliseconds
 */
export function logRequest(
  log: Log,
  state: RequestState,
  by: { readonly method: string; readonly status?: number },
  now: number,
): void {
  const { operation, cost } = state;
  // Probes, scrapes and pages would hide the operations.
  const level = operation === undefined && (by.status ?? 0) < 400 ? 'debug' : 'info';
  const fields = logFields(state, now);
  fields['method'] = by.method;
  fields['status'] = by.status;
  fields['operation'] = operation?.type;
  fields['upstreamCalls'] = cost?.calls;
  fields['cacheHits'] = cost?.cacheHits;
  fields['staleReads'] = cost?.staleReads;
  log.record('request', fields, level);
}

interface OperationArgs {
  readonly document?: unknown;
  readonly operationName?: unknown;
  readonly contextValue: ServerContext & GatewayContext;
}

function recordOperation({ document, operationName, contextValue: { state, cost } }: OperationArgs): void {
  const operation = getOperationAST(document as DocumentNode, operationName as string | undefined);
  if (!operation) return;
  state.operation = { type: operation.operation, name: operation.name?.value.slice(0, MAX_NAME) };
  state.cost = cost;
  state.trace?.begin(state.operation);
}
