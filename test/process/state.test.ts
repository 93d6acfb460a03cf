import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildGateway, type BuiltGateway, type GatewayProcess, runBuilt } from '../support/built-gateway.ts';
import { freePort } from '../support/free-port.ts';
import { redisIsSkipped, startRedisUntilEnd } from '../support/redis.ts';

let built: BuiltGateway;
beforeAll(async () => {
  built = await buildGateway();
}, 180_000);
afterAll(() => built.remove());

type Line = Readonly<Record<string, unknown>>;

/** Resolves when it is ready, whatever it logs. */
async function start(env: Readonly<Record<string, string>>): Promise<GatewayProcess> {
  const command = [
    'sh',
    '-c',
    `echo '{"msg":"listening"}'; exec "$0" dist/main.js`,
    process.execPath,
  ] as const;
  const gateway = await runBuilt(built, { port: await freePort(), env, command });
  const ready = () => fetch(`${gateway.origin}/ready`).then(({ status }) => status, String);
  await expect.poll(ready, { timeout: 20_000 }).toBe(200);
  return gateway;
}

function statesOf(gateway: GatewayProcess): readonly Line[] {
  return gateway.lines().filter(({ msg }) => msg === 'state');
}

async function stateOf(gateway: GatewayProcess): Promise<Line> {
  const before = statesOf(gateway).length;
  gateway.child.kill('SIGUSR2');
  await expect.poll(() => statesOf(gateway).length).toBe(before + 1);
  return statesOf(gateway)[before] ?? {};
}

/**
 * Signals itself while it loads the program, and once more when it would listen on its port, a moment too early. What is
 * loaded before the program looks at the version.
 */
const SIGNALS_ITSELF = `
  import { Server } from 'node:net';
  const ask = () => process.kill(process.pid, 'SIGUSR2');
  const { version } = process;
  Object.defineProperty(process, 'version', {
    configurable: true,
    get() {
      Object.defineProperty(process, 'version', { value: version });
      setImmediate(ask);
      return version;
    },
  });
  const { listen } = Server.prototype;
  Server.prototype.listen = function (...to) {
    ask();
    setTimeout(() => listen.apply(this, to), 200);
    return this;
  };`;

describe('SIGUSR2', () => {
  it.each(['silent', 'error', 'info'])(
    'writes one line at LOG_LEVEL=%s, and the gateway goes on',
    async (level) => {
      const gateway = await start({ LOG_LEVEL: level });
      const state = await stateOf(gateway);
      expect(state).toMatchObject({
        level: 'info',
        phase: 'serving',
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        node: process.versions.node,
        uptimeSeconds: expect.any(Number),
        memory: { resident: expect.any(Number), heapUsed: expect.any(Number), heapLimit: expect.any(Number) },
        circuits: { all: 'closed', ownOpen: 0 },
        config: { LOG_LEVEL: level, CACHE_TTL_MS: 2_000 },
      });
      expect((await fetch(`${gateway.origin}/ready`)).status).toBe(200);
    },
    60_000,
  );

  it('is answered from the first moment on, by `starting` until the gateway is ready', async () => {
    const url = `data:text/javascript,${encodeURIComponent(SIGNALS_ITSELF)}`;
    const gateway = await start({ LOG_LEVEL: 'silent', NODE_OPTIONS: `--import ${url}` });
    await stateOf(gateway);
    const states = statesOf(gateway);
    expect(states.map(({ phase }) => phase)).toEqual(['starting', 'starting', 'serving']);
    for (const { version, config } of states)
      expect([version, config]).toEqual([states[2]?.['version'], states[2]?.['config']]);
  }, 60_000);

  it('is answered while the gateway drains', async () => {
    const gateway = await start({ DRAIN_DELAY_MS: '60000' });
    gateway.child.kill('SIGTERM');
    await expect.poll(() => gateway.lines().at(-1)?.['msg']).toBe('shutting down');
    expect(await stateOf(gateway)).toMatchObject({ phase: 'draining' });
    expect((await fetch(`${gateway.origin}/health`)).status).toBe(200);
  }, 60_000);

  it('says why Redis is away, and shows neither its user nor its password', async () => {
    const url = `redis://us3r:s3cret@127.0.0.1:${await freePort()}`;
    const gateway = await start({ LOG_LEVEL: 'silent', REDIS_URL: url, CACHE_SECRET: 's3cret'.repeat(6) });
    await expect
      .poll(() => stateOf(gateway))
      .toMatchObject({
        group: { awayFor: 'ECONNREFUSED', replicas: 1 },
        config: { REDIS_URL: url.replace('us3r:s3cret', '***'), CACHE_SECRET: '***' },
      });
    expect(JSON.stringify(statesOf(gateway))).not.toMatch(/us3r|s3cret/);
  }, 60_000);

  it.skipIf(redisIsSkipped())(
    'says of a Redis that takes connections and answers nothing that it takes too long',
    async () => {
      const redis = await startRedisUntilEnd();
      redis.process.kill('SIGSTOP');
      const gateway = await start({ REDIS_URL: redis.url.href, CACHE_SECRET: 's3cret'.repeat(6) });
      await expect
        .poll(() => stateOf(gateway), { timeout: 15_000, interval: 500 })
        .toMatchObject({ group: { awayFor: 'timeout' } });
      expect(gateway.lines()).toContainEqual(expect.objectContaining({ level: 'warn', reason: 'timeout' }));
    },
    60_000,
  );

  it('that comes twice at once is answered once or twice, each time by a whole line', async () => {
    const gateway = await start({ LOG_LEVEL: 'silent' });
    gateway.child.kill('SIGUSR2');
    gateway.child.kill('SIGUSR2');
    await expect.poll(() => statesOf(gateway).length).toBeGreaterThanOrEqual(1);
    const before = statesOf(gateway).length;
    await stateOf(gateway);
    expect(statesOf(gateway)).toHaveLength(before + 1);
    expect(before).toBeLessThanOrEqual(2);
    for (const state of statesOf(gateway)) expect(state).toMatchObject({ phase: 'serving' });
  }, 60_000);

  it('is answered within 16 KiB by a gateway of long settings, and without secrets', async () => {
    const gateway = await start({
      CORS_ORIGINS: Array.from({ length: 4_000 }, (_, n) => `https://app-${n}.example.com`).join(','),
      NO_PROXY: `*,${'é'.repeat(20_000)}`,
      SUPERMETRICS_API_URL: `http://127.0.0.1:1/${'v'.repeat(20_000)}`,
      HTTPS_PROXY: 'http://us3r:s3cret@proxy.test:3128',
      http_proxy: 'http://us3r:s3cret@proxy.test:3128',
      CACHE_SECRET: 's3cret'.repeat(6),
      SUPERMETRICS_TEAM_ID: '471147114711',
    });
    const state = await stateOf(gateway);
    expect(state['config']).toMatchObject({
      CORS_ORIGINS: expect.stringMatching(/^left out, since it has \d+ bytes$/),
      NO_PROXY: 'left out, since it has 40004 bytes',
      HTTPS_PROXY: 'http://***@proxy.test:3128',
      SUPERMETRICS_TEAM_ID: 'set',
    });
    const text = JSON.stringify(state);
    expect(Buffer.byteLength(`${text}\n`)).toBeLessThanOrEqual(16 * 1024);
    expect(text).not.toMatch(/us3r|s3cret|4711/);
  }, 60_000);
});
