import { type Config, type Environment, givenBy } from './config.ts';
import { PRODUCTION_SETTINGS, SETTINGS } from './settings.ts';

/** A value as an operator would write it, without what is secret; null where there is none. */
type Shown = string | number | boolean | null;

type Value = string | number | boolean | URL | readonly string[] | undefined;

/**
 * Every setting in the order of `--help`, with the value that counts. Secrets are `***`, and so are the user and the
 * password of an address. TRUSTED_DOCUMENTS is the path of its file.
 * @param env what the settings were loaded from
 */
export function effectiveConfig(config: Config, env: Environment): Readonly<Record<string, Shown>> {
  const values: Readonly<Record<string, Value>> = {
    ...config,
    TRUSTED_DOCUMENTS: env['TRUSTED_DOCUMENTS'],
  };
  return Object.fromEntries(Object.keys(SETTINGS.shape).map((name) => [name, shown(name, values[name])]));
}

/**
 * The same as lines of an environment file, such as `PORT=4000 # default`, which Node.js and shells can read. Each says
 * where its value comes from.
 */
export function effectiveConfigText(config: Config, env: Environment): string {
  const lines = Object.entries(effectiveConfig(config, env)).map(
    ([name, value]) => `${name}=${quoted(value)} # ${originOf(name, env)}\n`,
  );
  return lines.join('');
}

const SECRETS: ReadonlySet<string> = new Set(['CACHE_SECRET']);
const ADDRESSES: ReadonlySet<string> = new Set(['HTTPS_PROXY', 'HTTP_PROXY', 'REDIS_URL']);
const HIDDEN = '***';

function shown(name: string, value: Value): Shown {
  const open = (text: string): string =>
    SECRETS.has(name) ? HIDDEN : ADDRESSES.has(name) ? withoutCredentials(text) : text;
  if (value === undefined || value === '') return null;
  if (value instanceof URL) return open(value.href);
  if (typeof value === 'string') return open(value);
  if (typeof value !== 'object') return value;
  return value.length === 0 ? null : value.map(open).join(',');
}

/** A query or a fragment is of no use in these addresses, and nobody knows what it would hold. */
function withoutCredentials(address: string): string {
  const { protocol, username, password, host, pathname } = new URL(address);
  const user = username === '' && password === '' ? '' : `${HIDDEN}@`;
  return `${protocol}//${user}${host}${pathname === '/' ? '' : pathname}`;
}

/** One line, whatever the operator put into the value, and nothing in it that a shell would expand where it can be so. */
function quoted(value: Shown): string {
  const text = String(value ?? '');
  if (/^[\w.:/,*@[\]+-]*$/.test(text)) return text;
  return /['\p{Cc}]/u.test(text) ? JSON.stringify(text) : `'${text}'`;
}

function originOf(name: string, env: Environment): string {
  const variable = givenBy(name, env);
  if (variable === name) return 'environment';
  if (variable !== undefined) return `environment, ${variable}`;
  return env['NODE_ENV'] === 'production' && dependsOnNodeEnv(name)
    ? 'default where NODE_ENV=production'
    : 'default';
}

function dependsOnNodeEnv(name: string): boolean {
  const rules: Readonly<Record<string, unknown>> = SETTINGS.shape;
  const inProduction: Readonly<Record<string, unknown>> = PRODUCTION_SETTINGS.shape;
  return rules[name] !== inProduction[name];
}
