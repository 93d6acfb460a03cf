import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../support/free-port.ts';
import { type RedisServer, startRedis } from '../../support/redis.ts';
import { gateway, type RunningServer } from '../contestants.ts';
import { sum } from '../statistics.ts';
import { cpuSeconds } from '../machine.ts';
import { WORLD } from '../readers/watch.ts';
import type { WorldPlan } from '../living-world.ts';
import { adopt, startWorker, type Worker } from '../processes.ts';
import type { UpstreamCalls, UpstreamOrder } from '../upstream.ts';
import type { ReadersOrder, ReadersReply } from './readers.ts';

/** Replicas of the built gateway, with a Redis of their own where they share one. */
export interface ReplicaGroup {
  readonly urls: readonly string[];
  /** CPU seconds that they have used all together, and those of Redis. */
  cpuSeconds(): CpuSeconds;
  /** Undefined for a gateway that runs alone. */
  readonly redis: RedisProcess | undefined;
  stop(): Promise<void>;
}

export interface CpuSeconds {
  readonly replicas: number;
  readonly redis: number;
}

/** A Redis that can be killed and started again at the same address. */
export interface RedisProcess {
  readonly url: URL;
  readonly present: RedisServer;
  startAgain(): Promise<void>;
  stop(): Promise<void>;
}

export interface GroupOptions {
  readonly replicas: number;
  readonly upstreamPort: number;
  readonly core: number | undefined;
  readonly settings?: Readonly<Record<string, string>>;
}

export const TTL_MS = 2_000;
const SECRET = 'a secret of thirty-two characters';
const SHARE_MS = 10_000;

/** Only where there are several they have a Redis. The upstream has to be at rest. */
export async function startReplicas({
  replicas,
  upstreamPort,
  core,
  settings,
}: GroupOptions): Promise<ReplicaGroup> {
  const redis = replicas > 1 ? await startRedisProcess() : undefined;
  const shared =
    redis === undefined
      ? {}
      : { REDIS_URL: redis.url.href, CACHE_SECRET: SECRET, REPLICAS: String(replicas) };
  const started: RunningServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
    await redis?.stop();
  };
  try {
    for (let n = 0; n < replicas; n++) {
      const options = { upstreamPort, core, ttlMs: TTL_MS, settings: { ...shared, ...settings } };
      started.push(await gateway(`replica ${n + 1}`).start(options));
    }
    const urls = started.map(({ url }) => url);
    if (redis !== undefined) await untilShared(urls);
    return {
      urls,
      redis,
      stop,
      cpuSeconds: () => ({
        replicas: sum(started.map(({ pid }) => usedBy(pid))),
        redis: usedBy(redis?.present.process.pid),
      }),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function usedBy(pid: number | undefined): number {
  return (pid === undefined ? undefined : cpuSeconds(pid)) ?? 0;
}

async function startRedisProcess(): Promise<RedisProcess> {
  const port = await freePort();
  const start = async (): Promise<RedisServer> => {
    const server = await startRedis(port);
    // It does not outlive the bench, whichever way that ends.
    adopt(server.process);
    return server;
  };
  let present = await start();
  return {
    url: present.url,
    get present() {
      return present;
    },
    async startAgain() {
      present = await start();
    },
    stop: () => present.stop(),
  };
}

async function readsAlone(urls: readonly string[]): Promise<number> {
  const texts = await Promise.all(urls.map(metricsOf));
  return sum(
    texts.map((text) => Number(/^\w*shared_reads_total\{result="away"\} (\d+)$/m.exec(text)?.[1] ?? 0)),
  );
}

async function metricsOf(url: string): Promise<string> {
  return (await fetch(url.replace(/graphql$/, 'metrics'))).text();
}

/** Each one has found the others. */
async function untilShared(urls: readonly string[]): Promise<void> {
  const deadline = performance.now() + SHARE_MS;
  for (const url of urls) {
    for (;;) {
      if (/^\w*shared_store_up 1$/m.test(await metricsOf(url))) break;
      if (performance.now() > deadline) throw new Error('a replica does not find Redis');
      await sleep(50);
    }
  }
}

/** Who reads, and how often. */
export type Crowd = Pick<ReadersOrder, 'readers' | 'credentials' | 'rows' | 'everyMs'>;

export interface Reading extends ReadersReply {
  /** During the reading, those of the readers' last answers included. */
  readonly calls: UpstreamCalls;
  /** A Redis that was started again has none of before. */
  readonly cpu: CpuSeconds;
  /** Reads of replicas that could not ask Redis in time. */
  readonly withoutRedis: number;
}

export interface ReadingOptions {
  readonly crowd: Crowd;
  readonly balance: ReadersOrder['balance'];
  readonly seconds: number;
  readonly hourlyQuota: number | undefined;
  /** Called when the readers begin, in epoch milliseconds. */
  readonly onBegin?: (startsAt: number) => void;
}

const UPSTREAM_MS = 20;
/** The readers need a moment to load and to plan. */
const LOAD_MS = 3_000;

let lastFirstTransferId = 0;

/** Lets a crowd read a living world that no replica knows anything of. */
export async function letRead(
  upstream: Worker<UpstreamOrder, UpstreamCalls>,
  { urls, cpuSeconds: used }: Pick<ReplicaGroup, 'urls' | 'cpuSeconds'>,
  { crowd, balance, seconds, hourlyQuota, onBegin }: ReadingOptions,
): Promise<Reading> {
  // Ids of 14 digits at most, another range for each run within days.
  lastFirstTransferId = Math.max(lastFirstTransferId + 1_000_000, Math.floor(Date.now() / 1000) * 1_000);
  const readers = startWorker<ReadersOrder, ReadersReply>('replicas/readers.ts');
  const world: WorldPlan = {
    ...WORLD,
    seed: 1,
    startsAt: Date.now() + LOAD_MS,
    firstTransferId: lastFirstTransferId,
    quietMs: 0,
    changingMs: seconds * 1000,
  };
  try {
    const before = await upstream.ask({ kind: 'live', latencyMs: UPSTREAM_MS, world, hourlyQuota });
    const [usedBefore, aloneBefore] = [used(), await readsAlone(urls)];
    const reading = readers.ask({ ...crowd, urls, balance, world, forMs: seconds * 1000 });
    onBegin?.(world.startsAt);
    const reply = await reading;
    const [usedAfter, aloneAfter] = [used(), await readsAlone(urls)];
    const after = await upstream.ask({ kind: 'count' });
    return {
      ...reply,
      calls: {
        total: after.total - before.total,
        lists: after.lists - before.lists,
        refused: after.refused - before.refused,
      },
      cpu: {
        replicas: usedAfter.replicas - usedBefore.replicas,
        redis: usedAfter.redis - usedBefore.redis,
      },
      withoutRedis: aloneAfter - aloneBefore,
    };
  } finally {
    await readers.stop();
    await upstream.ask({ kind: 'rest', latencyMs: 0 });
  }
}
