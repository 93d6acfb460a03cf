import type { RequestListener } from 'node:http';
import type { GraphQLSchema } from 'graphql';
import { type Clock, systemClock } from './clock.ts';
import { type Config, ConfigError } from './config.ts';
import { createAudit } from './graphql/audit.ts';
import { createContextFactory } from './graphql/context.ts';
import { ERROR_CODES } from './graphql/error-codes.ts';
import { createGatewaySchema } from './graphql/schema.ts';
import { UPSTREAM_CODES } from './graphql/upstream-errors.ts';
import { createBackfillUpdates } from './graphql/live/backfill-updates.ts';
import type { Log } from './log.ts';
import type { Transport } from './metric-labels.ts';
import { createMetrics } from './metrics.ts';
import { defaultsFor, type GraphiqlDefaults } from './server/graphiql.ts';
import { graphiqlScript } from './server/graphiql-script.ts';
import { answerBy } from './server/answering.ts';
import { allowOrigins } from './server/cors.ts';
import { nameCallers, nameTokens } from './server/callers.ts';
import {
  type CallerSharesState,
  createCallerShares,
  type ShareTotals,
  statesOf,
} from './server/caller-shares.ts';
import { frontDoor } from './server/front-door.ts';
import { answerAt, type Endpoints, probes, ROOT_REDIRECT, scrapes } from './server/operational-endpoints.ts';
import { createFinishResult } from './server/plugins/error-results.ts';
import { createFront, type Front, type PlanningAt } from './server/front/front.ts';
import { createGraphqlServer } from './server/graphql-server.ts';
import type { Handlers, ListenerLimits } from './server/listener.ts';
import { shedLoad } from './server/load-shedding.ts';
import { createOpenStreams } from './server/open-streams.ts';
import { type BodyLimits, receiveBodies } from './server/request-bodies.ts';
import { findInvalidDocuments } from './server/plugins/trusted-documents.ts';
import { createTurns } from './server/turns.ts';
import { createWebSockets } from './server/websocket.ts';
import { createWebSocketOperations } from './server/websocket-operations.ts';
import { parseCredential } from './upstream/credentials.ts';
import { createUpstream, type SharedState, type UpstreamState } from './upstream/upstream.ts';
import { findTracing } from './tracing/tracing.ts';

export interface GatewayOptions {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  /** What GraphiQL opens with, where it is on. */
  readonly graphiqlDefaults?: GraphiqlDefaults;
  /** Pages beside the endpoint, such as one at `/` in the place of the redirect to GraphiQL. The demo alone has any. */
  readonly pages?: Endpoints;
  /** Limits of the server that are no settings. */
  readonly limits?: ServerLimits;
  /** When a text is compiled. Tests compare the answers with and without. */
  readonly planningAt?: PlanningAt;
  /** What several replicas share; without it this process is on its own. */
  readonly shared?: SharedState | undefined;
}

export interface ServerLimits {
  readonly listener?: Partial<ListenerLimits>;
  readonly bodies?: BodyLimits;
  /** Milliseconds between the comments on a stream. */
  readonly beatMs?: number;
  /** How much there is of what callers share. */
  readonly totals?: ShareTotals;
}

/** Numbers of fixed names, which name nobody. */
export interface GatewayState extends Omit<UpstreamState, 'values'> {
  readonly streams: Readonly<Record<Transport, number>>;
  readonly shares: CallerSharesState;
  readonly caches: { readonly values: UpstreamState['values'] } & ReturnType<Front['size']>;
  readonly logLinesDropped: number;
}

export interface Gateway extends Required<Handlers> {
  /** Answers at `METRICS_PORT`, where that is set. */
  readonly handleScrape: RequestListener;
  /** Whether `/ready` says so; a gateway starts not ready. */
  setReady(ready: boolean): void;
  /** What is to be done before it is ready. */
  warm(): Promise<void>;
  /** Breaks streams off within so many milliseconds, and closes each WebSocket when its other operations are done. */
  endStreams(withinMs: number): void;
  /** What is open, under way and kept at this moment, for people. */
  state(): GatewayState;
  /** Ends the connections to the REST API, and with them whatever still waits for it. */
  close(): Promise<void>;
}

/**
 * Joins upstream/, graphql/ and server/. The gateway has no port yet: running-gateway.ts gives it one.
 * @throws {ConfigError} where a trusted document does not fit the schema
 */
export function createGateway({
  config,
  log,
  clock = systemClock,
  graphiqlDefaults,
  pages = new Map(),
  limits,
  planningAt = 'second use',
  shared,
}: GatewayOptions): Gateway {
  const schema = createGatewaySchema();
  assertDocumentsFit(config, schema);
  const metrics = createMetrics(clock, Object.keys(ERROR_CODES));
  const tracing = findTracing(UPSTREAM_CODES);
  const upstream = createUpstream(
    {
      baseUrl: config.SUPERMETRICS_API_URL,
      proxies: { http: config.HTTP_PROXY, https: config.HTTPS_PROXY, none: config.NO_PROXY },
      ttlMs: config.CACHE_TTL_MS,
      finalTtlMs: config.CACHE_FINAL_TTL_MS,
      staleMs: config.CACHE_STALE_MS,
      staleAfterMs: config.STALE_AFTER_MS,
      // The rest is for the texts of rows.
      maxBytes: (7 / 8) * config.CACHE_MAX_BYTES,
      hourlyQuota: config.UPSTREAM_HOURLY_QUOTA,
      replicas: config.REPLICAS,
      timeoutMs: config.UPSTREAM_TIMEOUT_MS,
      maxConcurrency: config.UPSTREAM_MAX_CONCURRENCY,
      pollMs: config.SUBSCRIPTION_POLL_MS,
    },
    { clock, log, metrics, shared },
  );
  const shares = createCallerShares(upstream.isAccepted, metrics.recordRefusal, limits?.totals);
  const { underWay, unsentAnswers } = shares;
  const updates = createBackfillUpdates({
    upstream,
    streams: shares.streams,
    clock,
    metrics,
    tracing,
    staleMs: config.CACHE_STALE_MS,
    onStale: (isStale) => log.warn(isStale ? 'streams told stale' : 'streams told fresh again'),
  });
  metrics.total('log_lines_dropped_total', 'Log lines that were not written.', () => log.linesDropped());
  const finishResult = createFinishResult({ log, metrics });
  let ready = false;
  const streams = createOpenStreams(clock);
  const nameToken = nameTokens(config.CACHE_SECRET?.[0]);
  const createContext = createContextFactory({
    upstream,
    audit: createAudit({ log, nameToken }),
    clock,
    updates,
    defaultTeamId: config.SUPERMETRICS_TEAM_ID,
    maxCallsPerOperation: config.MAX_UPSTREAM_CALLS_PER_OPERATION,
  });
  const server = createGraphqlServer({
    schema,
    createContext,
    isEnding: () => streams.isEnding,
    finishResult,
    unsentAnswers,
    graphiql: config.GRAPHIQL ? (graphiqlDefaults ?? defaultsFor(config.SUPERMETRICS_TEAM_ID)) : undefined,
    introspection: config.INTROSPECTION,
    trustedDocuments: config.TRUSTED_DOCUMENTS,
    variesByOrigin: config.CORS_ORIGINS.length > 0,
    isTraced: tracing !== undefined,
    clock,
    log,
    metrics,
  });

  const nameCaller = config.LOG_CALLERS
    ? nameCallers({
        nameToken,
        tokenIn: (authorization) => parseCredential(authorization)?.token,
        defaultTeamId: config.SUPERMETRICS_TEAM_ID,
      })
    : undefined;
  const front = createFront(
    {
      schema,
      createContext,
      finishResult,
      unsentAnswers,
      variesByOrigin: config.CORS_ORIGINS.length > 0,
      trustedDocuments: config.TRUSTED_DOCUMENTS,
      maxTextBytes: config.CACHE_MAX_BYTES / 8,
      planningAt,
      clock,
      log,
      metrics,
      nameCaller,
      tracing,
    },
    answerBy(server, streams, { clock, log, metrics, nameCaller, tracing, beatMs: limits?.beatMs }),
  );
  const turns = createTurns(clock);
  const shedding = shedLoad(front.answer, { metrics, underWay, turns });
  const bodies = receiveBodies(shedding.handle, { together: shares.bodies, metrics, ...limits?.bodies });
  const sockets = createWebSockets({
    operations: createWebSocketOperations({
      server,
      schema,
      finishResult,
      admit: shedding.admit,
      turns,
      clock,
      log,
      metrics,
      nameCaller,
      tracing,
    }),
    unsentAnswers,
    open: shares.sockets,
    isAccepted: upstream.isAccepted,
    streams,
    log,
    corsOrigins: config.CORS_ORIGINS,
  });

  const scraping = scrapes(metrics);
  const endpoints: Endpoints = new Map([
    ...probes(() => ready),
    ...(config.METRICS_PORT === undefined ? scraping : []),
    ...(config.GRAPHIQL ? [...ROOT_REDIRECT, ...graphiqlScript()] : []),
    ...pages,
  ]);

  const handle = allowOrigins(
    config.CORS_ORIGINS,
    frontDoor(answerAt(endpoints, bodies, { log }), metrics, pathsOf(endpoints, '/graphql')),
  );

  return {
    handle: tracing?.arriving(handle) ?? handle,
    handleScrape: allowOrigins(
      config.CORS_ORIGINS,
      frontDoor(answerAt(scraping, bodies, { log }), metrics, pathsOf(scraping)),
    ),
    connected: turns.connected,
    upgrade: sockets.upgrade,
    warm: () => front.warm(),
    setReady(value) {
      ready = value;
    },
    endStreams(withinMs) {
      sockets.close();
      streams.endAll(withinMs);
    },
    state() {
      const { values, ...known } = upstream.state();
      return {
        streams: streams.byTransport(),
        shares: statesOf(shares),
        caches: { values, ...front.size() },
        ...known,
        logLinesDropped: log.linesDropped(),
      };
    },
    async close() {
      shedding.stop();
      await server.dispose();
      await upstream.close();
      await tracing?.close();
    },
  };
}

/** @throws {ConfigError} where a trusted document does not fit the schema */
export function assertDocumentsFit(
  { TRUSTED_DOCUMENTS = new Map<string, string>() }: Config,
  schema: GraphQLSchema = createGatewaySchema(),
): void {
  const invalid = findInvalidDocuments(schema, TRUSTED_DOCUMENTS);
  if (invalid.length === 0) return;
  throw new ConfigError(invalid.map((fault) => `TRUSTED_DOCUMENTS ${fault}`).join('\n'));
}

function pathsOf(endpoints: Endpoints, ...more: readonly string[]): ReadonlySet<string> {
  return new Set([...endpoints.keys(), ...more]);
}
