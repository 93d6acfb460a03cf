import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gzip } from 'node:zlib';
import { GRAPHIQL_FILE } from '../package-files.ts';
import { type Encoding, encodingFor } from './content-encodings.ts';
import { makeGraphiqlScript } from './graphiql-making.ts';
import type { EndpointAnswer, Endpoints } from './operational-endpoints.ts';
import { holds } from './plugins/etag.ts';

/** The script's address as the page of GraphiQL names it: below the page's own path, whatever proxy serves that. */
export const SCRIPT_QUERY = '?graphiql.js';

interface Encoded {
  readonly body: Buffer;
  readonly etag: string;
}

/**
 * GraphiQL with its style and its workers, 9 MB of text that is the same for every page. It is loaded when the first browser
 * asks for it, which in production none does. What stays is a form of 2 MB for each of two encodings.
 */
export function graphiqlScript(): Endpoints {
  const kept = new Map<Encoding, Promise<Encoded>>();

  function encoded(encoding: Encoding): Promise<Encoded> {
    const known = kept.get(encoding);
    if (known !== undefined) return known;
    const made = encode(encoding).then((body) => ({ body, etag: etagOf(body) }));
    // Without compression the text is large, and hardly anybody asks for it.
    if (encoding !== 'identity') kept.set(encoding, made);
    made.catch(() => kept.delete(encoding));
    return made;
  }

  async function encode(encoding: Encoding): Promise<Buffer> {
    switch (encoding) {
      case 'identity':
        return promisify(brotliDecompress)((await encoded('br')).body);
      case 'gzip':
        return promisify(gzip)(await encode('identity'));
      case 'br':
        return existsSync(GRAPHIQL_FILE) ? readFile(GRAPHIQL_FILE) : makeGraphiqlScript();
    }
  }

  async function answer(headers: IncomingHttpHeaders): Promise<EndpointAnswer> {
    const encoding = encodingFor(headers['accept-encoding'], ['br', 'gzip']);
    const { body, etag } = await encoded(encoding);
    const common = { 'Cache-Control': 'private, no-cache', ETag: etag, Vary: 'Accept-Encoding' };
    if (holds(headers['if-none-match'], etag)) return { status: 304, headers: common, body: Buffer.alloc(0) };
    const coding = encoding === 'identity' ? {} : { 'Content-Encoding': encoding };
    const type = { 'Content-Type': 'text/javascript; charset=utf-8' };
    return { status: 200, headers: { ...common, ...type, ...coding }, body };
  }

  return new Map([[`/graphql${SCRIPT_QUERY}`, answer]]);
}

function etagOf(body: Buffer): string {
  return `"${createHash('sha256').update(body).digest('base64url')}"`;
}
