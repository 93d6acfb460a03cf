import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { UsageError } from '../command-line.ts';
import { ConfigError, loadConfig } from '../config.ts';
import type { GatewayOptions } from '../gateway.ts';
import type { LogDestination } from '../log-destination.ts';
import { createLog } from '../log.ts';
import type { Running } from '../process.ts';
import { type RunningGateway, startGateway } from '../running-gateway.ts';
import { type Balancer, startBalancer } from './replicas/balancer.ts';
import { allShare, CONTROL_PATH, createControl } from './replicas/control.ts';
import { type Redis, startRedis } from './replicas/redis.ts';

export interface ReplicasOptions extends Pick<GatewayOptions, 'pages' | 'graphiqlDefaults'> {
  readonly count: number;
  /** Of each replica, named as in the environment. */
  readonly settings: Readonly<Record<string, string>>;
  /** The address on which the balancer listens. */
  readonly host: string;
  /** The balancer's port; the first that is free. */
  readonly ports: readonly number[];
  readonly output: LogDestination;
}

/** Gateways that share a Redis, behind a balancer. */
export interface RunningReplicas extends Running {
  /** Of the balancer. */
  readonly port: number;
  readonly redisUrl: string;
}

const NOT_OF_SEVERAL = {
  REDIS_URL: 'it starts a Redis of its own',
  METRICS_PORT: 'each replica has its metrics at its own port',
};
const JOIN_TRIES = 20;
const JOIN_MS = 250;

/**
 * The value of `--replicas`.
 * @param env the variables that are not empty
 * @throws {UsageError} for a value that is none
 * @throws {ConfigError} for settings that several gateways cannot have
 */
export function replicasIn(
  given: string | undefined,
  env: Readonly<Record<string, string>>,
): number | undefined {
  if (given === undefined) return undefined;
  if (!/^[2-9]$/.test(given))
    throw new UsageError(
      `--replicas must be a whole number from 2 to 9, not ${JSON.stringify(given)}: see npm run demo -- --help`,
    );
  const mistakes = Object.entries(NOT_OF_SEVERAL)
    .filter(([name]) => env[name] !== undefined)
    .map(([name, reason]) => `${name} must not be set with --replicas: ${reason}`);
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'));
  return Number(given);
}

/**
 * Starts a Redis, so many gateways and a balancer before them. All but Redis are in this process; each gateway has its own
 * cache, connections and port, as replicas on other machines have.
 * @throws {ConfigError} where Redis cannot be started
 */
export async function startReplicas(options: ReplicasOptions): Promise<RunningReplicas> {
  const { count, settings, host, ports, output, ...shown } = options;
  const gateways: RunningGateway[] = [];
  let balancer: Balancer | undefined;
  let redis: Redis | undefined;
  /** The balancer stays until the gateways have ended their streams, and Redis as long as they use it. */
  async function stop(): Promise<void> {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await balancer?.close();
    await redis?.stop();
  }

  try {
    redis = await startRedis();
    const { url: redisUrl } = redis;
    const env = {
      CACHE_SECRET: randomBytes(32).toString('base64url'),
      REPLICAS: String(count),
      // All of them are one process, on a machine that may be busy.
      REDIS_TIMEOUT_MS: '250',
      ...settings,
      REDIS_URL: redisUrl,
      HOST: '127.0.0.1',
      PORT: '0',
    };
    const config = loadConfig(env);
    for (let n = 1; n <= count; n++) {
      const log = createLog(config.LOG_LEVEL, numbered(output, n));
      gateways.push(await startGateway({ config, env, log, ...shown }));
    }
    const replicas = gateways.map(({ port }) => port);
    const control = createControl({ redis, ports: replicas, traffic: () => balancer?.traffic() ?? [] });
    balancer = await startBalancer({ replicas, host, ports, own: new Map([[CONTROL_PATH, control]]) });
    for (let tries = 0; tries < JOIN_TRIES && !(await allShare(replicas)); tries++) await pause(JOIN_MS);
    return {
      port: balancer.port,
      redisUrl,
      stop,
      reportState(facts) {
        for (const gateway of gateways) gateway.reportState(facts);
      },
      // They are one process.
      reportCrash: (error) => gateways[0]?.reportCrash(error),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Each line begins with the number of its replica. */
function numbered(output: LogDestination, replica: number): LogDestination {
  return {
    write: (line) => output.write(line.replace(/^\{/, `{"replica":${replica},`)),
    flushed: () => output.flushed(),
    get dropped() {
      return output.dropped;
    },
  };
}
