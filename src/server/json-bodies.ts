import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/**
 * Takes no body but JSON. Yoga reads forms and plain text too, which any web page can make a browser send here without
 * asking first (CSRF); for JSON the browser asks, and is answered by CORS_ORIGINS.
 */
export function useJsonBodies(): Plugin {
  return {
    onRequestParse({ request }) {
      if (request.method !== 'POST' || isJson(request.headers.get('content-type'))) return;
      throw new GraphQLError('The body of a request must be JSON: send "Content-Type: application/json".', {
        extensions: { code: 'BAD_REQUEST', http: { status: 415 } },
      });
    },
  };
}

function isJson(contentType: string | null): boolean {
  return /^\s*application\/(?:graphql\+)?json\s*(?:;|$)/i.test(contentType ?? '');
}
