import { badRequest } from '../../graphql/errors.ts';
import type { FinishResult } from './error-results.ts';
import type { GatewayPlugin } from './request-state.ts';

const ANSWERS =
  'Answers are JSON: accept "application/graphql-response+json" or "application/json" in the header Accept.';
const STREAMS =
  'A subscription needs a stream: accept "text/event-stream" in the header Accept, or use a WebSocket with the ' +
  'subprotocol "graphql-transport-ws".';

/** Says which media types would do. Yoga's own 406 has no body. */
export function useAcceptedTypes(finish: FinishResult): GatewayPlugin {
  return {
    onResponse({ response, setResponse, serverContext: { state }, fetchAPI }) {
      if (response.status !== 406 || response.body !== null) return;
      const error = badRequest(state.operation?.type === 'subscription' ? STREAMS : ANSWERS);
      const headers = new fetchAPI.Headers(response.headers);
      // Yoga names the types here, but it is a header of requests.
      headers.delete('Accept');
      headers.set('Content-Type', 'application/json; charset=utf-8');
      const body = JSON.stringify(finish({ errors: [error] }, state));
      setResponse(new fetchAPI.Response(body, { status: 406, headers }));
    },
  };
}
