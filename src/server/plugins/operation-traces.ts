import type { ExecutionResult } from 'graphql';
import { isAsyncIterable, mapAsyncIterator } from 'graphql-yoga';
import type { GatewayPlugin } from './request-state.ts';

/**
 * Tells an operation's trace of each event when it has been made, and when the request is over; useRequestLog tells it
 * what the operation is. Only where traces are made.
 */
export function useOperationTraces(): GatewayPlugin {
  return {
    onExecutionResult({ context: { state }, result, setResult }) {
      if (!isAsyncIterable(result)) return;
      setResult(
        mapAsyncIterator(result, (event) => {
          state.trace?.endEvent(firstCode(event));
          return event;
        }),
      );
    },

    onResponse({ serverContext: { state } }) {
      state.trace?.end(state);
    },
  };
}

function firstCode({ errors }: ExecutionResult): string | undefined {
  const code = errors?.[0]?.extensions['code'];
  return typeof code === 'string' ? code : undefined;
}
