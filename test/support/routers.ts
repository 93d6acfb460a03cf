import { ApolloGateway, RemoteGraphQLDataSource } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';
import { onTestFinished } from 'vitest';
import { serve } from './serve.ts';

// Read by every ApolloGateway that is made; without it, it reports to its vendor.
process.env['APOLLO_TELEMETRY_DISABLED'] = 'true';

/** Serves a supergraph until the test ends; gives the URL. */
export type StartRouter = (supergraph: string) => Promise<string>;

/** What the README tells operators to let through to the subgraph. */
const FORWARDED = ['authorization', 'x-team-id', 'x-request-id', 'traceparent', 'cache-control'] as const;

type HiveOptions = Parameters<typeof createGatewayRuntime>[0];

const startHive = async (
  supergraph: string,
  more: Pick<HiveOptions, 'transportEntries' | 'upstreamRetry'> = {},
): Promise<string> => {
  const gateway = createGatewayRuntime({
    supergraph,
    ...more,
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

/** Subscriptions go over SSE unless told otherwise. */
export const startHiveGateway: StartRouter = (supergraph) => startHive(supergraph);

/** What the README tells operators to set where the router is to ask again what failed. */
export const startHiveGatewayThatRetries: StartRouter = (supergraph) =>
  startHive(supergraph, {
    upstreamRetry: ({ executionRequest: { operationType } }) =>
      // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-comparison -- as the README shows it
      operationType === 'query' ? { maxRetries: 3, retryDelay: 1 } : undefined,
  });

/** The option as its documentation shows it, which does not ask what the operation is. */
export const startHiveGatewayThatRetriesAll: StartRouter = (supergraph) =>
  startHive(supergraph, { upstreamRetry: { maxRetries: 3, retryDelay: 1 } });

/** `retry` of the subgraph named `writes`. */
export const startHiveGatewayThatRetriesErrors: StartRouter = (supergraph) =>
  startHive(supergraph, { transportEntries: { writes: { options: { retry: 3 } } } });

/** What the README tells operators to set for subscriptions over WebSocket. */
export const startHiveGatewayOverWebSocket: StartRouter = (supergraph) =>
  startHive(supergraph, {
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
  });

interface ApolloContext {
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
}

export const startApolloGateway: StartRouter = async (supergraphSdl) => {
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
