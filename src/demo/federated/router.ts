import { createGatewayRuntime, type GatewayRuntime } from '@graphql-hive/gateway-runtime';
import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { composedGraphiql } from './graphiql.ts';

/** What the README tells operators of a router to let through to the subgraphs. */
const FORWARDED = ['authorization', 'x-team-id', 'x-request-id', 'traceparent', 'cache-control'];

const OF_THIS_MACHINE = /^https?:\/\/localhost(:\d+)?$/;

/** Hive Gateway with its own page, as the README configures it. It asks no host but those of the subgraphs. */
export function createRouter(supergraph: string): GatewayRuntime {
  return createGatewayRuntime({
    supergraph,
    logging: false,
    landingPage: false,
    graphiql: (request) => Promise.resolve(composedGraphiql(request)),
    // Its own would come from a CDN.
    renderGraphiQL,
    cors: (request) => {
      const origin = request.headers.get('origin') ?? '';
      return OF_THIS_MACHINE.test(origin) && { origin, credentials: false };
    },
    propagateHeaders: {
      fromClientToSubgraphs: ({ request }) =>
        Object.fromEntries(FORWARDED.map((name) => [name, request.headers.get(name)])),
    },
  });
}
