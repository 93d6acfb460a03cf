import { createHash } from 'node:crypto';
import type { Plugin } from 'graphql-yoga';

/**
 * Answers 304 to a client that polls by GET and has the body already. The operation is executed all the same, so this
 * saves bytes and parsing, not upstream calls.
 *
 * Only answers that a client may keep get a tag; {@link useResponseHeaders} has decided that before. A client has no
 * copy of a `no-store` answer, such as a failure, to compare with. POSTs pay one comparison. GraphiQL's page is such an
 * answer too.
 */
export function useEtag(): Plugin {
  return {
    async onResponse({ request, response, setResponse, fetchAPI }) {
      if (request.method !== 'GET' || !isKept(response) || !isWhole(response)) return;
      const body = await response.text();
      const etag = etagOf(body);
      const headers = new fetchAPI.Headers(response.headers);
      headers.set('ETag', etag);
      if (!holds(request.headers.get('if-none-match'), etag)) {
        setResponse(new fetchAPI.Response(body, { status: response.status, headers }));
        return;
      }
      headers.delete('Content-Type');
      headers.delete('Content-Length');
      setResponse(new fetchAPI.Response(null, { status: 304, headers }));
    },
  };
}

function isKept({ headers }: Response): boolean {
  return headers.get('cache-control')?.startsWith('private') ?? false;
}

/** False for event streams, whose body must not be collected. */
function isWhole({ headers }: Response): boolean {
  return /^(?:application\/(?:graphql-response\+)?json|text\/html)\b/.test(headers.get('content-type') ?? '');
}

/** Weak: the same body goes out under two media types, and proxies compress it. */
export function etagOf(body: string): string {
  return `W/"${createHash('sha256').update(body).digest('base64url')}"`;
}

/** RFC 9110, 13.1.2: a list of tags compared weakly, or `*` for any. */
export function holds(ifNoneMatch: string | null | undefined, etag: string): boolean {
  const opaque = (tag: string): string => tag.trim().replace(/^W\//, '');
  const wanted = new Set(['*', opaque(etag)]);
  return ifNoneMatch?.split(',').some((tag) => wanted.has(opaque(tag))) ?? false;
}
