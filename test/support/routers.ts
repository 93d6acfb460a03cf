import { ApolloGateway, RemoteGraphQLDataSource } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { createGatewayRuntime, type GatewayConfigSupergraph } from '@graphql-hive/gateway-runtime';
import { unifiedGraphHandler } from '@graphql-hive/router-runtime';
import { GraphQLError } from 'graphql';
import { maskError } from 'graphql-yoga';
import { onTestFinished } from 'vitest';
import type { Subgraph } from './compose.ts';
import { serveByGrafbase, skipsWithoutGrafbase } from './grafbase.ts';
import { serve } from './serve.ts';

// Read by every ApolloGateway that is made; without it, it reports to its vendor.
process.env['APOLLO_TELEMETRY_DISABLED'] = 'true';

/** What a router serves. Some take the supergraph, others compose the subgraphs by themselves. */
export interface RoutedGraph {
  readonly supergraph: string;
  readonly subgraphs: readonly Subgraph[];
}

/** Serves a graph until the test ends; gives the URL. */
export type StartRouter = (graph: RoutedGraph) => Promise<string>;

/** A router as the README tells operators to configure it. */
export interface Router {
  readonly name: string;
  readonly start: StartRouter;
  /** It is another program, which this machine lacks. */
  readonly isMissing?: boolean;
}

/** What the README tells operators to let through to the subgraph. */
const FORWARDED = ['authorization', 'x-team-id', 'x-request-id', 'traceparent', 'cache-control'] as const;

export type HiveOptions = Omit<GatewayConfigSupergraph, 'supergraph'>;

/** Subscriptions go over SSE, and operations are planned in JavaScript, unless options say otherwise. */
export const hiveGateway =
  (...options: readonly HiveOptions[]): StartRouter =>
  async ({ supergraph }) => {
    const gateway = createGatewayRuntime({
      supergraph,
      ...options.reduce((all, more) => ({ ...all, ...more }), {}),
      logging: false,
      graphiql: false,
      landingPage: false,
      propagateHeaders: {
        fromClientToSubgraphs: ({ request }) =>
          Object.fromEntries(FORWARDED.map((name) => [name, request.headers.get(name)])),
      },
    });
    onTestFinished(async () => {
      await gateway[Symbol.asyncDispose]();
    });
    const origin = await serve((request, response) => void gateway(request, response));
    return `${origin}/graphql`;
  };

/** What the README tells operators to set for the Rust planner. */
export const RUST_PLANNER: HiveOptions = {
  unifiedGraphHandler,
  maskedErrors: {
    maskError(error, message, isDev) {
      const { message: told = message, path, extensions } = error as Partial<GraphQLError>;
      return extensions?.['serviceName'] === undefined
        ? maskError(error, message, isDev)
        : new GraphQLError(told, { path, extensions });
    },
  },
};

/** What the README tells operators to set where the router is to ask again what failed. */
export const RETRIES_QUERIES: HiveOptions = {
  upstreamRetry: ({ executionRequest: { operationType } }) =>
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-comparison -- as the README shows it
    operationType === 'query' ? { maxRetries: 3, retryDelay: 1 } : undefined,
};

/** The option as its documentation shows it, which does not ask what the operation is. */
export const RETRIES_ALL: HiveOptions = { upstreamRetry: { maxRetries: 3, retryDelay: 1 } };

/** `retry` of the subgraph named `writes`. */
export const RETRIES_ERRORS: HiveOptions = { transportEntries: { writes: { options: { retry: 3 } } } };

/** What the README tells operators to set for subscriptions over WebSocket. */
export const OVER_WEBSOCKET: HiveOptions = {
  transportEntries: {
    backfills: {
      options: {
        subscriptions: {
          kind: 'ws',
          options: {
            connectionParams: {
              Authorization: '{context.headers.authorization}',
              'X-Team-Id': '{context.headers["x-team-id"]}',
            },
          },
        },
      },
    },
  },
};

interface ApolloContext {
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
}

const startApolloGateway: StartRouter = async ({ supergraph: supergraphSdl }) => {
  const gateway = new ApolloGateway({
    supergraphSdl,
    buildService: ({ url = '' }) =>
      new RemoteGraphQLDataSource<ApolloContext>({
        url,
        willSendRequest({ request, context }) {
          const { headers = {} }: ApolloContext = context;
          for (const name of FORWARDED) {
            const value = headers[name];
            if (typeof value === 'string') request.http?.headers.set(name, value);
          }
        },
      }),
  });
  const server = new ApolloServer<ApolloContext>({
    gateway,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
  });
  onTestFinished(() => server.stop());
  const { url } = await startStandaloneServer(server, {
    listen: { port: 0, host: '127.0.0.1' },
    context: ({ req }) => Promise.resolve({ headers: req.headers }),
  });
  return url;
};

const forwarding = FORWARDED.map((name) => `[[headers]]\nrule = "forward"\nname = "${name}"\n`).join('\n');

/** Composes by itself. Subscriptions go over SSE unless its configuration says otherwise. */
export const grafbase =
  (...configuration: readonly string[]): StartRouter =>
  async ({ subgraphs }) =>
    `${await serveByGrafbase(subgraphs, [...configuration, forwarding].join('\n'))}/graphql`;

/** What the README tells operators to set for subscriptions over WebSocket. */
export const GRAFBASE_OVER_WEBSOCKET = 'subgraphs.backfills.subscription_protocol = "websocket"';

/** What the README tells operators to set where the router is to ask again what failed. */
export const GRAFBASE_RETRIES = 'gateway.retry.enabled = true';

export const HIVE_GATEWAY: Router = { name: 'Hive Gateway', start: hiveGateway() };
export const HIVE_GATEWAY_IN_RUST: Router = {
  name: 'Hive Gateway with the Rust planner',
  start: hiveGateway(RUST_PLANNER),
};
export const APOLLO_GATEWAY: Router = { name: 'Apollo Gateway', start: startApolloGateway };
export const GRAFBASE: Router = { name: 'Grafbase', start: grafbase(), isMissing: skipsWithoutGrafbase };
