import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { isResourceId, RESOURCE_ID_RULE } from './ids.ts';

/** A whole number. The message says the whole range; zod's own would say only the bound that was missed. */
function wholeNumber(min: number, max: number) {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, rule)
    .transform(Number)
    .refine((value) => value >= min && value <= max, rule);
}

function whole(min: number, max: number, fallback: number) {
  return wholeNumber(min, max).default(fallback);
}

function flag(fallback: boolean) {
  return z
    .enum(['true', 'false', '1', '0'], 'must be true or false')
    .transform((value) => value === 'true' || value === '1')
    .default(fallback);
}

const apiUrl = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const fault =
    url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')
      ? 'must be an http or https URL'
      : url.username !== '' || url.password !== ''
        ? 'must not hold credentials: the callers bring their own'
        : text.includes('?') || text.includes('#')
          ? 'must not hold a query or a fragment: paths are appended to it'
          : undefined;
  if (url !== undefined && fault === undefined) return url;
  context.addIssue({ code: 'custom', message: `${fault}, such as https://dts-api.supermetrics.com/v1` });
  return z.NEVER;
});

/** The message never repeats the URL: it may hold a password. */
const proxyUrl = z
  .string()
  .refine(isProxyUrl, 'must be the http or https URL of a proxy, such as http://proxy.example.com:3128')
  .default('');

function isProxyUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  return (
    (protocol === 'http:' || protocol === 'https:') &&
    hostname !== '' &&
    [username, password].every(isPercentEncoded)
  );
}

/** One server. The message never repeats the URL: it may hold a password. */
const redisUrl = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOne =
    url !== undefined &&
    (url.protocol === 'redis:' || url.protocol === 'rediss:') &&
    /^[^,]+$/.test(url.hostname) &&
    /^\/?\d*$/.test(url.pathname) &&
    url.search === '' &&
    url.hash === '' &&
    [url.username, url.password].every(isPercentEncoded);
  if (isOne) return url;
  context.addIssue({
    code: 'custom',
    message: 'must be the redis or rediss URL of one server, such as redis://redis.example.com:6379',
  });
  return z.NEVER;
});

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

const origins = z
  .string()
  .transform((text) => text.split(',').map((origin) => origin.trim()))
  .refine(
    (list) => list.every((origin) => origin === '*' || isOrigin(origin)),
    'must be origins separated by commas, such as https://app.example.com or http://localhost:* (any port), or *',
  )
  .default([]);

/** As browsers send it, or with `*` for its port. */
function isOrigin(text: string): boolean {
  const withPort = text.replace(/:\*$/, ':1');
  return !withPort.includes('*') && URL.canParse(withPort) && new URL(withPort).origin === withPort;
}

/** A file as client code generators write it. The gateway checks its documents against the schema. */
const trustedDocuments = z.string().transform((path, context): ReadonlyMap<string, string> => {
  const refuse = (fault: string): never => {
    context.addIssue({
      code: 'custom',
      message: `must be the path of a JSON file like { "<id>": "<query text>" }, but ${fault}`,
    });
    return z.NEVER;
  };

  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return refuse(error instanceof SyntaxError ? 'it is not JSON' : `it cannot be read (${codeOf(error)})`);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    return refuse('it holds no object');
  const documents = new Map<string, string>();
  for (const [id, text] of Object.entries(content)) {
    if (typeof text === 'string') documents.set(id, text);
    else refuse(`document ${JSON.stringify(id)} is no text`);
  }
  return Object.keys(content).length > 0 ? documents : refuse('it is empty, so nothing could be asked');
});

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

const cacheSecret = z
  .string()
  .transform((text) => text.split(','))
  .refine(
    (secrets) => secrets.length <= 2 && secrets.every((secret) => Buffer.byteLength(secret) >= 32),
    'must be one secret, or the new and the old one separated by a comma, each of at least 32 bytes',
  );

const TEBIBYTE = 1024 ** 4;

/** Every setting: its rule, its default and what `--help` says of it. */
export const SETTINGS = z.object({
  PORT: whole(0, 65_535, 4000).describe('port to listen on; 0 takes any free one'),
  HOST: z.string().default('0.0.0.0').describe('address to listen on'),
  METRICS_PORT: wholeNumber(0, 65_535)
    .optional()
    .describe('port of /metrics, which then is there alone; 0 takes any free one'),
  SUPERMETRICS_API_URL: apiUrl
    .default(new URL('https://dts-api.supermetrics.com/v1'))
    .describe('base URL of the REST API, with its version'),
  HTTPS_PROXY: proxyUrl.describe('proxy for an https REST API, as elsewhere; in lower case too'),
  HTTP_PROXY: proxyUrl.describe('proxy for an http REST API'),
  NO_PROXY: z.string().default('').describe('hosts that are reached without a proxy'),
  SUPERMETRICS_TEAM_ID: z
    .string()
    .refine(isResourceId, `must be ${RESOURCE_ID_RULE}`)
    .optional()
    .describe('team of requests that name none'),
  CACHE_TTL_MS: whole(0, 3_600_000, 2_000).describe('lifetime of what can change; 0 keeps nothing'),
  CACHE_FINAL_TTL_MS: whole(0, 86_400_000, 60_000).describe('lifetime of a completed backfill'),
  CACHE_STALE_MS: whole(0, 86_400_000, 300_000).describe('greatest age of a stale value; 0 serves none'),
  STALE_AFTER_MS: whole(0, 600_000, 3_000).describe(
    'how long a query waits before it is answered a stale value; 0 for ever',
  ),
  CACHE_MAX_BYTES: whole(1024 ** 2, TEBIBYTE, 128 * 1024 ** 2).describe('most memory of kept values'),
  CACHE_SECRET: cacheSecret
    .optional()
    .describe(
      'seals what replicas share, and keys callers in the log; one, or "new,old", of 32 bytes or more',
    ),
  UPSTREAM_HOURLY_QUOTA: whole(1, 1_000_000_000, 5_000).describe(
    'calls an hour of a credential, assumed until the REST API tells its limit',
  ),
  REPLICAS: whole(1, 1_000, 1).describe(
    'processes that divide the calls of an hour where they share no Redis',
  ),
  UPSTREAM_TIMEOUT_MS: whole(1, 600_000, 10_000).describe('deadline of one read, retries included'),
  UPSTREAM_MAX_CONCURRENCY: whole(1, 10_000, 256).describe('most upstream calls at once'),
  MAX_UPSTREAM_CALLS_PER_OPERATION: whole(1, 100_000, 200).describe('most upstream calls of an operation'),
  SUBSCRIPTION_POLL_MS: whole(100, 3_600_000, 2_000).describe('time between polls of a watched backfill'),
  GRAPHIQL: flag(true).describe('GraphiQL at /graphql; false where NODE_ENV=production'),
  INTROSPECTION: flag(true).describe('false where NODE_ENV=production'),
  TRUSTED_DOCUMENTS: trustedDocuments.optional().describe('JSON file of the only documents that run'),
  CORS_ORIGINS: origins.describe('browser origins that may call, separated by commas, or *'),
  KEEP_ALIVE_TIMEOUT_MS: whole(1, 3_600_000, 65_000).describe('how long an idle connection is kept'),
  LOG_LEVEL: z
    .enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`)
    .default('info')
    .describe(LOG_LEVELS.join(', ')),
  LOG_CALLERS: flag(false).describe('name the caller, by a keyed hash, and the team in request lines'),
  DRAIN_DELAY_MS: whole(0, 600_000, 0).describe('time after SIGTERM in which all is still served'),
  SHUTDOWN_GRACE_MS: whole(0, 600_000, 10_000).describe('time that requests then get to finish'),
  REDIS_URL: redisUrl.optional().describe('Redis or Valkey through which replicas share reads and hours'),
  REDIS_TIMEOUT_MS: whole(1, 60_000, 50).describe(
    'how long a request waits for a Redis that does not answer',
  ),
});

/** The same where `NODE_ENV=production`, which changes two defaults. */
export const PRODUCTION_SETTINGS = SETTINGS.extend({ GRAPHIQL: flag(false), INTROSPECTION: flag(false) });
