import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendNodeResponse } from '@whatwg-node/server';
import { INTERNAL_SERVER_ERROR, toPublicError } from '../graphql/errors.ts';
import type { GraphqlServer } from './graphql-server.ts';
import type { OpenStreams } from './open-streams.ts';
import { beginState, type RecordingDeps, requestIdFrom } from './plugins/request-state.ts';
import { refuse } from './refusals.ts';

const INTERNAL = toPublicError(undefined);

type Answering = (request: IncomingMessage, response: ServerResponse, becomesStream: () => void) => void;

/**
 * Answers requests by yoga. Yoga masks what is thrown inside an operation, but answers anything else that is thrown,
 * as by a plugin, with its stack. Here that becomes a 500 without any of its text.
 */
export function answerBy(
  server: Pick<GraphqlServer, 'handleNodeRequestAndResponse'>,
  streams: Pick<OpenStreams, 'add'>,
  { clock, log, metrics }: RecordingDeps,
): Answering {
  async function answer(...[request, response, becomesStream]: Parameters<Answering>): Promise<void> {
    const state = beginState(request.headers, clock.monotonic());
    const made = await server.handleNodeRequestAndResponse(request, response, {
      state,
      becomesStream() {
        becomesStream();
        // A query may be answered by events too, and is done after the first.
        if (state.operation?.type !== 'subscription') return;
        // Neither the event `complete` nor the last chunk: clients that see one of these do not come back.
        response.once(
          'close',
          streams.add(() => response.destroy()),
        );
      },
    });
    await sendNodeResponse(made, response, request, true);
  }

  function fail(err: unknown, request: IncomingMessage, response: ServerResponse): void {
    // Whatever needed the client fails when the client is gone.
    if (response.destroyed) return;
    // The answer needs the id that the log names, also where the request brought none.
    const requestId = requestIdFrom(request.headers);
    request.headers['x-request-id'] = requestId;
    log.error({ requestId, err }, 'bug');
    metrics.recordError(INTERNAL_SERVER_ERROR);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    metrics.recordRequest(500, 0);
    for (const name of response.getHeaderNames()) if (name !== 'connection') response.removeHeader(name);
    refuse(request, response, 500, INTERNAL);
  }

  return (request, response, becomesStream) => {
    answer(request, response, becomesStream).catch((err: unknown) => fail(err, request, response));
  };
}
