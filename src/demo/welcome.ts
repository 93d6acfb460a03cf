import { DEMO_CURL_QUERY, DEMO_HEADERS } from './operations.ts';

/** Something to open. */
export interface Address {
  /** One word. */
  readonly name: string;
  readonly url: string;
}

/**
 * What the demo prints when it is ready: short lines that leave the addresses in view at the end of a terminal of 80×24,
 * below what npm prints.
 * @param endpoint the URL of /graphql at the gateway, or at the balancer before its replicas
 * @param replicas their number, if there are several
 * @param addresses the one to open first comes last
 */
export function welcome(
  endpoint: string,
  replicas: number | undefined,
  addresses: readonly Address[],
): string {
  const headers = (['Authorization', 'X-Team-Id'] as const).map(
    (name) => `-H '${name}: ${DEMO_HEADERS[name]}'`,
  );
  const width = Math.max(...addresses.map(({ name }) => name.length));
  const what =
    replicas === undefined
      ? 'The gateway runs over a sandbox that plays the REST API. Ctrl+C ends both.'
      : `${replicas} gateways share a Redis. A sandbox plays the REST API. Ctrl+C ends all of them.`;
  return `
${what}
Tokens that make trouble, and what else there is: src/demo/README.md

  curl ${headers.join(' ')} \\
    -g '${endpoint.replace(/^http:\/\//, '')}?query=${DEMO_CURL_QUERY}'

${addresses.map(({ name, url }) => `  ${name.padEnd(width)}  ${url}`).join('\n')}
`;
}
