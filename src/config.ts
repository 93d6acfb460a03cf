import type { z } from 'zod';
import { nearest } from './nearest.ts';
import { PRODUCTION_SETTINGS, SETTINGS } from './settings.ts';

/** Former settings, each with the one that took its place. To ignore them would be to run with another setting. */
const REMOVED: ReadonlyMap<string, string> = new Map([['CACHE_MAX_ENTRIES', 'CACHE_MAX_BYTES']]);

/** The gateway's settings, named as in the environment; durations in milliseconds. */
export type Config = Readonly<z.output<typeof SETTINGS>>;

/** All mistakes in the environment, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings from environment variables. An empty variable counts as absent.
 * @throws {ConfigError}
 */
export function loadConfig(env: Environment): Config {
  const given = givenIn(env);
  const schema = env['NODE_ENV'] === 'production' ? PRODUCTION_SETTINGS : SETTINGS;
  const parsed = schema.safeParse(given);
  const issues = parsed.error?.issues ?? [];
  const mistakes = [
    ...issues.map(({ path, message }) => `${asGiven(path.join('.'), env)} ${message}`),
    ...[...REMOVED]
      .filter(([name]) => given[name] !== undefined)
      .map(([name, successor]) => `${name} is no longer a setting: set ${successor} in its place`),
    ...portMistakes(schema, given),
    ...secretMistakes(given),
  ];
  if (parsed.success && mistakes.length === 0) return parsed.data;
  throw new ConfigError(mistakes.join('\n'));
}

function portMistakes({ shape }: typeof SETTINGS, given: Environment): readonly string[] {
  const port = shape.PORT.safeParse(given['PORT']).data;
  const metricsPort = shape.METRICS_PORT.safeParse(given['METRICS_PORT']).data;
  if (metricsPort === undefined || metricsPort === 0 || metricsPort !== port) return [];
  return [`METRICS_PORT must not be ${port} as PORT is: /metrics has a port of its own or is at PORT`];
}

/** Without a secret whoever reads Redis could tell whose tokens are in use. */
function secretMistakes(given: Environment): readonly string[] {
  if (given['REDIS_URL'] === undefined || given['CACHE_SECRET'] !== undefined) return [];
  return ['CACHE_SECRET must be set where REDIS_URL is: what replicas share is sealed under it'];
}

/** What `--help` says of a setting. */
export interface Setting {
  readonly name: string;
  /** As it would be given, or `none`. */
  readonly fallback: string;
  readonly meaning: string;
}

/** Every setting, in the order in which people read them. */
export function describeSettings(): readonly Setting[] {
  const { shape } = SETTINGS;
  const fallbacks: Readonly<Record<string, unknown>> = loadConfig({});
  return Object.entries(shape).map(([name, { description = '' }]) => {
    // A URL and a list become what an operator would write.
    const fallback = name in fallbacks ? String(fallbacks[name]) : '';
    return { name, fallback: fallback === '' ? 'none' : fallback, meaning: description };
  });
}

/** The variable that sets this setting, in lower case where that form was used; undefined where its default counts. */
export function givenBy(setting: string, env: Environment): string | undefined {
  return givenIn(env)[setting] === undefined ? undefined : asGiven(setting, env);
}

/** A variable that has no effect although its name says that it should. */
export type SettingWarning =
  | {
      readonly msg: 'unknown setting';
      readonly variable: string;
      /** The setting whose name is most like it. */
      readonly nearest: string;
    }
  | { readonly msg: 'setting ignored'; readonly variable: string; readonly reason: string };

/** Settings whose names begin like those of many programs, such as HOST_IP and NO_COLOR, so that these are no slips. */
const COMMON_NAMES: ReadonlySet<string> = new Set(['HOST', 'PORT', 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY']);
/** Kubernetes gives every container such variables for each service, which may be called "cache" or "redis". */
const FROM_KUBERNETES = /_(?:SERVICE|PORT)(?:_|$)/;

/** Most variables with no effect are slips, and the others come from Kubernetes. */
export function settingWarnings(env: Environment): readonly SettingWarning[] {
  const names = Object.keys(SETTINGS.shape).filter((name) => !COMMON_NAMES.has(name));
  const beginnings = new Set(names.map(beginningOf));
  const unknown = Object.keys(givenIn(env))
    .filter((name) => beginnings.has(beginningOf(name)) && !names.includes(name))
    .filter((name) => !FROM_KUBERNETES.test(name) && !REMOVED.has(name))
    .map((variable) => ({ msg: 'unknown setting', variable, nearest: nearest(variable, names) }) as const);
  const reason = 'it is the address of a service, as Kubernetes sets it, and no port';
  const ignored = Object.entries(env)
    .filter(([name, value]) => isAddressOfService(name, value))
    .map(([variable]) => ({ msg: 'setting ignored', variable, reason }) as const);
  return [...unknown, ...ignored];
}

/** The first word of a name; after MAX, with which names of many programs begin, the second word too. */
function beginningOf(name: string): string | undefined {
  return /^(?:MAX_)?[A-Z]+(?=_|$)/.exec(name)?.[0];
}

function givenIn(env: Environment): Environment {
  const given = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => isGiven(value) && !isAddressOfService(name, value)),
  );
  const proxies = Object.entries(given).filter(([name]) => LOWER_CASE_NAMES.has(name));
  return { ...given, ...Object.fromEntries(proxies.map(([name, value]) => [name.toUpperCase(), value])) };
}

/** Kubernetes sets METRICS_PORT to the address of a service that is called "metrics". */
function isAddressOfService(name: string, value = ''): boolean {
  return name === 'METRICS_PORT' && value.startsWith('tcp://');
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
