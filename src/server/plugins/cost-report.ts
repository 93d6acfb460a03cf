import { isAsyncIterable } from 'graphql-yoga';
import { badUserInput } from '../../graphql/errors.ts';
import type { CostQuestion } from '../../graphql/context.ts';
import type { GatewayPlugin } from './request-state.ts';

export const EXPLAIN_COST = 'X-Explain-Cost';

/**
 * Adds `extensions.upstream`: with the header {@link EXPLAIN_COST} at `1` what the operation cost the hourly quota, at
 * `estimate` what it would cost, and then no upstream call is made and `data` is null. Other requests pay a comparison.
 */
export function useCostReport(): GatewayPlugin {
  return {
    onParams({ request }) {
      // A misspelled `estimate` would otherwise make the very calls that it should only have counted.
      if (costQuestionOf(request.headers.get(EXPLAIN_COST)) !== undefined) return;
      throw badUserInput(`The header ${EXPLAIN_COST} must be "1", "estimate" or "0".`);
    },

    onExecute({ args: { contextValue } }) {
      const { costQuestion, state } = contextValue;
      if (costQuestion === 'none') return undefined;
      // The cost in a copy from the browser's cache would be wrong.
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

/** @returns undefined for any other value of the header */
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
