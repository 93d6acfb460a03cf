import { parseArgs } from 'node:util';
import { type Workload, WORKLOADS } from './workloads.ts';

export const BENCHES = ['speed', 'economy'] as const;
export type Bench = (typeof BENCHES)[number];

export interface Options {
  readonly benches: readonly Bench[];
  readonly rounds: number;
  readonly sliceSeconds: number;
  readonly connections: number;
  readonly workloads: readonly Workload[];
  readonly upstreamPort: number;
  readonly also: readonly AlsoServer[];
}

/** A server that runs already, speaks the gateway's schema and asks the bench's upstream. */
export interface AlsoServer {
  readonly name: string;
  readonly url: string;
  readonly pid: number | undefined;
}

export const USAGE = `npm run bench -- [${BENCHES.join('] [')}] [options]
Without a name both are run. Economy measures upstream calls and the age of answers, on a clock of its own: it needs no
quiet machine, and has no options. Those of speed:
  --rounds N             how often everything is measured (5)
  --slice SECONDS        how long at a time (2)
  --connections N        requests under way at any time (64)
  --workloads W1,W3      some of ${WORKLOADS.map(({ name }) => name).join(', ')}
  --upstream-port N      where the fake upstream listens, for servers that are to ask it (any free port)
  --also NAME=URL[#PID]  measure this server on 127.0.0.1 too, its CPU time as well if its pid is given; repeatable`;

/** @throws {Error} that says what is wrong with which option */
export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      slice: { type: 'string', default: '2' },
      connections: { type: 'string', default: '64' },
      workloads: { type: 'string', default: WORKLOADS.map(({ name }) => name).join(',') },
      'upstream-port': { type: 'string', default: '0' },
      also: { type: 'string', multiple: true, default: [] },
    },
  });
  return {
    benches: positionals.length === 0 ? BENCHES : positionals.map(benchNamed),
    rounds: numberFrom('rounds', values.rounds, 1, 1000),
    sliceSeconds: numberFrom('slice', values.slice, 0.1, 600),
    connections: numberFrom('connections', values.connections, 1, 1000),
    workloads: values.workloads.split(',').map(workloadNamed),
    upstreamPort: numberFrom('upstream-port', values['upstream-port'], 0, 65_535),
    also: values.also.map(alsoServer),
  };
}

function numberFrom(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (value >= min && value <= max && (option === 'slice' || Number.isInteger(value))) return value;
  throw new Error(`--${option} must be a number from ${min} to ${max}; got ${text}`);
}

function benchNamed(name: string): Bench {
  const bench = BENCHES.find((candidate) => candidate === name);
  if (bench !== undefined) return bench;
  throw new Error(`there is no bench ${name}: ${BENCHES.join(', ')}`);
}

function workloadNamed(name: string): Workload {
  const workload = WORKLOADS.find((candidate) => candidate.name === name);
  if (workload !== undefined) return workload;
  throw new Error(`--workloads: there is no ${name}`);
}

function alsoServer(text: string): AlsoServer {
  const [, name, address] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || address === undefined || !URL.canParse(address))
    throw new Error(`--also takes NAME=URL[#PID]; got ${text}`);
  const { protocol, hostname, origin, pathname, hash } = new URL(address);
  // The load is meant to hurt; it stays on this machine.
  if (protocol !== 'http:' || hostname !== '127.0.0.1')
    throw new Error(`--also measures http://127.0.0.1 only; got ${address}`);
  return { name, url: origin + pathname, pid: /^#\d+$/.test(hash) ? Number(hash.slice(1)) : undefined };
}
