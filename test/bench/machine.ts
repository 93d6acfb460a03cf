import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

export interface Cores {
  readonly server: number;
  readonly others: readonly number[];
}

/**
 * Keeps one core for the server under test: this process, and with it what it starts from now on, moves to the others.
 * Undefined where that is not possible; then everything competes for the same cores.
 */
export function separateCores(): Cores | undefined {
  const [server, ...others] = allowedCores();
  if (server === undefined || others.length === 0) return undefined;
  return pin(process.pid, others) ? { server, others } : undefined;
}

export function pin(pid: number, cores: readonly number[]): boolean {
  try {
    execFileSync('taskset', ['-a', '-c', '-p', cores.join(','), String(pid)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function allowedCores(): readonly number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readProc('self/status') ?? '')?.[1] ?? '';
  return list.split(',').flatMap((range) => {
    const [first = NaN, last = first] = range.split('-').map(Number);
    return Array.from({ length: Math.max(0, last - first + 1) || 0 }, (_, index) => first + index);
  });
}

/** For a line under the tables: figures mean nothing without it. */
export function describeMachine(cores: Cores | undefined): string {
  const placed =
    cores === undefined
      ? 'unpinned (no taskset or a single core): servers, load generator and upstream share all cores'
      : 'the server under test alone on one core, load generator and upstream on the others';
  return `${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, Node ${process.version}; ${placed}`;
}

/** Seconds of CPU time that a process has used; undefined where there is no /proc. */
export function cpuSeconds(pid: number): number | undefined {
  // The name in parentheses may hold spaces; utime and stime are the 14th and 15th field, in ticks of 10 ms.
  const fields = /\) (.*)$/m.exec(readProc(`${pid}/stat`) ?? '')?.[1]?.split(' ');
  return fields && (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Seconds for which the main thread was ready and got no core; undefined where the system does not say. */
export function coreWaitSeconds(pid: number): number | undefined {
  const nanoseconds = readProc(`${pid}/schedstat`)?.split(' ')[1];
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e9;
}

export function residentMiB(pid: number): number | undefined {
  return statusMiB(pid, 'VmRSS');
}

/** The most that was resident since the process began. */
export function peakResidentMiB(pid: number): number | undefined {
  return statusMiB(pid, 'VmHWM');
}

function statusMiB(pid: number, name: 'VmRSS' | 'VmHWM'): number | undefined {
  const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readProc(`${pid}/status`) ?? '')?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) / 1024;
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return undefined;
  }
}
