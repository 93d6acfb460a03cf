import { type Clock, systemClock } from './clock.ts';
import { type Config, ConfigError } from './config.ts';
import { createContextFactory } from './graphql/context.ts';
import { createGatewaySchema } from './graphql/schema.ts';
import { createBackfillUpdates } from './graphql/live/backfill-updates.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics.ts';
import type { GraphiqlDefaults } from './server/graphiql.ts';
import { createFinishResult } from './server/plugins/error-results.ts';
import { createGraphqlServer } from './server/graphql-server.ts';
import { type Handlers, listen } from './server/listener.ts';
import { shedLoad } from './server/load-shedding.ts';
import { beginState } from './server/plugins/request-state.ts';
import { findInvalidDocuments } from './server/plugins/trusted-documents.ts';
import { createAdmission } from './upstream/quota/admission.ts';
import { createWebSockets } from './server/websocket.ts';
import { createWebSocketOperations } from './server/websocket-operations.ts';
import { createBackfills } from './upstream/reads/backfills.ts';
import { createBackfillsClient } from './upstream/rest/client.ts';
import { createCredentials } from './upstream/credentials.ts';
import { createHttpClient } from './upstream/transport/http.ts';
import { createRetryAfterGate } from './upstream/quota/retry-after-gate.ts';
import { createGovernor } from './upstream/quota/governor.ts';
import { createFreshness } from './upstream/cache/freshness.ts';
import { createResilientHttp } from './upstream/transport/resilience.ts';

export interface GatewayOptions {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  /** What GraphiQL opens with, where it is on. */
  readonly graphiqlDefaults?: GraphiqlDefaults;
}

export interface Gateway extends Required<Handlers> {
  /** Whether `/ready` says so; a gateway starts not ready. */
  setReady(ready: boolean): void;
  /** Completes the streams of subscriptions, and closes WebSockets when nothing is under way on them. */
  completeStreams(): void;
  /** Ends the connections to the upstream, and with them whatever still waits for it. */
  close(): Promise<void>;
}

/**
 * Builds the gateway from its parts; the one place that does. It has no port: see {@link startGateway}.
 * @throws {ConfigError} where a trusted document does not fit the schema, which only the two together can tell
 */
export function createGateway({
  config,
  log,
  clock = systemClock,
  graphiqlDefaults,
}: GatewayOptions): Gateway {
  const schema = createGatewaySchema();
  const invalid = findInvalidDocuments(schema, config.TRUSTED_DOCUMENTS ?? new Map());
  if (invalid.length > 0) {
    throw new ConfigError(invalid.map((fault) => `TRUSTED_DOCUMENTS ${fault}`).join('\n'));
  }

  const metrics = createMetrics();
  const credentials = createCredentials();
  const governor = createGovernor(clock, { finalTtlMs: config.CACHE_FINAL_TTL_MS });
  metrics.watchQuotas(governor.survey);
  const exchange = createHttpClient({
    baseUrl: config.SUPERMETRICS_API_URL,
    maxConnections: config.UPSTREAM_MAX_CONCURRENCY,
    // Time is left to try another connection.
    connectTimeoutMs: Math.ceil(config.UPSTREAM_TIMEOUT_MS / 3),
  });
  const resilient = createResilientHttp({
    exchange,
    timeoutMs: config.UPSTREAM_TIMEOUT_MS,
    maxConcurrency: config.UPSTREAM_MAX_CONCURRENCY,
    clock,
    counter: governor,
  });
  metrics.watchUpstream(resilient.load);
  const client = createBackfills({
    client: createBackfillsClient({
      exchange: resilient,
      upstreamHost: config.SUPERMETRICS_API_URL.host,
      clock,
      log,
      metrics,
    }),
    admit: createAdmission({ gate: createRetryAfterGate(clock), governor, credentials }),
    lifetimes: createFreshness(
      { ttlMs: config.CACHE_TTL_MS, finalTtlMs: config.CACHE_FINAL_TTL_MS },
      governor,
    ),
    clock,
    log,
    metrics,
    maxEntries: config.CACHE_MAX_ENTRIES,
    staleMs: config.CACHE_STALE_MS,
    timeoutMs: config.UPSTREAM_TIMEOUT_MS,
  });
  const updates = createBackfillUpdates({
    client,
    clock,
    metrics,
    intervalMs: ({ partition }) => config.SUBSCRIPTION_POLL_MS * governor.stretch(partition).changing,
    staleMs: config.CACHE_STALE_MS,
  });
  metrics.watchSubscriptions(() => updates.streams);
  const finishResult = createFinishResult({ log, metrics });
  let ready = false;
  const server = createGraphqlServer({
    schema,
    createContext: createContextFactory({
      client,
      clock,
      updates,
      credentials,
      quotaRemaining: governor.remaining,
      defaultTeamId: config.SUPERMETRICS_TEAM_ID,
      maxCallsPerOperation: config.MAX_UPSTREAM_CALLS_PER_OPERATION,
    }),
    isReady: () => ready,
    finishResult,
    graphiql: config.GRAPHIQL && (graphiqlDefaults ?? true),
    introspection: config.INTROSPECTION,
    trustedDocuments: config.TRUSTED_DOCUMENTS,
    corsOrigins: config.CORS_ORIGINS,
    clock,
    log,
    metrics,
  });

  const shedding = shedLoad(
    (request, response, becomesStream) => {
      void server(request, response, {
        state: beginState(request.headers, clock.monotonic()),
        becomesStream,
      });
    },
    { metrics },
  );
  const sockets = createWebSockets({
    operations: createWebSocketOperations({
      server,
      schema,
      finishResult,
      admit: shedding.admit,
      clock,
      log,
    }),
    log,
  });

  return {
    handle: shedding.handle,
    upgrade: sockets.upgrade,
    setReady(value) {
      ready = value;
    },
    completeStreams() {
      updates.close();
      sockets.close();
    },
    async close() {
      shedding.stop();
      await server.dispose();
      await exchange.close();
    },
  };
}

export interface RunningGateway {
  readonly port: number;
  /** Takes the gateway out of traffic, lets requests under way finish within the grace period, and ends it. */
  stop(): Promise<void>;
  /** Logs an error that ends the process. */
  reportCrash(error: unknown): void;
}

/** Rejects with the system's error, such as `EADDRINUSE`, when the port cannot be had. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { config, log } = options;
  const gateway = createGateway(options);
  const listener = await listen(gateway, config.PORT, config.HOST).catch(async (error: unknown) => {
    await gateway.close();
    throw error;
  });
  gateway.setReady(true);
  log.info({ host: config.HOST, port: listener.port }, 'listening');

  return {
    port: listener.port,
    async stop() {
      gateway.setReady(false);
      log.info({ graceMs: config.SHUTDOWN_GRACE_MS }, 'shutting down');
      const closed = listener.close(config.SHUTDOWN_GRACE_MS);
      gateway.completeStreams();
      const finished = await closed;
      await gateway.close();
      log.info({ finished }, 'stopped');
    },
    reportCrash(err) {
      log.fatal({ err }, 'crash');
    },
  };
}
