import { type Clock, systemClock } from './clock.ts';
import { type Config, ConfigError } from './config.ts';
import { createContextFactory } from './graphql/context.ts';
import { createGatewaySchema } from './graphql/schema.ts';
import { createBackfillUpdates } from './graphql/live/backfill-updates.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics.ts';
import type { GraphiqlDefaults } from './server/graphiql.ts';
import { answerBy } from './server/answering.ts';
import { frontDoor } from './server/front-door.ts';
import { createFinishResult } from './server/plugins/error-results.ts';
import { createGraphqlServer } from './server/graphql-server.ts';
import { type Handlers, listen } from './server/listener.ts';
import { shedLoad } from './server/load-shedding.ts';
import { findInvalidDocuments } from './server/plugins/trusted-documents.ts';
import { createWebSockets } from './server/websocket.ts';
import { createWebSocketOperations } from './server/websocket-operations.ts';
import { createUpstream } from './upstream/upstream.ts';

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
  /** Completes the streams of subscriptions, and closes each WebSocket when its operations are done. */
  completeStreams(): void;
  /** Ends the connections to the REST API, and with them whatever still waits for it. */
  close(): Promise<void>;
}

/**
 * Joins upstream/, graphql/ and server/. The gateway has no port yet: see {@link startGateway}.
 * @throws {ConfigError} where a trusted document does not fit the schema
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
  const upstream = createUpstream(
    {
      baseUrl: config.SUPERMETRICS_API_URL,
      proxies: { http: config.HTTP_PROXY, https: config.HTTPS_PROXY, none: config.NO_PROXY },
      ttlMs: config.CACHE_TTL_MS,
      finalTtlMs: config.CACHE_FINAL_TTL_MS,
      staleMs: config.CACHE_STALE_MS,
      maxBytes: config.CACHE_MAX_BYTES,
      hourlyQuota: config.UPSTREAM_HOURLY_QUOTA,
      timeoutMs: config.UPSTREAM_TIMEOUT_MS,
      maxConcurrency: config.UPSTREAM_MAX_CONCURRENCY,
      pollMs: config.SUBSCRIPTION_POLL_MS,
    },
    { clock, log, metrics },
  );
  const updates = createBackfillUpdates({
    upstream,
    clock,
    metrics,
    staleMs: config.CACHE_STALE_MS,
  });
  metrics.gauge(
    'subscriptions_open',
    'Streams of subscriptions in progress, over SSE and WebSocket.',
    () => updates.streams,
  );
  metrics.total('log_lines_dropped_total', 'Log lines that were not written.', () => log.linesDropped());
  const finishResult = createFinishResult({ log, metrics });
  let ready = false;
  const server = createGraphqlServer({
    schema,
    createContext: createContextFactory({
      upstream,
      clock,
      updates,
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

  const shedding = shedLoad(answerBy(server, { clock, log, metrics }), { metrics });
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
    handle: frontDoor(shedding.handle, metrics),
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
      await upstream.close();
    },
  };
}

export interface RunningGateway {
  readonly port: number;
  /** Takes the gateway out of traffic, lets requests in flight finish within the grace period, and ends it. */
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
