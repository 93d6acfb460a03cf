import { expect, onTestFinished } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { type RunningGateway, startGateway } from '../../src/running-gateway.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { createWorld, type World } from '../../src/sandbox/world/world.ts';
import { createManualClock, type ManualClock, post, type QueryOptions, type Result } from '../harness.ts';
import { createMemoryWorld, type MemoryWorld } from '../upstream/replicas/memory-store.ts';
import { createStoreTrouble, type StoreTrouble } from './store-trouble.ts';

/** Several gateways over one sandbox, which share a store in memory, on one clock. */
export interface GroupStack {
  readonly replicas: readonly Replica[];
  readonly sandbox: Sandbox;
  readonly world: World;
  readonly clock: ManualClock;
  readonly shared: MemoryWorld;
  /** Takes the store away from all replicas at once. */
  readonly trouble: StoreTrouble;
  readonly logLines: readonly Readonly<Record<string, unknown>>[];
}

export interface Replica {
  readonly origin: string;
  query(query: string, options?: QueryOptions): Promise<Result>;
  stop(): Promise<void>;
}

export interface GroupOptions {
  readonly hourlyQuota?: number;
  /** How far the clocks of the replicas are ahead, in milliseconds. */
  readonly skewsMs?: readonly number[];
}

/** `REDIS_TIMEOUT_MS` */
export const STORE_TIMEOUT_MS = 50;
const SECRET = 'a secret of thirty-two characters';

export async function startGroup(
  size: number,
  env: Readonly<Record<string, string>> = {},
  { hourlyQuota = Infinity, skewsMs = [] }: GroupOptions = {},
): Promise<GroupStack> {
  const clock = createManualClock();
  const world = createWorld({ now: () => clock.now() });
  const sandbox = await startSandbox({ world, hourlyQuota });
  let marks = 0;
  const shared = createMemoryWorld(clock, () => `mark-${++marks}`);
  const trouble = createStoreTrouble();
  const logLines: Record<string, unknown>[] = [];
  const config = loadConfig({ PORT: '0', HOST: '127.0.0.1', SUPERMETRICS_API_URL: sandbox.url, ...env });
  const log = createLog('debug', {
    write: (line) => void logLines.push(JSON.parse(line) as Record<string, unknown>),
  });
  const replicas = await Promise.all(
    Array.from({ length: size }, async (_, n): Promise<Replica> => {
      const gateway = await startGateway({
        config: { ...config, SHUTDOWN_GRACE_MS: 1_000 },
        log,
        clock: skewed(clock, skewsMs[n] ?? 0),
        planningAt: 'first use',
        shared: {
          store: trouble.through(shared.storeOf(`replica ${n}`)),
          secrets: [SECRET],
          timeoutMs: STORE_TIMEOUT_MS,
          isThere: true,
        },
      });
      const origin = `http://127.0.0.1:${gateway.port}`;
      const stop = once(gateway);
      onTestFinished(stop);
      return { origin, query: (query, options = {}) => post(origin, query, options), stop };
    }),
  );
  onTestFinished(async () => {
    await sandbox.close();
    expect(sandbox.faults.pending()).toEqual([]);
  });
  return { replicas, sandbox, world, clock, shared, trouble, logLines };
}

function skewed(clock: Clock, skewMs: number): Clock {
  return {
    now: () => clock.now() + skewMs,
    monotonic: () => clock.monotonic() + Math.max(0, skewMs),
    after: clock.after,
  };
}

function once(gateway: RunningGateway): () => Promise<void> {
  let stopped: Promise<void> | undefined;
  return () => (stopped ??= gateway.stop());
}
