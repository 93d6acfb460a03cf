import type { Plugin } from 'graphql-yoga';

const MAX_BODY_BYTES = 256 * 1024;

/**
 * Bounds what one request can make us hold. Yoga's own limit copies every body through a stream, at half the requests
 * a second; here a body that states its length costs a comparison, and only one that does not state it is counted.
 */
export function useBodyLimit(): Plugin {
  return {
    onRequest({ request, setRequest, endResponse, fetchAPI }) {
      if (request.method !== 'POST') return undefined;
      const refuse = (): void => {
        const error = {
          message: `The body of a request may hold at most ${MAX_BODY_BYTES} bytes.`,
          extensions: { code: 'BAD_REQUEST', retryable: false },
        };
        // The rest of the body is not read, so the connection is of no further use.
        endResponse(
          fetchAPI.Response.json({ errors: [error] }, { status: 413, headers: { Connection: 'close' } }),
        );
      };

      const length = request.headers.get('content-length');
      if (length !== null) {
        if (Number(length) > MAX_BODY_BYTES) refuse();
        return undefined;
      }
      return readWithin(request, MAX_BODY_BYTES).then((body) => {
        if (body === undefined) refuse();
        else
          setRequest(new fetchAPI.Request(request.url, { method: 'POST', headers: request.headers, body }));
      });
    },
  };
}

async function readWithin(request: Request, max: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > max) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
