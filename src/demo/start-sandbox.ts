import { ConfigError } from '../config.ts';
import { type Sandbox, startSandbox } from '../sandbox/server.ts';

export const DEFAULT_HOURLY_QUOTA = 5_000;

/**
 * Starts a sandbox by the variables of the environment.
 * @param portNames the variables that may hold its port; the first one counts
 * @param usualPort where none of them is given; any free one is taken where that is in use
 * @throws {ConfigError} for a setting that is none, and where the port that was given is in use
 */
export async function startSandboxBy(
  given: Readonly<Record<string, string>>,
  portNames: readonly [string, ...string[]],
  usualPort: number,
): Promise<Sandbox> {
  const portName = portNames.find((name) => given[name] !== undefined) ?? portNames[0];
  const port = given[portName] ?? String(usualPort);
  const hourlyQuota = given['SANDBOX_HOURLY_QUOTA'] ?? String(DEFAULT_HOURLY_QUOTA);
  const mistakes = [
    ...(/^\d{1,5}$/.test(port) && Number(port) <= 65_535
      ? []
      : [`${portName} must be a whole number from 0 to 65535`]),
    ...(/^[1-9]\d{0,8}$/.test(hourlyQuota)
      ? []
      : ['SANDBOX_HOURLY_QUOTA must be a whole number from 1 to 999999999']),
  ];
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'));
  const start = (at: number): Promise<Sandbox> =>
    startSandbox({ port: at, hourlyQuota: Number(hourlyQuota) });
  try {
    return await start(Number(port));
  } catch (error) {
    if (!isPortTaken(error)) throw error;
    if (given[portName] === undefined) return start(0);
    throw new ConfigError(`${portName} ${port} is in use: stop what listens there, or set another one`);
  }
}

export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

/** The variables that are not empty: an empty one counts as absent. */
export function givenIn(env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [[name, value]],
    ),
  );
}
