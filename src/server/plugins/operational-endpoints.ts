import type { Plugin } from 'graphql-yoga';
import type { Metrics } from '../../metrics.ts';

/**
 * The endpoints for load balancers and monitoring: `/health`, `/ready` and `/metrics`. Some of these ask by HEAD, whose
 * answer Node sends without its body.
 */
export function useOperationalEndpoints(isReady: () => boolean, metrics: Metrics): Plugin {
  return {
    onRequest({ request, url, endResponse, fetchAPI: { Response } }) {
      // POSTs to /graphql, nearly all requests, are spared the parsing of their URL.
      if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
      switch (url.pathname) {
        case '/health':
          endResponse(Response.json({ status: 'ok' }));
          return undefined;
        case '/ready':
          endResponse(
            isReady()
              ? Response.json({ status: 'ready' })
              : Response.json({ status: 'not ready' }, { status: 503 }),
          );
          return undefined;
        case '/metrics':
          return metrics.expose().then(({ contentType, text }) => {
            endResponse(new Response(text, { headers: { 'Content-Type': contentType } }));
          });
        default:
          return undefined;
      }
    },
  };
}
