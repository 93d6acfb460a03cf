import { isAsyncIterable } from 'graphql-yoga';
import { badUserInput } from '../../graphql/errors.ts';
import type { CostQuestion } from '../../graphql/context.ts';
import type { GatewayPlugin } from './request-state.ts';

export const EXPLAIN_COST = 'X-Explain-Cost';

/**
 * Tells what an operation cost the hourly quota, where the header {@link EXPLAIN_COST} is `1`, or what it would cost,
 * where it is `estimate`: then no upstream call is made, and the answer has no data. Who does not ask pays a comparison.
 */
export function useCostReport(): GatewayPlugin {
  return {
    onParams({ request }) {
      // A misspelled `estimate` would make the calls that somebody wanted to know of first.
      if (costQuestionOf(request.headers.get(EXPLAIN_COST)) !== undefined) return;
      throw badUserInput(`The header ${EXPLAIN_COST} must be "1", "estimate" or "0".`);
    },

    onExecute({ args: { contextValue } }) {
      const { costQuestion, state } = contextValue;
      if (costQuestion === 'none') return undefined;
      // Given out again from a browser's cache, the same answer would have cost nothing.
      state.mustNotBeKept = true;
      return {
        onExecuteDone({ result, setResult }) {
          if (isAsyncIterable(result)) return;
          const extensions = { ...result.extensions, upstream: contextValue.costReport() };
          setResult({ ...result, ...(costQuestion === 'estimate' ? { data: null } : {}), extensions });
        },
      };
    },

    onSubscribe({ args: { contextValue } }) {
      if (contextValue.costQuestion !== 'estimate') return;
      throw badUserInput(
        'Subscriptions share their polls, so none of them has a cost that could be estimated.',
      );
    },
  };
}

/** Undefined where the header says something else. */
export function costQuestionOf(header: string | null): CostQuestion | undefined {
  switch (header?.trim().toLowerCase() ?? '0') {
    case '0':
      return 'none';
    case '1':
      return 'report';
    case 'estimate':
      return 'estimate';
    default:
      return undefined;
  }
}
