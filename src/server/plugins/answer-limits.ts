import type { DocumentNode, ExecutionResult, GraphQLSchema } from 'graphql';
import { AnswerBudget, MAX_ANSWER } from '../../graphql/answer-budget.ts';
import { estimateAnswer } from '../../graphql/answer-estimate.ts';
import type { GatewayContext } from '../../graphql/context.ts';
import type { GatewayPlugin } from './request-state.ts';

/**
 * Refuses an operation whose answer would be too large, as early as that is known: mostly before it is executed. The
 * other limits of an operation look at its document, where a list counts the same however long it is.
 */
export function useAnswerLimits(): GatewayPlugin {
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const budget = beginAnswer(args, setResultAndStopExecution);
      if (budget === undefined) return undefined;
      return {
        onExecuteDone({ setResult }) {
          if (budget.isExceeded) setResult(refusal(budget));
        },
      };
    },

    onSubscribe({ args, setResultAndStopExecution }) {
      const budget = beginAnswer(args, setResultAndStopExecution);
      if (budget === undefined) return undefined;
      return {
        onSubscribeResult: () => ({
          onNext({ setResult }) {
            if (budget.isExceeded) setResult(refusal(budget));
          },
        }),
      };
    },
  };
}

interface OperationArgs {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variableValues?: Readonly<Record<string, unknown>> | null | undefined;
  readonly contextValue: GatewayContext;
}

/**
 * @param stop given the refusal of an operation that is too large as it stands
 * @returns undefined where nothing is left to be exceeded, as in nearly all operations
 */
function beginAnswer(args: OperationArgs, stop: (result: ExecutionResult) => void): AnswerBudget | undefined {
  const { schema, document, operationName, variableValues, contextValue } = args;
  const estimate = estimateAnswer(schema, document, operationName, variableValues);
  if (estimate === undefined) return undefined;
  const isSmall = estimate.fields <= MAX_ANSWER.fields && estimate.bytes <= MAX_ANSWER.bytes;
  if (isSmall && estimate.reports.size === 0) return undefined;
  const budget = new AnswerBudget(estimate, MAX_ANSWER);
  contextValue.answer = budget;
  if (!budget.isExceeded) return budget;
  stop(refusal(budget));
  return undefined;
}

function refusal(budget: AnswerBudget): ExecutionResult {
  return { data: null, errors: [budget.error()] };
}
