import { ConfigError } from '../config.ts';
import { type Sandbox, startSandbox } from '../sandbox/server.ts';

/** The variables of a sandbox, as they were given. */
export interface SandboxSettings {
  readonly port: string;
  /** The variable that the port came from. */
  readonly portName: string;
  readonly hourlyQuota: string;
}

export const DEFAULT_HOURLY_QUOTA = '5000';

/** @throws {ConfigError} for a setting that is none, and where the port is in use */
export async function startSandboxWith({ port, portName, hourlyQuota }: SandboxSettings): Promise<Sandbox> {
  const mistakes = [
    ...(/^\d{1,5}$/.test(port) && Number(port) <= 65_535
      ? []
      : [`${portName} must be a whole number from 0 to 65535`]),
    ...(/^[1-9]\d{0,8}$/.test(hourlyQuota)
      ? []
      : ['SANDBOX_HOURLY_QUOTA must be a whole number from 1 to 999999999']),
  ];
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'));
  try {
    return await startSandbox({ port: Number(port), hourlyQuota: Number(hourlyQuota) });
  } catch (error) {
    if (!isPortTaken(error)) throw error;
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
