import { DEMO_GRAPHIQL, DEMO_CURL_QUERY } from './operations.ts';

/** Something to open. */
export interface Address {
  /** One word. */
  readonly name: string;
  readonly url: string;
}

/**
 * What the demo prints when it is ready: short lines that leave the addresses in view at the end of a terminal of 80×24,
 * below what npm prints.
 * @param endpoint the URL of the gateway's /graphql
 * @param addresses the one to open first comes last
 */
export function welcome(endpoint: string, addresses: readonly Address[]): string {
  const headers = ['Authorization', 'X-Team-Id'].map(
    (name) => `-H '${name}: ${DEMO_GRAPHIQL.headers[name] ?? ''}'`,
  );
  const width = Math.max(...addresses.map(({ name }) => name.length));
  return `
The gateway runs over a sandbox that plays the REST API. Ctrl+C ends it.
Tokens that make trouble, and what else there is: src/demo/README.md

  curl ${headers.join(' ')} \\
    -g '${endpoint.replace(/^http:\/\//, '')}?query=${DEMO_CURL_QUERY}'

${addresses.map(({ name, url }) => `  ${name.padEnd(width)}  ${url}`).join('\n')}
`;
}
