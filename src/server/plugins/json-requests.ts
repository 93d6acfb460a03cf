import { GraphQLError } from 'graphql';
import type { GraphQLParams } from 'graphql-yoga';
import type { GatewayPlugin } from './request-state.ts';

/**
 * Accepts JSON bodies only. Yoga reads forms and plain text too, which any web page can make a browser send here
 * without a preflight (CSRF). For JSON the browser sends a preflight, which the setting `CORS_ORIGINS` decides.
 *
 * Malformed JSON in the URL of a GET is the client's mistake; yoga would answer it as a bug of the server.
 */
export function useJsonRequests(): GatewayPlugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, serverContext }) {
      if (request.method === 'POST') {
        if (!isJson(request.headers.get('content-type'))) {
          throw badRequest(415, 'The body of a request must be JSON: send "Content-Type: application/json".');
        }
        setRequestParser(() => paramsIn(serverContext.body?.take()));
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

/** Bodies up to this size cost little however deep they nest. */
const SHALLOW_BYTES = 16 * 1024;
/** Parsing makes a list or object of each level, which takes many times its bracket. */
const MAX_DEPTH = 500;

/** The body was read before, see request-bodies.ts; yoga would read it from the request. */
function paramsIn(body: Buffer | undefined): GraphQLParams | GraphQLParams[] {
  if (body !== undefined && isTooDeep(body)) {
    throw badRequest(400, `The body of a request may nest at most ${MAX_DEPTH} lists and objects.`);
  }
  const params = parsed(body?.toString('utf8') ?? '');
  if (typeof params === 'object' && params !== null) return params;
  throw badRequest(400, 'The body of a request must be a JSON object with the member "query".');
}

/** Whether a body of JSON nests so deep that it is not parsed. */
export function isTooDeep(json: Buffer): boolean {
  return json.length > SHALLOW_BYTES && nestsDeeperThan(MAX_DEPTH, json);
}

/** Reads the brackets of JSON outside of its strings. */
function nestsDeeperThan(max: number, json: Buffer): boolean {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (isText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (++depth > max) return true;
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The runtime's own message would repeat the body.
    throw badRequest(400, 'The body of the request is not valid JSON.');
  }
}

export function isJson(contentType: string | null | undefined): boolean {
  return /^\s*application\/(?:graphql\+)?json\s*(?:;|$)/i.test(contentType ?? '');
}

function badRequest(status: number, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status } } });
}
