import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/**
 * Accepts JSON bodies only. Yoga reads forms and plain text too, which any web page can make a browser send here
 * without a preflight (CSRF). For JSON the browser sends a preflight, which the setting `CORS_ORIGINS` decides.
 *
 * Malformed JSON in the URL of a GET is the client's mistake; yoga would answer it as a bug of the server.
 */
export function useJsonRequests(): Plugin {
  return {
    onRequest({ request }) {
      // Yoga compares it letter by letter, though media types have no case.
      const type = request.headers.get('content-type');
      if (type === null || AS_YOGA_READS_IT.test(type) || !isJson(type)) return;
      request.headers.set('content-type', 'application/json');
    },

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

const AS_YOGA_READS_IT = /^application\/json(?:;|$)/;

function isJson(contentType: string | null): boolean {
  return /^\s*application\/(?:graphql\+)?json\s*(?:;|$)/i.test(contentType ?? '');
}

function badRequest(status: number, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status } } });
}
