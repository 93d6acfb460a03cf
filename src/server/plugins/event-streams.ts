import type { ExecutionResult } from 'graphql';
import { isAsyncIterable } from 'graphql-yoga';
import { noRoomForEvent } from '../../graphql/answer-budget.ts';
import type { Shares } from '../../shares.ts';
import { textWithin } from './answer-bytes.ts';
import { type FinishResult, withoutHttpFacts } from './error-results.ts';
import type { GatewayPlugin, RequestState, StreamedEvents } from './request-state.ts';

const HEADERS = {
  'Content-Type': 'text/event-stream',
  Connection: 'keep-alive',
  'Cache-Control': 'no-cache',
  'Content-Encoding': 'none',
};

/**
 * Prepares a response for lasting as long as its client stays. The events of a subscription leave beside yoga: its own
 * response has no body, and whoever answers the request sends them, see event-stream.ts.
 * @param unsent of the bytes of answers that have been made and not yet handed to the network
 */
export function useEventStreams(unsent: Shares, finish: FinishResult): GatewayPlugin {
  function textOf(event: ExecutionResult, state: RequestState, caller: string) {
    const { text, bytes } = textWithin(withoutHttpFacts(event), state, finish);
    const giveBack = unsent.take(caller, bytes);
    if (giveBack !== undefined) return { text, giveBack };
    const refusal = finish({ data: null, errors: [noRoomForEvent()] }, state);
    return { text: JSON.stringify(withoutHttpFacts(refusal)), giveBack: nothing };
  }

  return {
    onResultProcess({ result, resultProcessor, setResultProcessor, serverContext }) {
      // Of all media types only that of streams takes such a result. Over a WebSocket there is none to choose from.
      if (!isAsyncIterable(result) || resultProcessor === undefined) return;
      setResultProcessor((stream, { Response }) => {
        serverContext.events = eventsOf(stream as AsyncIterable<ExecutionResult>, serverContext);
        return new Response(null, { status: 200, headers: HEADERS });
      }, 'text/event-stream');
    },

    onResponse({ response, serverContext }) {
      if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) return;
      // nginx would hold events back to send them on in larger pieces.
      response.headers.set('X-Accel-Buffering', 'no');
      serverContext.becomesStream?.();
      serverContext.body?.release();
    },
  };

  function eventsOf(
    stream: AsyncIterable<ExecutionResult>,
    { state, caller }: { readonly state: RequestState; readonly caller: string },
  ): StreamedEvents {
    return {
      events: stream[Symbol.asyncIterator](),
      textOf: (event) => textOf(event, state, caller),
    };
  }
}

function nothing(): void {
  // An event that took no room gives none back.
}
