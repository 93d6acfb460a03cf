import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';

export const MAX_BODY_BYTES = 256 * 1024;

/**
 * Bounds the memory that one request can take. Yoga's own limit copies every body through a stream, at half the
 * requests a second. Here a body with a Content-Length costs a comparison, and only one without is counted.
 */
export function useBodyLimit(): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser, fetchAPI }) {
      if (request.method !== 'POST' || requestParser === undefined) return;
      const length = request.headers.get('content-length');
      if (length !== null && Number(length) > MAX_BODY_BYTES) throw tooLarge();
      if (length !== null) return;
      setRequestParser(async () => {
        const { url, method, headers } = request;
        const body = await readWithin(request, MAX_BODY_BYTES).catch(() => {
          // The client has left or broken the protocol. As an unknown error this would be logged as a bug.
          throw badRequest(400, 'The body of the request broke off.');
        });
        if (body === undefined) throw tooLarge();
        return requestParser(new fetchAPI.Request(url, { method, headers, body }));
      });
    },
  };
}

/**
 * The body, or undefined when it is too large. It is read to its end all the same, because a client that is still
 * sending does not read the answer.
 */
async function readWithin(request: Request, max: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes <= max) chunks.push(chunk);
  }
  return bytes <= max ? Buffer.concat(chunks).toString('utf8') : undefined;
}

function tooLarge(): GraphQLError {
  return badRequest(413, `The body of a request may hold at most ${MAX_BODY_BYTES} bytes.`);
}

function badRequest(status: number, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status } } });
}
