import { describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { createLog } from '../../../src/log.ts';
import { startGateway } from '../../../src/running-gateway.ts';
import { startSandbox } from '../../../src/sandbox/server.ts';
import { createWorld } from '../../../src/sandbox/world/world.ts';
import { post, type Result } from '../../harness.ts';
import { type RedisServer, redisIsSkipped, startRedisUntilEnd } from '../../support/redis.ts';

const SECRET = 'a secret of thirty-two characters';

interface Scene {
  readonly redis: RedisServer;
  readonly world: ReturnType<typeof createWorld>;
  readonly logLines: readonly Readonly<Record<string, unknown>>[];
  calls(): number;
  byId(replica: number, id: string): Promise<Result>;
  /** The metrics of a replica. */
  metrics(replica: number): Promise<string>;
  isShared(replica: number): Promise<boolean>;
}

/** Gateways that share a Redis, on true time. */
async function startScene(size: number, env: Readonly<Record<string, string>> = {}): Promise<Scene> {
  const redis = await startRedisUntilEnd();
  const world = createWorld();
  const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
  const logLines: Record<string, unknown>[] = [];
  const log = createLog('info', {
    write: (line) => void logLines.push(JSON.parse(line) as Record<string, unknown>),
  });
  const config = loadConfig({
    PORT: '0',
    HOST: '127.0.0.1',
    SUPERMETRICS_API_URL: sandbox.url,
    REDIS_URL: redis.url.href,
    CACHE_SECRET: SECRET,
    SHUTDOWN_GRACE_MS: '1000',
    ...env,
  });
  const gateways = await Promise.all(Array.from({ length: size }, () => startGateway({ config, log })));
  onTestFinished(async () => {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await sandbox.close();
  });
  const originOf = (replica: number): string => `http://127.0.0.1:${gateways[replica]?.port}`;
  const metrics = async (replica: number): Promise<string> =>
    (await fetch(`${originOf(replica)}/metrics`)).text();
  const scene: Scene = {
    redis,
    world,
    logLines,
    calls() {
      const count = sandbox.calls.count('getBackfillById');
      sandbox.calls.reset();
      return count;
    },
    byId: (replica, id) =>
      post(originOf(replica), `{ backfill(id: "${id}") { id status isStale fetchedAt } }`, {}),
    metrics,
    isShared: async (replica) => (await metrics(replica)).includes('shared_store_up 1'),
  };
  await expect
    .poll(() => logLines.filter(({ msg }) => msg === SHARED), { timeout: 10_000 })
    .toHaveLength(size);
  return scene;
}

const SHARED = 'replicas share their reads and their hour';
const ALONE = 'replicas share nothing: each reads for itself';

describe.skipIf(redisIsSkipped())('replicas with Redis', () => {
  it('read once what all are asked for, and say the same of it', async () => {
    const scene = await startScene(3);
    const id = scene.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const answers = await Promise.all([0, 1, 2].map((replica) => scene.byId(replica, id)));
    expect(answers[0]?.errors).toBeUndefined();
    for (const { data } of answers) expect(data).toEqual(answers[0]?.data);
    expect(scene.calls()).toBe(1);
  });

  it('read each for itself while it is gone, and share again when it is back', async () => {
    const scene = await startScene(2);
    const id = scene.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    scene.redis.process.kill('SIGSTOP');
    const askedAt = performance.now();
    const answers = await Promise.all([0, 1].map((replica) => scene.byId(replica, id)));
    for (const { data } of answers) expect(data).toMatchObject({ backfill: { id } });
    expect(performance.now() - askedAt).toBeLessThan(2_000);
    expect(scene.calls()).toBe(2);
    await expect.poll(() => scene.logLines.filter(({ msg }) => msg === ALONE)).toHaveLength(2);
    scene.redis.process.kill('SIGCONT');
    await expect
      .poll(() => scene.logLines.filter(({ msg }) => msg === SHARED), { timeout: 6_000 })
      .toHaveLength(4);
    const next = scene.world.addBackfill({ transferId: '6', status: 'RUNNING' });
    await Promise.all([0, 1].map((replica) => scene.byId(replica, next)));
    expect(scene.calls()).toBe(1);
  });
});
