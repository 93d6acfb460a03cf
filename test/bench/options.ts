import type { readArguments } from '../../src/command-line.ts';
import { type Command, type Options as CommandOptions, UsageError } from '../../src/command-line.ts';
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

export const COMMAND = {
  name: 'npm run bench --',
  does: `Measures the built gateway. Speed: next to a bare node:http server, on a quiet
machine. Economy: upstream calls and the age of answers, on a clock of its own;
it has no options. Prints Markdown; ends with code 1 where a claim fails.`,
  operands: { name: BENCHES.join('|'), does: 'which bench; both without a name' },
  options: {
    rounds: { type: 'string', value: 'N', does: 'how often everything is measured (5)' },
    slice: { type: 'string', value: 'SECONDS', does: 'how long at a time (2)' },
    connections: { type: 'string', value: 'N', does: 'requests under way at any time (64)' },
    workloads: {
      type: 'string',
      value: 'W1,W3',
      does: `some of ${WORKLOADS.map(({ name }) => name).join(', ')}`,
    },
    'upstream-port': { type: 'string', value: 'N', does: 'port of the fake upstream (any free one)' },
    also: {
      type: 'string',
      multiple: true,
      value: 'NAME=URL[#PID]',
      does: 'another server on 127.0.0.1, its CPU time too if its pid is given',
    },
  },
  examples: ['npm run bench -- speed --rounds 3 --workloads W1', 'npm run bench -- economy'],
} as const satisfies Command<CommandOptions>;

/** @throws {UsageError} that says what is wrong with which option */
export function readOptions(
  values: ReturnType<typeof readArguments<(typeof COMMAND)['options']>>['values'],
  positionals: readonly string[],
): Options {
  return {
    benches: positionals.length === 0 ? BENCHES : positionals.map(benchNamed),
    rounds: numberFrom('rounds', values.rounds ?? '5', 1, 1000),
    sliceSeconds: numberFrom('slice', values.slice ?? '2', 0.1, 600),
    connections: numberFrom('connections', values.connections ?? '64', 1, 1000),
    workloads: values.workloads?.split(',').map(workloadNamed) ?? WORKLOADS,
    upstreamPort: numberFrom('upstream-port', values['upstream-port'] ?? '0', 0, 65_535),
    also: (values.also ?? []).map(alsoServer),
  };
}

function numberFrom(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (value >= min && value <= max && (option === 'slice' || Number.isInteger(value))) return value;
  throw new UsageError(`--${option} must be a number from ${min} to ${max}; got ${text}`);
}

function benchNamed(name: string): Bench {
  const bench = BENCHES.find((candidate) => candidate === name);
  if (bench !== undefined) return bench;
  throw new UsageError(`there is no bench ${name}: ${BENCHES.join(', ')}`);
}

function workloadNamed(name: string): Workload {
  const workload = WORKLOADS.find((candidate) => candidate.name === name);
  if (workload !== undefined) return workload;
  throw new UsageError(`--workloads: there is no ${name}`);
}

function alsoServer(text: string): AlsoServer {
  const [, name, address] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || address === undefined || !URL.canParse(address))
    throw new UsageError(`--also takes NAME=URL[#PID]; got ${text}`);
  const { protocol, hostname, origin, pathname, hash } = new URL(address);
  // The load is meant to hurt; it stays on this machine.
  if (protocol !== 'http:' || hostname !== '127.0.0.1')
    throw new UsageError(`--also measures http://127.0.0.1 only; got ${address}`);
  return { name, url: origin + pathname, pid: /^#\d+$/.test(hash) ? Number(hash.slice(1)) : undefined };
}
