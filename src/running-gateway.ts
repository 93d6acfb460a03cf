import { setTimeout as pause } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
import { listen, type Listener, type ListenerLimits } from './server/listener.ts';

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
  /** Logs in one line what the process is busy with. */
  reportState(): void;
  /** Logs an error that ends the process. */
  reportCrash(error: unknown): void;
}

/** Rejects with the system's error, such as `EADDRINUSE`, when a port cannot be had. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { config, log, limits, clock = systemClock } = options;
  const startedAt = clock.monotonic();
  let draining = false;
  const gateway = createGateway(options);
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
      draining = true;
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
    reportState() {
      const uptimeSeconds = Math.round((clock.monotonic() - startedAt) / 1000);
      const { used_heap_size: heapUsedBytes } = getHeapStatistics();
      log.info({ ...gateway.state(), heapUsedBytes, uptimeSeconds, draining }, 'state');
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
