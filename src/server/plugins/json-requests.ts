import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/**
 * Takes no body but JSON. Yoga reads forms and plain text too, which any web page can make a browser send here without
 * asking first (CSRF); for JSON the browser asks, and is answered by CORS_ORIGINS.
 *
 * What is JSON inside a URL is the client's as well: yoga takes a mistake in it for one of ours.
 */
export function useJsonRequests(): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser }) {
      if (request.method === 'POST' && !isJson(request.headers.get('content-type'))) {
        throw badRequest(415, 'The body of a request must be JSON: send "Content-Type: application/json".');
      }
      if (request.method === 'GET' && requestParser !== undefined) {
        setRequestParser((parsed) => {
          try {
            return requestParser(parsed);
          } catch (error) {
            if (!(error instanceof SyntaxError)) throw error;
            throw badRequest(
              400,
              'The parameters "variables" and "extensions" of a GET request must be JSON objects.',
            );
          }
        });
      }
    },
  };
}

function isJson(contentType: string | null): boolean {
  return /^\s*application\/(?:graphql\+)?json\s*(?:;|$)/i.test(contentType ?? '');
}

function badRequest(status: number, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status } } });
}
