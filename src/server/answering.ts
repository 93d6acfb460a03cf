import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendNodeResponse } from '@whatwg-node/server';
import { createDepartures } from './departures.ts';
import { BEAT_MS, sendEvents } from './event-stream.ts';
import { createFail } from './failures.ts';
import type { GraphqlServer } from './graphql-server.ts';
import type { OpenStreams } from './open-streams.ts';
import {
  beginState,
  type ReceivedBody,
  type RecordingDeps,
  type ServerContext,
} from './plugins/request-state.ts';

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

export interface AnsweringOptions extends RecordingDeps {
  /** Milliseconds between the comments on a stream. */
  readonly beatMs?: number | undefined;
}

/** What a stream needs no more once it has begun. */
const NOT_KEPT = { request: undefined, params: undefined, events: undefined, body: undefined };

/**
 * Answers requests by yoga. Yoga masks what is thrown inside an operation, but answers anything else that is thrown,
 * as by a plugin, with its stack. Here that becomes a 500 without any of its text.
 */
export function answerBy(
  server: Pick<GraphqlServer, 'handleNodeRequestAndResponse'>,
  streams: Pick<OpenStreams, 'add'>,
  { clock, log, metrics, nameCaller, tracing, beatMs = BEAT_MS }: AnsweringOptions,
): Answering {
  const departs = createDepartures();
  const fail = createFail({ log, metrics });

  async function answer(
    ...[request, response, caller, becomesStream, body]: Parameters<Answering>
  ): Promise<void> {
    const trace = tracing?.operation(request.headers, request);
    const state = beginState(request.headers, clock.monotonic(), nameCaller, trace);
    // Also where the answer is never sent.
    response.once('close', () => state.room?.release());
    const context: ServerContext = {
      state,
      caller,
      transport: 'sse',
      becomesStream() {
        becomesStream();
        departs(response);
        // A query may be answered by events too, and is done after the first. Who has left will not close any more.
        if (state.operation?.type !== 'subscription' || response.closed) return;
        // Neither the event `complete` nor the last chunk: clients that see one of these do not come back.
        response.once(
          'close',
          streams.add('sse', () => response.destroy()),
        );
      },
      ...(body && { body }),
    };
    const made = await answerOf(request, response, context);
    if (response.closed) state.room?.release();
    const { events } = context;
    if (events === undefined) {
      await sendNodeResponse(made, response, request, true);
      return;
    }
    // The context lasts as long as the stream, and yoga has put the request and its text into it.
    Object.assign(context, NOT_KEPT);
    sendEvents(made, events, response, beatMs).catch((err: unknown) => fail(err, response.req, response));
  }

  async function answerOf(
    request: IncomingMessage,
    response: ServerResponse,
    context: ServerContext,
  ): Promise<Response> {
    try {
      return await server.handleNodeRequestAndResponse(request, response, context);
    } catch (err) {
      context.state.trace?.endByBug();
      throw err;
    }
  }

  return (request, response, ...more) => {
    answer(request, response, ...more).catch((err: unknown) => fail(err, request, response));
  };
}
