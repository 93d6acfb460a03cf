import { readFileSync } from 'node:fs';

/**
 * Where the package keeps what is no program. This file lies in `src`; compiled or bundled it lies in `dist`. The package
 * is the folder above both.
 */
export const SCHEMA_FILE = new URL('../schema.graphql', import.meta.url);
const MANIFEST_FILE = new URL('../package.json', import.meta.url);
/** The script of GraphiQL, compressed by brotli: beside the bundle, and nowhere else. */
export const GRAPHIQL_FILE = new URL('graphiql.js.br', import.meta.url);

export function packageVersion(): string {
  const text = readFileSync(MANIFEST_FILE, 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
