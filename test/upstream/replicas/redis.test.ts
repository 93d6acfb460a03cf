import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { createLog } from '../../../src/log.ts';
import { type RunningGateway, startGateway } from '../../../src/running-gateway.ts';
import { startSandbox } from '../../../src/sandbox/server.ts';
import { createWorld, type World } from '../../../src/sandbox/world/world.ts';
import { post, type Result, TOKEN } from '../../harness.ts';
import { redisIsSkipped, type RedisServer, startRedisUntilEnd } from '../../support/redis.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

const SECRET = 'a secret of thirty-two characters';
const SHARED = 'replicas share their reads and their hour';
const ALONE = 'replicas share nothing: each reads for itself';

interface Scene {
  readonly redis: RedisServer;
  /** What the gateways reach Redis through. */
  readonly proxy: TcpProxy;
  readonly world: World;
  readonly logLines: readonly Readonly<Record<string, unknown>>[];
  readonly gateways: readonly RunningGateway[];
  /** The calls since the last time. */
  calls(): number;
  byId(replica: number, id: string): Promise<Result>;
  metrics(replica: number): Promise<string>;
  /** Resolves when the gateways have said so as often. */
  said(message: string, times: number): Promise<void>;
  /** A client beside the gateways. */
  client(): Redis;
  /** Starts one more gateway, with other settings. @returns its number */
  another(env: Readonly<Record<string, string>>): Promise<number>;
}

interface SceneOptions {
  readonly redisSettings?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The URL that the gateways get, from that of the proxy. */
  readonly urlOf?: (proxy: string) => string;
  /** Prepares Redis before the gateways start. */
  readonly prepare?: (redis: Redis) => Promise<unknown>;
  readonly sharesAtStart?: boolean;
}

/** Gateways that share a Redis, on true time. */
async function startScene(size: number, options: SceneOptions = {}): Promise<Scene> {
  const { redisSettings = [], env = {}, urlOf = (url) => url, prepare, sharesAtStart = true } = options;
  const redis = await startRedisUntilEnd(...redisSettings);
  const proxy = await startTcpProxy(redis.url);
  const client = (): Redis => {
    const made = new Redis(redis.url.href);
    onTestFinished(() => made.disconnect());
    return made;
  };
  await prepare?.(client());
  const world = createWorld();
  const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
  const logLines: Record<string, unknown>[] = [];
  const log = createLog('info', {
    write: (line) => void logLines.push(JSON.parse(line) as Record<string, unknown>),
  });
  const settings = {
    PORT: '0',
    HOST: '127.0.0.1',
    SUPERMETRICS_API_URL: sandbox.url,
    REDIS_URL: urlOf(`redis://127.0.0.1:${proxy.port}`),
    CACHE_SECRET: SECRET,
    SHUTDOWN_GRACE_MS: '1000',
    // A busy machine is no trouble of Redis.
    REDIS_TIMEOUT_MS: '1000',
    ...env,
  };
  const start = (more = {}): Promise<RunningGateway> =>
    startGateway({ config: loadConfig({ ...settings, ...more }), log });
  const gateways = await Promise.all(Array.from({ length: size }, () => start()));
  onTestFinished(async () => {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await sandbox.close();
  });
  const originOf = (replica: number): string => `http://127.0.0.1:${gateways[replica]?.port}`;
  const scene: Scene = {
    redis,
    proxy,
    world,
    logLines,
    gateways,
    calls() {
      const count = sandbox.calls.count('getBackfillById');
      sandbox.calls.reset();
      return count;
    },
    byId: (replica, id) =>
      post(originOf(replica), `{ backfill(id: "${id}") { id status isStale fetchedAt } }`, {}),
    metrics: async (replica) => (await fetch(`${originOf(replica)}/metrics`)).text(),
    async said(message, times) {
      const lines = () => logLines.filter(({ msg }) => msg === message);
      await expect.poll(() => lines().length, { timeout: 10_000 }).toBeGreaterThanOrEqual(times);
    },
    client,
    async another(more) {
      const number = gateways.push(await start(more)) - 1;
      await scene.said(SHARED, gateways.length);
      return number;
    },
  };
  if (sharesAtStart) await scene.said(SHARED, size);
  return scene;
}

/** Whether two replicas make one call for what both are asked for. */
async function areSharing(scene: Scene): Promise<boolean> {
  const id = scene.world.addBackfill({ transferId: '9', status: 'RUNNING' });
  scene.calls();
  const answers = await Promise.all([0, 1].map((replica) => scene.byId(replica, id)));
  for (const { data } of answers) expect(data).toMatchObject({ backfill: { id } });
  return scene.calls() === 1;
}

describe.skipIf(redisIsSkipped())('replicas with Redis', () => {
  it('read once what all are asked for, and say the same of it', async () => {
    const scene = await startScene(3);
    const id = scene.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const answers = await Promise.all([0, 1, 2].map((replica) => scene.byId(replica, id)));
    expect(answers[0]?.errors).toBeUndefined();
    for (const { data } of answers) expect(data).toEqual(answers[0]?.data);
    expect(scene.calls()).toBe(1);
    await expect.poll(() => scene.metrics(0)).toContain('backfill_gateway_replicas 3');
  });

  it('leave nothing there that has no end, and neither a token nor an id', async () => {
    const scene = await startScene(2, { env: { CACHE_TTL_MS: '60000' } });
    const id = scene.world.addBackfill({ id: '987654321', transferId: '123456789', status: 'RUNNING' });
    await scene.byId(0, id);
    const redis = scene.client();
    const kinds = async (): Promise<ReadonlySet<string>> =>
      new Set((await redis.keys('*')).map((key) => key.split(':')[1] ?? ''));
    // The hour is reported once a second.
    await expect.poll(kinds, { timeout: 5_000 }).toEqual(new Set(KINDS));
    const keys = await redis.keys('*');
    for (const key of keys) {
      expect(key).toMatch(/^backfill-gateway:/);
      expect(await redis.pttl(key)).toBeGreaterThan(0);
      const dump = (await redis.dumpBuffer(key)).toString('latin1');
      for (const secret of [TOKEN, '987654321', '123456789', SECRET])
        expect(key + dump).not.toContain(secret);
    }
  });

  it('work as the user of the README, and as one who may do no more', async () => {
    const user = ACL_LINE.replace('PASSWORD', 'a-password').split(' ');
    const scene = await startScene(2, {
      prepare: (redis) => redis.call('ACL', 'SETUSER', ...user.slice(2)),
      urlOf: (url) => url.replace('redis://', 'redis://backfill-gateway:a-password@'),
    });
    expect(await areSharing(scene)).toBe(true);
  });

  it('say that they may not where their user may hear no news, and each reads for itself', async () => {
    const user = ACL_LINE.replace('PASSWORD', 'a-password').replace(' &backfill-gateway:*', '').split(' ');
    const scene = await startScene(2, {
      sharesAtStart: false,
      prepare: (redis) => redis.call('ACL', 'SETUSER', ...user.slice(2)),
      urlOf: (url) => url.replace('redis://', 'redis://backfill-gateway:a-password@'),
    });
    await scene.said(ALONE, 2);
    const whys = scene.logLines.filter(({ msg }) => msg === ALONE).map(({ reason }) => reason);
    expect(whys).toEqual(['not allowed', 'not allowed']);
    expect(await areSharing(scene)).toBe(false);
  });

  it('share while their secret is replaced one by one, and count one hour', async () => {
    const old = await startScene(1);
    const NEW = 'another secret of 32 characters!';
    const both = await old.another({ CACHE_SECRET: `${NEW},${SECRET}` });
    const id = old.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await old.byId(0, id);
    await old.byId(both, id);
    expect(old.calls()).toBe(1);
    const next = old.world.addBackfill({ transferId: '6', status: 'RUNNING' });
    await Promise.all([old.byId(both, next), old.byId(0, next)]);
    // The old one cannot read what the new secret has sealed. It waits for the call, and makes its own after it.
    expect(old.calls()).toBeLessThanOrEqual(2);
    const fresh = await old.another({ CACHE_SECRET: NEW });
    const last = old.world.addBackfill({ transferId: '7', status: 'RUNNING' });
    await old.byId(both, last);
    await old.byId(fresh, last);
    expect(old.calls()).toBe(1);
  });

  it('say once that others have another secret, and count only those that share', async () => {
    const scene = await startScene(1);
    const other = await scene.another({ CACHE_SECRET: 'another secret of 32 characters!' });
    const said = () =>
      scene.logLines.filter(({ msg }) => String(msg).includes('with another CACHE_SECRET')).length;
    await expect.poll(said, { timeout: 10_000 }).toBe(2);
    expect(await scene.metrics(other)).toContain('backfill_gateway_replicas 1\n');
    expect(await areSharing(scene)).toBe(false);
    expect(said()).toBe(2);
  });

  it.each<[trouble: string, begin: (scene: Scene) => unknown, end: (scene: Scene) => unknown]>([
    ['hangs', ({ redis }) => redis.process.kill('SIGSTOP'), ({ redis }) => redis.process.kill('SIGCONT')],
    [
      'loses its connections',
      ({ proxy }) => {
        proxy.nonsense = 'x';
        proxy.cut();
      },
      ({ proxy }) => (proxy.nonsense = undefined),
    ],
    ['takes 1.2 s', ({ proxy }) => (proxy.delayMs = 600), ({ proxy }) => (proxy.delayMs = 0)],
    [
      'answers nonsense',
      ({ proxy }) => (proxy.nonsense = '+what\r\n'),
      ({ proxy }) => {
        proxy.nonsense = undefined;
        proxy.cut();
      },
    ],
    [
      'is full and takes nothing',
      async (scene) => {
        const redis = scene.client();
        await redis.config('SET', 'maxmemory-policy', 'noeviction');
        await redis.config('SET', 'maxmemory', '1');
      },
      (scene) => scene.client().config('SET', 'maxmemory', '0'),
    ],
    [
      'is read-only',
      (scene) => scene.client().replicaof('127.0.0.1', 1),
      (scene) => scene.client().replicaof('NO', 'ONE'),
    ],
  ])(
    'answer everything while it %s, and share again soon after',
    async (_trouble, begin, end) => {
      const scene = await startScene(2, { env: { REDIS_TIMEOUT_MS: '500' } });
      expect(await areSharing(scene)).toBe(true);
      await begin(scene);
      const askedAt = performance.now();
      expect(await areSharing(scene)).toBe(false);
      expect(performance.now() - askedAt).toBeLessThan(3_000);
      await scene.said(ALONE, 2);
      expect(await areSharing(scene)).toBe(false);
      await end(scene);
      await scene.said(SHARED, 4);
      expect(await areSharing(scene)).toBe(true);
      const whys = scene.logLines.filter(({ msg }) => msg === ALONE).map(({ reason }) => reason);
      for (const why of whys) expect(why).toMatch(/^[\w -]+$/);
    },
    30_000,
  );

  it('answer everything while it forgets things to make room', async () => {
    const scene = await startScene(2, { redisSettings: ['--maxmemory-policy', 'allkeys-lru'] });
    const redis = scene.client();
    const used = /used_memory:(\d+)/.exec(await redis.info('memory'))?.[1] ?? '0';
    await redis.config('SET', 'maxmemory', String(Number(used) + 20_000));
    const ids = Array.from({ length: 100 }, (_, n) =>
      scene.world.addBackfill({ transferId: String(n + 1), status: 'RUNNING' }),
    );
    for (const [n, id] of ids.entries())
      expect((await scene.byId(n % 2, id)).data).toMatchObject({ backfill: { id } });
  });

  it('start without it, and share when it comes', async () => {
    const scene = await startScene(2, {
      sharesAtStart: false,
      prepare: (redis) => redis.call('CLIENT', 'PAUSE', '2000'),
    });
    const id = scene.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    expect((await scene.byId(0, id)).data).toMatchObject({ backfill: { id } });
    await scene.said(SHARED, 2);
    expect(await areSharing(scene)).toBe(true);
  });

  it('share again with one that was emptied', async () => {
    const scene = await startScene(2);
    expect(await areSharing(scene)).toBe(true);
    await scene.client().flushall();
    await scene.client().script('FLUSH');
    expect(await areSharing(scene)).toBe(true);
  });
});

/** Of the keys that there are after a read and a report. */
const KINDS = ['clock', 'replicas', 'r', 'k', 'm', 'v', 'h', 'd', 's'];

/** As the README has it. */
const README = readFileSync(new URL('../../../src/upstream/replicas/README.md', import.meta.url), 'utf8');
const ACL_LINE = /^ACL SETUSER .*$/m.exec(README)?.[0] ?? '';
