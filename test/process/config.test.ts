import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError, describeSettings, loadConfig, settingWarnings } from '../../src/config.ts';

const mistakes = (env: Readonly<Record<string, string>>): readonly string[] => {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
};

/** 32 bytes, in fewer characters. */
const SECRET = 'secret-of-thirty-two-bytes--äé';

describe('loadConfig', () => {
  it('has a default for everything but the team and the trusted documents', () => {
    expect(loadConfig({})).toEqual({
      PORT: 4000,
      HOST: '0.0.0.0',
      SUPERMETRICS_API_URL: new URL('https://dts-api.supermetrics.com/v1'),
      HTTPS_PROXY: '',
      HTTP_PROXY: '',
      NO_PROXY: '',
      CACHE_TTL_MS: 2000,
      CACHE_FINAL_TTL_MS: 60000,
      CACHE_STALE_MS: 300000,
      STALE_AFTER_MS: 3000,
      CACHE_MAX_BYTES: 134_217_728,
      UPSTREAM_HOURLY_QUOTA: 5000,
      UPSTREAM_TIMEOUT_MS: 10000,
      UPSTREAM_MAX_CONCURRENCY: 256,
      MAX_UPSTREAM_CALLS_PER_OPERATION: 200,
      SUBSCRIPTION_POLL_MS: 2_000,
      GRAPHIQL: true,
      INTROSPECTION: true,
      CORS_ORIGINS: [],
      KEEP_ALIVE_TIMEOUT_MS: 65_000,
      LOG_LEVEL: 'info',
      LOG_CALLERS: false,
      REPLICAS: 1,
      REDIS_TIMEOUT_MS: 50,
      DRAIN_DELAY_MS: 0,
      SHUTDOWN_GRACE_MS: 10000,
    });
  });

  it('turns GraphiQL and introspection off in production by default', () => {
    expect(loadConfig({ NODE_ENV: 'production' })).toMatchObject({ GRAPHIQL: false, INTROSPECTION: false });
    expect(loadConfig({ NODE_ENV: 'production', GRAPHIQL: 'true', INTROSPECTION: '1' })).toMatchObject({
      GRAPHIQL: true,
      INTROSPECTION: true,
    });
  });

  it('treats an empty variable like an absent one', () => {
    expect(loadConfig({ PORT: '', SUPERMETRICS_TEAM_ID: '' })).toMatchObject({ PORT: 4000 });
  });

  it.each([
    [
      { SUPERMETRICS_API_URL: 'https://user:pass@example.com/v1' },
      'SUPERMETRICS_API_URL must not hold credentials: the callers bring their own',
    ],
    [
      { SUPERMETRICS_API_URL: 'https://example.com/v1?x=1' },
      'SUPERMETRICS_API_URL must not hold a query or a fragment',
    ],
    [
      { SUPERMETRICS_API_URL: 'https://example.com/v1#x' },
      'SUPERMETRICS_API_URL must not hold a query or a fragment',
    ],
    [{ SUPERMETRICS_API_URL: 'example.com' }, 'SUPERMETRICS_API_URL must be an http or https URL'],
    [
      { SUPERMETRICS_TEAM_ID: '0' },
      'SUPERMETRICS_TEAM_ID must be a whole number from 1 to 9223372036854775807',
    ],
    [
      { CACHE_MAX_ENTRIES: '5000' },
      'CACHE_MAX_ENTRIES is no longer a setting: set CACHE_MAX_BYTES in its place',
    ],
    ...['0', '1048575', '1099511627777', '128MiB'].map(
      (bytes): [Readonly<Record<string, string>>, string] => [
        { CACHE_MAX_BYTES: bytes },
        'CACHE_MAX_BYTES must be a whole number from 1048576 to 1099511627776',
      ],
    ),
    ...[SECRET.slice(1), `${SECRET},`, `${SECRET},short`, `${SECRET},${SECRET},${SECRET}`].map(
      (secret): [Readonly<Record<string, string>>, string] => [
        { CACHE_SECRET: secret },
        'CACHE_SECRET must be one secret, or the new and the old one separated by a comma, each of at least 32 bytes',
      ],
    ),
    ...[
      'redis.example.com:6379',
      'https://user:pass@redis.example.com',
      'redis://user:pass@',
      'redis://user:pass@a.example.com,b.example.com',
      'redis://user:pass@redis.example.com/cache',
      'redis://user:pass@redis.example.com?db=1',
      'redis://%zz:pass@redis.example.com',
    ].map((url): [Readonly<Record<string, string>>, string] => [
      { REDIS_URL: url, CACHE_SECRET: SECRET },
      'REDIS_URL must be the redis or rediss URL of one server, such as redis://redis.example.com:6379',
    ]),
    [
      { REDIS_URL: 'redis://user:pass@redis.example.com' },
      'CACHE_SECRET must be set where REDIS_URL is: what replicas share is sealed under it',
    ],
    [{ REPLICAS: '0' }, 'REPLICAS must be a whole number from 1 to 1000'],
    [{ REDIS_TIMEOUT_MS: '0' }, 'REDIS_TIMEOUT_MS must be a whole number from 1 to 60000'],
    [{ LOG_CALLERS: 'on' }, 'LOG_CALLERS must be true or false'],
    [{ METRICS_PORT: '65536' }, 'METRICS_PORT must be a whole number from 0 to 65535'],
    [{ METRICS_PORT: 'udp://10.0.0.1:9090' }, 'METRICS_PORT must be a whole number from 0 to 65535'],
    ...[{ METRICS_PORT: '4000' }, { PORT: '9090', METRICS_PORT: '09090' }].map(
      (ports): [Readonly<Record<string, string>>, string] => [ports, 'METRICS_PORT must not be'],
    ),
    ...[
      'proxy.example.com:3128',
      'socks5://user:pass@proxy.example.com',
      'http://user:pass@',
      'http://user:pass@%zz',
    ].map((url): [Readonly<Record<string, string>>, string] => [
      { HTTPS_PROXY: url },
      'HTTPS_PROXY must be the http or https URL of a proxy, such as http://proxy.example.com:3128',
    ]),
    [
      { HTTP_PROXY: 'http://%zz:pass@proxy.example.com' },
      'HTTP_PROXY must be the http or https URL of a proxy',
    ],
    [{ http_proxy: 'proxy' }, 'http_proxy must be the http or https URL of a proxy'],
    [{ CACHE_MAX_BYTES: '0' }, 'CACHE_MAX_BYTES must be a whole number from 1048576 to 1099511627776'],
    ...['0', '1000000001', '5e3'].map((quota): [Readonly<Record<string, string>>, string] => [
      { UPSTREAM_HOURLY_QUOTA: quota },
      'UPSTREAM_HOURLY_QUOTA must be a whole number from 1 to 1000000000',
    ]),
    [{ UPSTREAM_TIMEOUT_MS: '0' }, 'UPSTREAM_TIMEOUT_MS must be a whole number from 1 to 600000'],
    [{ UPSTREAM_MAX_CONCURRENCY: '1.5' }, 'UPSTREAM_MAX_CONCURRENCY must be a whole number from 1 to 10000'],
    [{ CACHE_TTL_MS: '-1' }, 'CACHE_TTL_MS must be a whole number from 0 to 3600000'],
    [{ GRAPHIQL: 'yes' }, 'GRAPHIQL must be true or false'],
    ...[
      'https://app.example.com/',
      'https://*.example.com',
      'https://app.example.com:80:*',
      'http://localhost:4*',
      'localhost:*',
    ].map((origins): [Readonly<Record<string, string>>, string] => [
      { CORS_ORIGINS: origins },
      'CORS_ORIGINS must be origins separated by commas',
    ]),
  ])('refuses %o by name, with the valid values, and without repeating the given one', (env, message) => {
    const [mistake, ...others] = mistakes(env);
    expect(mistake).toContain(message);
    expect(mistake).not.toMatch(/pass@|secret-of/);
    expect(others).toEqual([]);
  });

  it.each([SECRET, `${SECRET},${SECRET}`])('takes %j as CACHE_SECRET', (secret) => {
    expect(Buffer.byteLength(SECRET)).toBe(32);
    expect(loadConfig({ CACHE_SECRET: secret }).CACHE_SECRET).toEqual(secret.split(','));
  });

  it.each([
    'redis://redis.example.com',
    'rediss://user:p%40ss@redis.example.com:6380/2',
    'redis://:pass@[::1]:6379/',
  ])('takes %s as REDIS_URL, with a CACHE_SECRET', (url) => {
    expect(loadConfig({ REDIS_URL: url, CACHE_SECRET: SECRET }).REDIS_URL).toEqual(new URL(url));
  });

  it('names mistakes of single settings, removed ones and ones that contradict each other, all at once', () => {
    expect(mistakes({ CACHE_TTL_MS: 'x', CACHE_MAX_ENTRIES: '1', METRICS_PORT: '4000' })).toEqual([
      'CACHE_TTL_MS must be a whole number from 0 to 3600000',
      'CACHE_MAX_ENTRIES is no longer a setting: set CACHE_MAX_BYTES in its place',
      'METRICS_PORT must not be 4000 as PORT is: /metrics has a port of its own or is at PORT',
    ]);
  });

  it('takes the address of a service called "metrics", as Kubernetes sets it, for no METRICS_PORT', () => {
    expect(loadConfig({ METRICS_PORT: 'tcp://10.0.0.1:9090' }).METRICS_PORT).toBeUndefined();
  });

  it('reads the proxies in lower case too, and before those in upper case', () => {
    expect(loadConfig({ https_proxy: 'http://a:1', HTTP_PROXY: 'http://b:2', no_proxy: 'c' })).toMatchObject({
      HTTPS_PROXY: 'http://a:1',
      HTTP_PROXY: 'http://b:2',
      NO_PROXY: 'c',
    });
    expect(loadConfig({ https_proxy: 'http://a:1', HTTPS_PROXY: 'http://b:2' }).HTTPS_PROXY).toBe(
      'http://a:1',
    );
    expect(loadConfig({ https_proxy: '', HTTPS_PROXY: 'http://b:2' }).HTTPS_PROXY).toBe('http://b:2');
  });

  it('takes no variable of other programs for a misspelt proxy', () => {
    expect(settingWarnings({ NO_COLOR: '1', HTTP_PORT: '80', HTTPS_PROXI: 'x', no_proxy: 'x' })).toEqual([]);
  });

  it('has every setting in .env.example with its default', () => {
    const example = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
    const lines = new Map(
      [...example.matchAll(/^#([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
    );
    const names = describeSettings().map(({ name }) => name);
    expect([...lines.keys()].sort()).toEqual([...names].sort());
    expect(loadConfig(Object.fromEntries(lines))).toEqual(loadConfig({}));
  });
});
