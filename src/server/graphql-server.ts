import { blockFieldSuggestionsPlugin } from '@escape.tech/graphql-armor-block-field-suggestions';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import { createYoga, type YogaServerInstance } from 'graphql-yoga';
import type { Clock } from '../clock.ts';
import type { GatewayContext, CallerFacts } from '../graphql/context.ts';
import { toPublicError } from '../graphql/errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { useAcceptedTypes } from './plugins/accepted-types.ts';
import { useAutomaticPersistedQueries } from './plugins/automatic-persisted-queries.ts';
import { useBodyLimit } from './plugins/body-limit.ts';
import { costQuestionOf, EXPLAIN_COST, useCostReport } from './plugins/cost-report.ts';
import { type FinishResult, useErrorResults } from './plugins/error-results.ts';
import { useEtag } from './plugins/etag.ts';
import { useEventStreams } from './plugins/event-streams.ts';
import { useExactIntegers } from './plugins/exact-integers.ts';
import { type GraphiqlDefaults, graphiqlOptions, renderGraphiQL } from './graphiql.ts';
import { useJsonRequests } from './plugins/json-requests.ts';
import { useNoIntrospection } from './plugins/no-introspection.ts';
import { createDocumentCaches, useOperationLimits } from './plugins/operation-limits.ts';
import { useOperationalEndpoints } from './plugins/operational-endpoints.ts';
import { useRequestLog } from './plugins/request-log.ts';
import type { ServerContext } from './plugins/request-state.ts';
import { useResponseHeaders } from './plugins/response-headers.ts';
import { useRootRedirect } from './plugins/root-redirect.ts';
import { useSubscriptionLog } from './plugins/subscription-log.ts';
import { type TrustedDocuments, useTrustedDocuments } from './plugins/trusted-documents.ts';

export interface GraphqlServerDeps {
  readonly schema: GraphQLSchema;
  readonly createContext: (facts: CallerFacts) => GatewayContext;
  readonly isReady: () => boolean;
  /** Whether the gateway breaks its streams off. */
  readonly isEnding: () => boolean;
  readonly finishResult: FinishResult;
  readonly graphiql: GraphiqlDefaults | boolean;
  readonly introspection: boolean;
  /** The only documents that run; undefined where any document may. */
  readonly trustedDocuments: TrustedDocuments | undefined;
  readonly corsOrigins: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export type GraphqlServer = YogaServerInstance<ServerContext, GatewayContext>;

export function createGraphqlServer(deps: GraphqlServerDeps): GraphqlServer {
  const { schema, createContext, isReady, graphiql, introspection, trustedDocuments, corsOrigins } = deps;
  const { finishResult, isEnding, clock, log, metrics } = deps;

  return createYoga<ServerContext, GatewayContext>({
    schema,
    context({ request, state: { requestId, traceparent } }) {
      const costQuestion = costQuestionOf(request.headers.get(EXPLAIN_COST));
      return createContext({
        requestId,
        traceparent,
        authorization: request.headers.get('authorization'),
        teamId: request.headers.get('x-team-id'),
        // Any other value was refused before, see useCostReport.
        costQuestion: costQuestion ?? 'none',
        noCache: /(?:^|[\s,])no-cache(?:$|[\s,])/i.test(request.headers.get('cache-control') ?? ''),
      });
    },
    // useErrorResults makes the errors of execution public, once it knows how many of them leave.
    maskedErrors: {
      maskError: (error) => (error instanceof GraphQLError ? error : toPublicError(error)),
    },
    graphiql: graphiql === false ? false : graphiqlOptions(graphiql === true ? undefined : graphiql),
    renderGraphiQL,
    landingPage: false,
    cors: corsOrigins.length > 0 && {
      origin: [...corsOrigins],
      credentials: false,
      methods: ['GET', 'POST'],
      allowedHeaders: [
        'Authorization',
        'Cache-Control',
        'Content-Type',
        'Traceparent',
        'Tracestate',
        EXPLAIN_COST,
        'X-Request-Id',
        'X-Team-Id',
      ],
      exposedHeaders: ['X-Request-Id'],
      maxAge: 86_400,
    },
    multipart: false,
    parserAndValidationCache: createDocumentCaches(),
    // Plugins below do both: yoga's health check takes any URL with that ending, and its body limit copies every body
    // through a stream.
    healthCheckEndpoint: '/ ',
    maxRequestBodySize: false,
    // useRequestLog and useErrorResults log what goes wrong, with its request.
    logging: false,
    plugins: [
      // Responses pass these in this order: useAcceptedTypes makes new ones, useEtag needs Cache-Control, and the log
      // needs the final status.
      useAcceptedTypes(finishResult),
      useResponseHeaders(clock),
      useEtag(),
      useEventStreams(),
      useRequestLog({ clock, log, metrics }),
      useOperationalEndpoints(isReady, metrics),
      graphiql !== false && useRootRedirect(),
      useBodyLimit(),
      useJsonRequests(),
      useExactIntegers(),
      useOperationLimits(),
      // Never both: they take the id of a document from the same place.
      trustedDocuments === undefined ? useAutomaticPersistedQueries() : useTrustedDocuments(trustedDocuments),
      useCostReport(),
      useErrorResults(finishResult),
      useSubscriptionLog({ clock, log, isEnding }),
      !introspection && useNoIntrospection(),
      // Suggestions give the schema away, one guess after the other.
      !introspection && blockFieldSuggestionsPlugin(),
    ],
  });
}
