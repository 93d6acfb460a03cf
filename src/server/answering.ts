import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendNodeResponse } from '@whatwg-node/server';
import { createDepartures } from './departures.ts';
import { createFail } from './failures.ts';
import type { GraphqlServer } from './graphql-server.ts';
import type { OpenStreams } from './open-streams.ts';
import { beginState, type ReceivedBody, type RecordingDeps } from './plugins/request-state.ts';

/**
 * Answers a GraphQL request that was admitted.
 * @param caller who bears what it costs
 * @param becomesStream called when the answer turns out to be a stream
 * @param body only of a POST
 */
export type Answering = (
  request: IncomingMessage,
  response: ServerResponse,
  caller: string,
  becomesStream: () => void,
  body?: ReceivedBody,
) => void;

/**
 * Answers requests by yoga. Yoga masks what is thrown inside an operation, but answers anything else that is thrown,
 * as by a plugin, with its stack. Here that becomes a 500 without any of its text.
 */
export function answerBy(
  server: Pick<GraphqlServer, 'handleNodeRequestAndResponse'>,
  streams: Pick<OpenStreams, 'add'>,
  { clock, log, metrics, nameCaller }: RecordingDeps,
): Answering {
  const departs = createDepartures();
  const fail = createFail({ log, metrics });

  async function answer(
    ...[request, response, caller, becomesStream, body]: Parameters<Answering>
  ): Promise<void> {
    const state = beginState(request.headers, clock.monotonic(), nameCaller);
    // Also where the answer is never sent.
    response.once('close', () => state.room?.release());
    const made = await server.handleNodeRequestAndResponse(request, response, {
      state,
      caller,
      becomesStream() {
        becomesStream();
        departs(response);
        // A query may be answered by events too, and is done after the first.
        if (state.operation?.type !== 'subscription') return;
        // Neither the event `complete` nor the last chunk: clients that see one of these do not come back.
        response.once(
          'close',
          streams.add(() => response.destroy()),
        );
      },
      whenDrained: (listener) => whenDrained(response, listener),
      ...(body && { body }),
    });
    if (response.closed) state.room?.release();
    await sendNodeResponse(made, response, request, true);
  }

  return (request, response, ...more) => {
    answer(request, response, ...more).catch((err: unknown) => fail(err, request, response));
  };
}

/** What the network has not taken yet is below Node's own mark by then. */
function whenDrained(response: ServerResponse, listener: () => void): void {
  // What has just been made is written in this turn of the event loop.
  setImmediate(() => {
    if (response.closed || !response.writableNeedDrain) {
      listener();
      return;
    }
    const again = (): void => {
      response.off('drain', again);
      response.off('close', again);
      whenDrained(response, listener);
    };
    response.on('drain', again);
    response.on('close', again);
  });
}
