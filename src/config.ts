import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { isResourceId, RESOURCE_ID_RULE } from './ids.ts';
import { nearest } from './nearest.ts';

/** A whole number. The message says the whole range; zod's own would say only the bound that was missed. */
function whole(min: number, max: number, fallback: number) {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, rule)
    .transform(Number)
    .refine((value) => value >= min && value <= max, rule)
    .default(fallback);
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
    (list) =>
      list.every((origin) => origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin)),
    'must be origins separated by commas, such as https://app.example.com, or *',
  )
  .default([]);

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

function environment(production: boolean) {
  return z.object({
    PORT: whole(0, 65_535, 4000),
    HOST: z.string().default('0.0.0.0'),
    SUPERMETRICS_API_URL: apiUrl.default(new URL('https://dts-api.supermetrics.com/v1')),
    HTTPS_PROXY: proxyUrl,
    HTTP_PROXY: proxyUrl,
    NO_PROXY: z.string().default(''),
    SUPERMETRICS_TEAM_ID: z.string().refine(isResourceId, `must be ${RESOURCE_ID_RULE}`).optional(),
    CACHE_TTL_MS: whole(0, 3_600_000, 2_000),
    CACHE_FINAL_TTL_MS: whole(0, 86_400_000, 60_000),
    CACHE_STALE_MS: whole(0, 86_400_000, 300_000),
    CACHE_MAX_BYTES: whole(1024 ** 2, 1024 ** 4, 128 * 1024 ** 2),
    UPSTREAM_HOURLY_QUOTA: whole(1, 1_000_000_000, 5_000),
    UPSTREAM_TIMEOUT_MS: whole(1, 600_000, 10_000),
    UPSTREAM_MAX_CONCURRENCY: whole(1, 10_000, 64),
    MAX_UPSTREAM_CALLS_PER_OPERATION: whole(1, 100_000, 200),
    SUBSCRIPTION_POLL_MS: whole(100, 3_600_000, 2_000),
    GRAPHIQL: flag(!production),
    INTROSPECTION: flag(!production),
    TRUSTED_DOCUMENTS: trustedDocuments.optional(),
    CORS_ORIGINS: origins,
    LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
    SHUTDOWN_GRACE_MS: whole(0, 600_000, 10_000),
    // Ignored, it would leave each replica spending the whole hour of a credential while the operator thinks they share.
    REDIS_URL: z
      .never('must not be set: replicas that share a Redis are not built yet, so run one process')
      .optional(),
  });
}

/** The gateway's settings, named as in the environment; durations in milliseconds. */
export type Config = Readonly<z.output<ReturnType<typeof environment>>>;

/** All mistakes in the environment, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings from environment variables. An empty variable counts as absent.
 * @throws {ConfigError}
 */
export function loadConfig(env: Environment): Config {
  const parsed = environment(env['NODE_ENV'] === 'production').safeParse(givenIn(env));
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    parsed.error.issues.map(({ path, message }) => `${asGiven(path.join('.'), env)} ${message}`).join('\n'),
  );
}

/** A variable that is named like a setting and is none, most likely by a slip. */
export interface UnknownSetting {
  readonly variable: string;
  /** The setting whose name is most like it. */
  readonly nearest: string;
}

/** Settings whose names begin like those of many programs, such as HOST_IP and NO_COLOR, so that these are no slips. */
const COMMON_NAMES: ReadonlySet<string> = new Set(['HOST', 'PORT', 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY']);
/** Kubernetes gives every container such variables for each service, which may be called "cache" or "redis". */
const FROM_KUBERNETES = /_(?:SERVICE|PORT)(?:_|$)/;

export function unknownSettings(env: Environment): readonly UnknownSetting[] {
  const settings = Object.keys(environment(false).shape).filter((name) => !COMMON_NAMES.has(name));
  const beginnings = new Set(settings.map(beginningOf));
  return Object.keys(givenIn(env))
    .filter((name) => beginnings.has(beginningOf(name)) && !settings.includes(name))
    .filter((name) => !FROM_KUBERNETES.test(name))
    .map((variable) => ({ variable, nearest: nearest(variable, settings) }));
}

/** The first word of a name; after MAX, with which names of many programs begin, the second word too. */
function beginningOf(name: string): string | undefined {
  return /^(?:MAX_)?[A-Z]+(?=_|$)/.exec(name)?.[0];
}

function givenIn(env: Environment): Environment {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => isGiven(value)));
  const proxies = Object.entries(given).filter(([name]) => LOWER_CASE_NAMES.has(name));
  return { ...given, ...Object.fromEntries(proxies.map(([name, value]) => [name.toUpperCase(), value])) };
}

/** Every program heeds these names in lower case too, and before those in upper case. */
const LOWER_CASE_NAMES: ReadonlySet<string> = new Set(['https_proxy', 'http_proxy', 'no_proxy']);

/** A setting by the name that the operator used. */
function asGiven(setting: string, env: Environment): string {
  const lower = setting.toLowerCase();
  return LOWER_CASE_NAMES.has(lower) && isGiven(env[lower]) ? lower : setting;
}

function isGiven(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
