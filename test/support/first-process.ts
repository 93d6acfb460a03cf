import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { GatewayProcess } from './built-gateway.ts';

/** In a namespace of processes the first one is process 1, as in a container. Whoever is not root needs one of users too. */
const NAMESPACE = ['--fork', '--pid', '--mount-proc'];
const WAYS = [NAMESPACE, ['--user', '--map-root-user', ...NAMESPACE]];

const way = WAYS.find((flags) => spawnSync('unshare', [...flags, 'true']).status === 0);
const MISSING = 'this machine allows no namespace of processes (unshare --pid)';

/** On a developer's machine this skips what needs one; in CI it fails, or nobody would ever know. */
export const skipsWithoutNamespaces = way === undefined && !process.env['CI'];
if (skipsWithoutNamespaces) console.warn(`Tests of the gateway as process 1 are skipped: ${MISSING}`);

export interface FirstProcess {
  readonly command: readonly [string, ...string[]];
  /** Sends SIGTERM to process 1 and not to the command that has started it, which ignores the signal. */
  terminate(gateway: GatewayProcess): void;
}

/** A command that runs this one as process 1, and ends with its exit code. */
export function asFirstProcess(command: readonly string[]): FirstProcess {
  if (way === undefined) throw new Error(MISSING);
  return {
    command: ['unshare', ...way, '--kill-child', ...command],
    terminate({ child: { pid = 0 } }) {
      const first = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));
      expectFirst(first);
      process.kill(first, 'SIGTERM');
    },
  };
}

/** @throws {Error} where the process would not be process 1 to itself */
function expectFirst(pid: number): void {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  if (!/^NSpid:.*\t1$/m.test(status)) throw new Error(`process ${pid} is not process 1 of a namespace`);
}
