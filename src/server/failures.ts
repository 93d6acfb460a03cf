import type { IncomingMessage, ServerResponse } from 'node:http';
import { INTERNAL_SERVER_ERROR, toPublicError } from '../graphql/errors.ts';
import { type RecordingDeps, requestIdFrom } from './plugins/request-state.ts';
import { refuse } from './refusals.ts';

const INTERNAL = toPublicError(undefined);

/** Headers that were set before the operation, and hold for any answer to the request. */
const OF_THE_REQUEST = /^(?:connection|access-control-.*)$/;

/** Answers a request that met a bug outside of any field. */
export type Fail = (err: unknown, request: IncomingMessage, response: ServerResponse) => void;

/** The answer is a 500 without any of the error's text, which is logged whole. */
export function createFail({ log, metrics }: Pick<RecordingDeps, 'log' | 'metrics'>): Fail {
  return (err, request, response) => {
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
    for (const name of response.getHeaderNames()) if (!OF_THE_REQUEST.test(name)) response.removeHeader(name);
    refuse(request, response, 500, INTERNAL);
  };
}
