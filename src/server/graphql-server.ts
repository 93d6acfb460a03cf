import { blockFieldSuggestionsPlugin } from '@escape.tech/graphql-armor-block-field-suggestions';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import { createYoga, type YogaServerInstance } from 'graphql-yoga';
import type { Clock } from '../clock.ts';
import type { GatewayContext, CallerFacts } from '../graphql/context.ts';
import { toPublicError } from '../graphql/errors.ts';
import { FailedField } from '../graphql/failed-field.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Shares } from '../shares.ts';
import { useAnswerLimits } from './plugins/answer-limits.ts';
import { useAnswerBytes } from './plugins/answer-bytes.ts';
import { useAcceptedTypes } from './plugins/accepted-types.ts';
import { useAutomaticPersistedQueries } from './plugins/automatic-persisted-queries.ts';
import { costQuestionOf, EXPLAIN_COST, useCostReport } from './plugins/cost-report.ts';
import { type FinishResult, useErrorResults } from './plugins/error-results.ts';
import { useEtag } from './plugins/etag.ts';
import { useEventStreams } from './plugins/event-streams.ts';
import { useExactIntegers } from './plugins/exact-integers.ts';
import { type GraphiqlDefaults, renderPage } from './graphiql.ts';
import { useJsonRequests } from './plugins/json-requests.ts';
import { useNoIntrospection } from './plugins/no-introspection.ts';
import { useOperationTraces } from './plugins/operation-traces.ts';
import { createDocumentCaches, useOperationLimits } from './plugins/operation-limits.ts';
import { useRequestLog } from './plugins/request-log.ts';
import { readsPastCache, type ServerContext } from './plugins/request-state.ts';
import { useResponseHeaders } from './plugins/response-headers.ts';
import { useSubscriptionLog } from './plugins/subscription-log.ts';
import { type TrustedDocuments, useTrustedDocuments } from './plugins/trusted-documents.ts';

export interface GraphqlServerDeps {
  readonly schema: GraphQLSchema;
  readonly createContext: (facts: CallerFacts) => GatewayContext;
  /** Whether the gateway breaks its streams off. */
  readonly isEnding: () => boolean;
  readonly finishResult: FinishResult;
  /** Of the bytes of answers that have been made and not yet handed to the network. */
  readonly unsentAnswers: Shares;
  /** What GraphiQL opens with; undefined where it is off. */
  readonly graphiql: GraphiqlDefaults | undefined;
  readonly introspection: boolean;
  /** The only documents that run; undefined where any document may. */
  readonly trustedDocuments: TrustedDocuments | undefined;
  /** Whether some headers of an answer depend on the page that asks. */
  readonly variesByOrigin: boolean;
  /** Whether traces are made. */
  readonly isTraced: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export type GraphqlServer = YogaServerInstance<ServerContext, GatewayContext>;

export function createGraphqlServer(deps: GraphqlServerDeps): GraphqlServer {
  const { schema, createContext, graphiql, introspection, trustedDocuments, variesByOrigin } = deps;
  const { finishResult, isEnding, unsentAnswers, clock, log, metrics } = deps;

  return createYoga<ServerContext, GatewayContext>({
    schema,
    context({ request, state: { requestId, traceparent, trace } }) {
      const costQuestion = costQuestionOf(request.headers.get(EXPLAIN_COST));
      return createContext({
        requestId,
        traceparent,
        trace,
        authorization: request.headers.get('authorization'),
        teamId: request.headers.get('x-team-id'),
        // Any other value was refused before, see useCostReport.
        costQuestion: costQuestion ?? 'none',
        noCache: readsPastCache(request.headers.get('cache-control')),
      });
    },
    // useErrorResults makes the errors of execution public, once it knows how many of them leave.
    maskedErrors: {
      maskError: (error) =>
        error instanceof GraphQLError || error instanceof FailedField ? error : toPublicError(error),
    },
    graphiql: graphiql !== undefined,
    renderGraphiQL: () => (graphiql === undefined ? '' : renderPage(graphiql)),
    landingPage: false,
    // cors.ts gives the headers to all answers, those without yoga included.
    cors: false,
    multipart: false,
    parserAndValidationCache: createDocumentCaches(),
    // operational-endpoints.ts and request-bodies.ts do both: yoga's health check takes any URL with that ending, and its
    // body limit copies every body through a stream.
    healthCheckEndpoint: '/ ',
    maxRequestBodySize: false,
    // useRequestLog and useErrorResults log what goes wrong, with its request.
    logging: false,
    plugins: [
      // Responses pass these in this order: useAcceptedTypes makes new ones, useEtag needs Cache-Control, and the log
      // needs the final status.
      useAcceptedTypes(finishResult),
      useResponseHeaders(clock, variesByOrigin),
      useEtag(),
      useEventStreams(unsentAnswers, finishResult),
      useRequestLog({ clock, log, metrics }),
      useJsonRequests(),
      useExactIntegers(),
      useOperationLimits(),
      // Never both: they take the id of a document from the same place.
      trustedDocuments === undefined ? useAutomaticPersistedQueries() : useTrustedDocuments(trustedDocuments),
      useAnswerLimits(unsentAnswers),
      useCostReport(),
      useErrorResults(finishResult),
      // After it, which gives the result that is sent.
      useAnswerBytes(unsentAnswers, finishResult),
      useSubscriptionLog({ clock, log, metrics, isEnding }),
      deps.isTraced && useOperationTraces(),
      !introspection && useNoIntrospection(),
      // Suggestions give the schema away, one guess after the other.
      !introspection && blockFieldSuggestionsPlugin(),
    ],
  });
}
