import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

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
