import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';

/**
 * Makes the script of GraphiQL, compressed by brotli. The build calls it, so that an installed gateway needs no package;
 * where nothing was built, it is called when the first browser asks.
 */
export function makeGraphiqlScript(): Promise<Buffer> {
  return promisify(brotliCompress)(scriptText(), { params: BROTLI });
}

/** A second of one core, for 2.1 MB; the next step takes two and a half for 1.9 MB. */
const BROTLI = { [constants.BROTLI_PARAM_QUALITY]: 4 };

/** What `@graphql-yoga/render-graphiql` puts into its pages. */
interface Parts {
  readonly css: string;
  readonly js: string;
  readonly editorWorkerService: string;
  readonly jsonWorker: string;
  readonly graphqlWorker: string;
}

/** A script that leaves `YogaGraphiQL` for the page to call. */
function scriptText(): string {
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
