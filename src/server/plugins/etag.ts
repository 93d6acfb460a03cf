import { createHash } from 'node:crypto';
import type { Plugin } from 'graphql-yoga';

/**
 * Spares a client that polls by GET the body that it has already: while nothing changed it is answered 304. What the
 * answer says is read all the same, so this saves bytes and parsing, not upstream calls.
 *
 * Only answers that may be kept get a tag, which {@link useResponseHeaders} has decided when it comes to this: of what
 * is `no-store`, failures included, a client has nothing to compare with. POSTs pay one comparison.
 */
export function useEtag(): Plugin {
  return {
    async onResponse({ request, response, setResponse, fetchAPI }) {
      if (request.method !== 'GET' || !isKept(response) || !isJson(response)) return;
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

/** Streams are not for collecting. */
function isJson({ headers }: Response): boolean {
  return /^application\/(?:graphql-response\+)?json\b/.test(headers.get('content-type') ?? '');
}

/** Weak: the same body goes out under two media types, and proxies compress it. */
function etagOf(body: string): string {
  return `W/"${createHash('sha256').update(body).digest('base64url')}"`;
}

/** RFC 9110, 13.1.2: a list of tags compared weakly, or `*` for whatever there is. */
function holds(ifNoneMatch: string | null, etag: string): boolean {
  const opaque = (tag: string): string => tag.trim().replace(/^W\//, '');
  const wanted = new Set(['*', opaque(etag)]);
  return ifNoneMatch?.split(',').some((tag) => wanted.has(opaque(tag))) ?? false;
}
