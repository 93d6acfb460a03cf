import type { DocumentNode, ExecutionResult, GraphQLSchema } from 'graphql';
import { AnswerBudget, type AnswerRoom, MAX_ANSWER } from '../../graphql/answer-budget.ts';
import { estimateAnswer } from '../../graphql/answer-estimate.ts';
import type { GatewayContext } from '../../graphql/context.ts';
import { answerLost } from '../../graphql/errors.ts';
import type { Shares } from '../../shares.ts';
import { type GatewayPlugin, roomOf, type ServerContext } from './request-state.ts';

/**
 * Refuses an operation whose answer would be too large, or finds no room, as early as that is known: mostly before it is
 * executed. The other limits of an operation look at its document, where a list counts the same however long it is.
 * @param unsent of the bytes of answers that have been made and not yet handed to the network
 */
export function useAnswerLimits(unsent: Shares): GatewayPlugin {
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const { state, caller } = args.contextValue as GatewayContext & ServerContext;
      const room: AnswerRoom = { reserve: (bytes) => roomOf(state, unsent, caller).set(bytes) };
      const budget = beginAnswer(args, setResultAndStopExecution, room);
      if (budget === undefined) return undefined;
      return {
        onExecuteDone({ setResult }) {
          if (!budget.isExceeded) return;
          const hasWritten = state.operation?.type === 'mutation';
          setResult(hasWritten ? { data: null, errors: [answerLost(budget.error())] } : budget.refusal());
        },
      };
    },

    onSubscribe({ args, setResultAndStopExecution }) {
      const budget = beginAnswer(args, setResultAndStopExecution);
      if (budget === undefined) return undefined;
      return {
        onSubscribeResult: () => ({
          onNext({ setResult }) {
            if (budget.isExceeded) setResult(budget.refusal());
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
function beginAnswer(
  args: OperationArgs,
  stop: (result: ExecutionResult) => void,
  room?: AnswerRoom,
): AnswerBudget | undefined {
  const { schema, document, operationName, variableValues, contextValue } = args;
  const estimate = estimateAnswer(schema, document, operationName, variableValues);
  if (estimate === undefined) return undefined;
  const isSmall = estimate.fields <= MAX_ANSWER.fields && estimate.bytes <= MAX_ANSWER.bytes;
  if (isSmall && estimate.reports.size === 0) return undefined;
  const budget = new AnswerBudget(estimate, MAX_ANSWER, room);
  contextValue.answer = budget;
  if (!budget.isExceeded) return budget;
  stop(budget.refusal());
  return undefined;
}
