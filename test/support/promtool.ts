import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const PATH = process.env['PROMTOOL_PATH'] ?? '/usr/bin/promtool';
const MISSING = `there is no promtool at ${PATH}; install Debian's package prometheus, or name one in PROMTOOL_PATH`;

/** On a developer's machine a missing promtool skips what needs it; in CI it fails, or nobody would ever know. */
export const skipsWithoutPromtool = !existsSync(PATH) && !process.env['CI'];
if (skipsWithoutPromtool) console.warn(`Tests with promtool are skipped: ${MISSING}`);

/** What `promtool check metrics` has against an exposition; empty where it is content. */
export function complaintsOf(exposition: string): string {
  if (!existsSync(PATH)) throw new Error(MISSING);
  const { status, stdout, stderr } = spawnSync(PATH, ['check', 'metrics'], {
    input: exposition,
    encoding: 'utf8',
  });
  return status === 0 ? '' : `${stdout}${stderr}exit code ${status}`;
}

/** Rejects with what promtool says where it is not content. @returns what it says else */
export async function promtool(...args: readonly string[]): Promise<string> {
  if (!existsSync(PATH)) throw new Error(MISSING);
  const { stdout } = await promisify(execFile)(PATH, args).catch((error: unknown) => {
    throw new Error(`promtool ${args.join(' ')}: ${said(error)}`);
  });
  return stdout;
}

function said(error: unknown): string {
  const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string };
  return stdout + stderr || String(error);
}
