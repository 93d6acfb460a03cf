import { parseEnv } from 'node:util';
import { describe, expect, it } from 'vitest';
import { describeSettings, loadConfig } from '../../src/config.ts';
import { effectiveConfig, effectiveConfigText } from '../../src/effective-config.ts';

type Environment = Readonly<Record<string, string>>;

const of = (env: Environment) => effectiveConfig(loadConfig(env), env);
const linesOf = (env: Environment): readonly string[] =>
  effectiveConfigText(loadConfig(env), env).trimEnd().split('\n');

const GIVEN: Environment = {
  PORT: '0',
  HOST: '::1',
  METRICS_PORT: '9090',
  SUPERMETRICS_API_URL: 'http://localhost:4010/v1',
  SUPERMETRICS_TEAM_ID: '9223372036854775807',
  HTTPS_PROXY: 'http://proxy.test:3128',
  NO_PROXY: 'localhost, .internal.test',
  GRAPHIQL: '0',
  CORS_ORIGINS: 'https://a.test, http://localhost:*',
  LOG_LEVEL: 'warn',
};

describe('the effective configuration', () => {
  it('has every setting in the order of --help, with the value that counts, and null where there is none', () => {
    expect(Object.keys(of({}))).toEqual(describeSettings().map(({ name }) => name));
    expect(of({ ...GIVEN, NODE_ENV: 'production' })).toMatchObject({
      PORT: 0,
      METRICS_PORT: 9090,
      SUPERMETRICS_API_URL: 'http://localhost:4010/v1',
      SUPERMETRICS_TEAM_ID: '9223372036854775807',
      HTTPS_PROXY: 'http://proxy.test:3128',
      HTTP_PROXY: null,
      GRAPHIQL: false,
      INTROSPECTION: false,
      TRUSTED_DOCUMENTS: null,
      CORS_ORIGINS: 'https://a.test,http://localhost:*',
      CACHE_SECRET: null,
      REDIS_URL: null,
    });
    expect(of({ METRICS_PORT: 'tcp://10.0.0.1:9090' })).toMatchObject({ METRICS_PORT: null });
  });

  it.each([
    ['http://us3r:s3cret@proxy.test:3128', 'http://***@proxy.test:3128'],
    ['http://us3r@proxy.test', 'http://***@proxy.test'],
    ['https://:s3cret@proxy.test/path', 'https://***@proxy.test/path'],
    ['http:us3r:s3cret@proxy.test', 'http://***@proxy.test'],
    ['http://us3r:s3cr%65t@[::1]:3128/?key=s3cret#s3cret', 'http://***@[::1]:3128'],
  ])('hides user and password of the proxy %s', (address, seen) => {
    for (const name of ['HTTPS_PROXY', 'HTTP_PROXY', 'https_proxy', 'http_proxy']) {
      const env = { [name]: address };
      expect(of(env)[name.toUpperCase()]).toBe(seen);
      expect(effectiveConfigText(loadConfig(env), env)).not.toMatch(/us3r|s3cr/);
    }
  });

  it.each([
    ['redis://redis.test', 'redis://redis.test'],
    ['rediss://us3r:s3cret@redis.test:6380/2', 'rediss://***@redis.test:6380/2'],
    ['redis://:s3cr%65t@[::1]:6379/', 'redis://***@[::1]:6379'],
  ])('hides user and password of the Redis %s', (address, seen) => {
    const env = { REDIS_URL: address, CACHE_SECRET: 's3cret'.repeat(6) };
    expect(of(env)['REDIS_URL']).toBe(seen);
    expect(linesOf(env)).toContain(`REDIS_URL=${seen} # environment`);
    expect(effectiveConfigText(loadConfig(env), env)).not.toMatch(/us3r|s3cr/);
  });

  it('hides CACHE_SECRET, and says of how many secrets it is', () => {
    const secret = 's3cret'.repeat(6);
    expect(of({ CACHE_SECRET: secret })['CACHE_SECRET']).toBe('***');
    expect(of({ CACHE_SECRET: `${secret},${secret}` })['CACHE_SECRET']).toBe('***,***');
    expect(linesOf({ CACHE_SECRET: secret }).join('\n')).not.toContain('s3cret');
  });

  it('is text that says where each value comes from', () => {
    const env = { ...GIVEN, no_proxy: '*.test', NODE_ENV: 'production' };
    expect(linesOf(env)).toEqual(
      expect.arrayContaining([
        'PORT=0 # environment',
        'CACHE_TTL_MS=2000 # default',
        'NO_PROXY=*.test # environment, no_proxy',
        'GRAPHIQL=false # environment',
        'INTROSPECTION=false # default where NODE_ENV=production',
        'TRUSTED_DOCUMENTS= # default',
      ]),
    );
    expect(linesOf({})).toContain('GRAPHIQL=true # default');
  });

  it('is text that Node.js reads as the same settings, one a line whatever is in the values', () => {
    const text = effectiveConfigText(loadConfig(GIVEN), GIVEN);
    expect(loadConfig(parseEnv(text))).toEqual(loadConfig(GIVEN));
    expect(linesOf(GIVEN)).toContain("NO_PROXY='localhost, .internal.test' # environment");
    expect(linesOf({ NO_PROXY: "it's\nPORT=1" })).toContain(
      String.raw`NO_PROXY="it's\nPORT=1" # environment`,
    );
  });
});
