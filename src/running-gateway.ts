import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Config, Environment } from './config.ts';
import { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
import { packageVersion } from './package-files.ts';
import { listen, type Listener, type ListenerLimits } from './server/listener.ts';
import type { SharedState } from './upstream/upstream.ts';
import { type Phase, type ProcessFacts, shownSettings } from './state-line.ts';

/** A gateway that listens, from its start to its end. */
export interface RunningGateway {
  readonly port: number;
  /** The port of the metrics, where that is another one. */
  readonly metricsPort: number | undefined;
  /**
   * Takes the gateway out of traffic, goes on serving for the drain delay, lets requests in flight finish within the grace
   * period, and ends it.
   */
  stop(): Promise<void>;
  /** Logs the line `state`: how the gateway is set up, what it is busy with and what it holds. */
  reportState(facts: ProcessFacts): void;
  /** Logs an error that ends the process. */
  reportCrash(error: unknown): void;
}

export interface RunningGatewayOptions extends GatewayOptions {
  /** What the configuration was read from, for the line `state`. */
  readonly env?: Environment;
}

/** Where it cannot be made, nothing stays open. */
async function madeOf(options: GatewayOptions, shared: SharedState | undefined): Promise<Gateway> {
  try {
    return createGateway({ ...options, shared });
  } catch (error) {
    await shared?.store.close();
    throw error;
  }
}

/** What replicas share, where there may be several. Only then its client is loaded. */
async function openStore(config: Config): Promise<SharedState | undefined> {
  const { REDIS_URL: url, CACHE_SECRET: secrets, REDIS_TIMEOUT_MS: timeoutMs } = config;
  const [present, ...before] = secrets ?? [];
  if (url === undefined || present === undefined) return undefined;
  const { createRedisStore } = await import('./upstream/replicas/redis-store.ts');
  return {
    store: createRedisStore({ url, replica: randomUUID() }),
    secrets: [present, ...before],
    timeoutMs,
  };
}

/** Rejects with the system's error, such as `EADDRINUSE`, when a port cannot be had. */
export async function startGateway(options: RunningGatewayOptions): Promise<RunningGateway> {
  const { config, env = {}, log, limits, shared } = options;
  // Read now: the package may be replaced while the gateway runs.
  const version = packageVersion();
  let phase: Phase = 'serving';
  const store = shared === undefined ? await openStore(config) : undefined;
  const gateway = await madeOf(options, shared ?? store);
  const listenerLimits = { keepAliveTimeout: config.KEEP_ALIVE_TIMEOUT_MS, ...limits?.listener };
  const scrapeListener = await listenForScrapes(gateway, config, listenerLimits).catch(
    async (error: unknown) => {
      await gateway.close();
      throw error;
    },
  );
  const listener = await listen(gateway, config.PORT, config.HOST, listenerLimits).catch(
    async (error: unknown) => {
      await scrapeListener?.close(0);
      await gateway.close();
      throw error;
    },
  );
  await gateway.warm();
  gateway.setReady(true);
  const metricsPort = scrapeListener?.port;
  log.info({ host: config.HOST, metricsPort, port: listener.port }, 'listening');

  return {
    port: listener.port,
    metricsPort,
    async stop() {
      const { DRAIN_DELAY_MS: drainDelayMs, SHUTDOWN_GRACE_MS: graceMs } = config;
      phase = 'draining';
      gateway.setReady(false);
      listener.drain();
      log.info({ drainDelayMs, graceMs }, 'shutting down');
      if (drainDelayMs > 0) await pause(drainDelayMs);
      const closed = listener.close(graceMs);
      gateway.endStreams(graceMs / 2);
      const finished = await closed;
      // After all else, so that a last scrape sees how everything ended.
      await scrapeListener?.close(SCRAPE_GRACE_MS);
      await gateway.close();
      log.info({ finished }, 'stopped');
    },
    reportState(facts) {
      log.state({ phase, version, ...facts, ...gateway.state(), config: shownSettings(config, env) });
    },
    reportCrash(err) {
      log.fatal({ err }, 'crash');
    },
  };
}

/** How long a scrape under way may take to finish at the end. */
const SCRAPE_GRACE_MS = 500;

async function listenForScrapes(
  { handleScrape }: Gateway,
  { METRICS_PORT, HOST }: Config,
  limits: Partial<ListenerLimits>,
): Promise<Listener | undefined> {
  if (METRICS_PORT === undefined) return undefined;
  return listen({ handle: handleScrape }, METRICS_PORT, HOST, limits).catch((error: unknown) => {
    // The process tells the operator which of the two ports cannot be had.
    throw error instanceof Error ? Object.assign(error, { setting: 'METRICS_PORT' }) : error;
  });
}
