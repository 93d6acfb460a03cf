import type { Plugin } from 'graphql-yoga';

/**
 * Sends a browser from the root to GraphiQL. The location is relative: a proxy may serve the gateway below a path of
 * its own, and no URL is built from `Host`.
 */
export function useRootRedirect(): Plugin {
  return {
    onRequest({ request, url, endResponse, fetchAPI: { Response } }) {
      // Each POST, nearly all requests, is spared the parsing of its URL.
      if (request.method === 'POST' || url.pathname !== '/') return;
      endResponse(new Response(null, { status: 302, headers: { Location: 'graphql' } }));
    },
  };
}
