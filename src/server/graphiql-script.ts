import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { brotliCompress, constants, gunzip, gzip } from 'node:zlib';
import { type Encoding, encodingFor } from './content-encodings.ts';
import type { EndpointAnswer, Endpoints } from './operational-endpoints.ts';
import { holds } from './plugins/etag.ts';

/** The script's address as the page of GraphiQL names it: below the page's own path, whatever proxy serves that. */
export const SCRIPT_QUERY = '?graphiql.js';

interface Encoded {
  readonly body: Buffer;
  readonly etag: string;
}

/**
 * GraphiQL with its style and its workers, 9 MB of text that is the same for every page. It is loaded and compressed when
 * the first browser asks for it, which in production none does. What stays is a form of 2 MB for each of two encodings.
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
        return promisify(gunzip)((await encoded('gzip')).body);
      case 'gzip':
        return promisify(gzip)(loadScript());
      case 'br':
        return promisify(brotliCompress)(loadScript(), { params: BROTLI });
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

/** A second of one core, for 2.1 MB; the next step takes two and a half for 1.9 MB. */
const BROTLI = { [constants.BROTLI_PARAM_QUALITY]: 4 };

function etagOf(body: Buffer): string {
  return `"${createHash('sha256').update(body).digest('base64url')}"`;
}

/** What `@graphql-yoga/render-graphiql` puts into its pages. */
interface Parts {
  readonly css: string;
  readonly js: string;
  readonly editorWorkerService: string;
  readonly jsonWorker: string;
  readonly graphqlWorker: string;
}

/** A script that leaves `YogaGraphiQL` for the page to call. */
function loadScript(): string {
  const { css, js, editorWorkerService, jsonWorker, graphqlWorker } = loadParts();
  const workers = { editorWorkerService, json: jsonWorker, graphql: graphqlWorker };
  return `document.head.append(Object.assign(document.createElement('style'), { textContent: ${JSON.stringify(css)} }));
self.MonacoEnvironment = {
  globalAPI: false,
  workers: Object.fromEntries(
    Object.entries(${JSON.stringify(workers)}).map(([label, text]) =>
      [label, URL.createObjectURL(new Blob([text], { type: 'application/javascript' }))]),
  ),
  getWorkerUrl(_module, label) { return this.workers[label]; },
};
${js};
`;
}

/** Loads the parts without keeping them: a module that was imported would hold its 34 MiB for ever. */
function loadParts(): Parts {
  const require = createRequire(import.meta.url);
  const path = require.resolve('@graphql-yoga/render-graphiql/graphiql');
  const parts = require(path) as Parts;
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- this is how Node forgets a module
  delete require.cache[path];
  return parts;
}
