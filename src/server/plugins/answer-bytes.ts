import type { ExecutionResult } from 'graphql';
import { isAsyncIterable } from 'graphql-yoga';
import { answerTooLarge, MAX_ANSWER, noRoomForAnswer } from '../../graphql/answer-budget.ts';
import { answerLost } from '../../graphql/errors.ts';
import type { Shares, ShareSize } from '../../shares.ts';
import type { FinishResult } from './error-results.ts';
import { type GatewayPlugin, type RequestState, roomOf } from './request-state.ts';

/** Bytes of answers that have been made and not yet handed to the network. */
export const UNSENT_ANSWERS: ShareSize = { total: 64 * 1024 * 1024, timesFree: 3 };

/** A result with the function by which yoga makes it JSON, once. */
type Result = ExecutionResult & { readonly stringify?: (result: ExecutionResult) => string };

/**
 * Counts the bytes of each answer from when they are made until they have left, and refuses what there is no room for.
 * An answer that {@link useAnswerLimits} took for smaller than it is ends here. Events are counted where they are sent.
 */
export function useAnswerBytes(unsent: Shares, finish: FinishResult): GatewayPlugin {
  return {
    onResultProcess({ result, setResult, serverContext: { state, caller } }) {
      // The refusal of an answer that found no room finds some.
      if (Array.isArray(result) || isAsyncIterable(result) || state.isRefused === true) return;
      const stringify = (answer: ExecutionResult): string => {
        const { text, bytes } = textWithin(answer, state, finish);
        if (roomOf(state, unsent, caller).set(bytes)) return text;
        state.isRefused = true;
        // Yoga answers with what is thrown here in the place of the answer, as its status is to be another one.
        throw state.operation?.type === 'mutation' ? answerLost(noRoomForAnswer()) : noRoomForAnswer();
      };
      setResult({ ...result, stringify } as Result);
    },
  };
}

/** An answer or event as JSON, or the refusal of one that is too large, which takes no room. */
export function textWithin(
  result: ExecutionResult,
  state: RequestState,
  finish: FinishResult,
): { readonly text: string; readonly bytes: number } {
  const text = JSON.stringify(result);
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_ANSWER.bytes) return { text, bytes };
  const error = state.operation?.type === 'mutation' ? answerLost(answerTooLarge()) : answerTooLarge();
  return { text: JSON.stringify(finish({ data: null, errors: [error] }, state)), bytes: 0 };
}
