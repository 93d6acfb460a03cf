import type { readArguments } from '../../src/command-line.ts';
import { type Command, type Options as CommandOptions, UsageError } from '../../src/command-line.ts';
import { type PeerName, PEERS } from './contestants.ts';
import { NODES, type OtherNode } from './other-node.ts';
import { type Workload, WORKLOADS } from './speed/workloads.ts';

export const PARTS = [
  'speed',
  'start',
  'memory',
  'fleet',
  'burst',
  'truth',
  'frontier',
  'economy',
  'sizing',
  'replicas',
] as const;
export type Part = (typeof PARTS)[number];
/** What another Node is compared in unless parts are named. */
const PARTS_OF_NODES: readonly Part[] = ['start', 'speed', 'memory'];
/** What another Node cannot be compared in. */
const WITHOUT_NODES: readonly Part[] = ['economy', 'frontier', 'sizing', 'replicas'];

export interface Options {
  readonly parts: readonly Part[];
  readonly rounds: number;
  readonly peers: readonly PeerName[];
  readonly sliceSeconds: number;
  readonly connections: number;
  readonly workloads: readonly Workload[];
  /** In the place of each part's own. */
  readonly seconds: number | undefined;
  readonly ttlMs: number | undefined;
  readonly pollers: number;
  readonly streams: number;
  readonly credentials: number;
  readonly hourlyQuota: number | undefined;
  readonly seed: number;
  readonly node: OtherNode | undefined;
  readonly record: boolean;
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
  does: `Measures the built gateway, with everything on, beside its peers: a node:http server
that joins ready texts, GraphQL Yoga, and Mercurius with compiled queries. Wants a
quiet machine. Prints Markdown; ends with code 1 where an answer of the gateway is
wrong, or a claim of economy, sizing or replicas fails.

  speed     requests a second at saturation, W1 to W4, W1u and W3u (12 minutes)
  start     from the start of the process to the first right answer (1 minute)
  memory    resident after the hot workloads, and with readers (25 minutes)
  fleet     W5: polled dashboards from the first poll on (10 minutes)
  burst     W8: a crowd that comes and goes (13 minutes)
  truth     from a change at the upstream to its readers, and what that costs (15 minutes)
  frontier  the same at several lifetimes, with a picture (50 minutes)
  economy   upstream calls and the age of answers on a clock of its own (3 minutes);
            it has no options
  sizing    memory, cores and calls to plan with, and the formulas behind them (4 minutes);
            of the options it heeds rounds and record
  replicas  upstream calls of several replicas that share a Redis beside one (9 minutes);
            of the options it heeds seconds and record; wants redis-server`,
  operands: { name: PARTS.join('|'), does: 'which parts; all without a name' },
  options: {
    rounds: { type: 'string', value: 'N', does: 'how often everything is measured (6)' },
    peers: {
      type: 'string',
      value: 'NAME,NAME',
      does: `some of ${Object.keys(PEERS).join(', ')}, or none (all)`,
    },
    workloads: {
      type: 'string',
      value: 'W1,W3',
      does: `speed, memory: some of ${WORKLOADS.map(({ name }) => name).join(', ')} (all)`,
    },
    slice: { type: 'string', value: 'SECONDS', does: 'speed, memory: how long a workload at a time (2)' },
    connections: { type: 'string', value: 'N', does: 'speed, memory: requests under way at any time (64)' },
    seconds: {
      type: 'string',
      value: 'N',
      does: 'how long a turn of fleet (20), burst (16), truth, frontier and memory (30), replicas (40)',
    },
    ttl: {
      type: 'string',
      value: 'MS',
      does: 'how long everybody keeps values (speed 20000, fleet, burst 5000, truth 2000)',
    },
    pollers: { type: 'string', value: 'N', does: 'truth, frontier, memory: polled dashboards (1000)' },
    streams: { type: 'string', value: 'N', does: 'truth, frontier, memory: streams of the gateway (2000)' },
    credentials: { type: 'string', value: 'N', does: 'truth, frontier, memory: shared by the readers (1)' },
    quota: {
      type: 'string',
      value: 'N',
      does: 'truth, frontier: calls an hour that the upstream grants a credential (no end)',
    },
    seed: { type: 'string', value: 'N', does: 'truth, frontier, memory: of what changes when (1)' },
    node: {
      type: 'string',
      value: Object.keys(NODES).join('|'),
      does: 'compares the gateway on this Node and on that one, which npm installs below node_modules/.cache',
    },
    record: {
      type: 'boolean',
      does: 'writes the results into test/bench/results and into the README beside it',
    },
    'upstream-port': { type: 'string', value: 'N', does: 'port of the fake upstream (any free one)' },
    also: {
      type: 'string',
      multiple: true,
      value: 'NAME=URL[#PID]',
      does: 'another server on 127.0.0.1, its CPU time too if its pid is given',
    },
  },
  examples: [
    'npm run bench -- speed --workloads W1,W3 --rounds 6',
    'npm run bench -- truth --pollers 200 --streams 200 --seconds 10 --rounds 1',
    'npm run bench -- --node 24',
    'npm run bench -- --record',
    'npm run bench -- economy',
  ],
} as const satisfies Command<CommandOptions>;

/** @throws {UsageError} that says what is wrong with which option */
export function readOptions(
  values: ReturnType<typeof readArguments<(typeof COMMAND)['options']>>['values'],
  positionals: readonly string[],
): Options {
  const node = values.node === undefined ? undefined : nodeNamed(values.node);
  return {
    parts: partsFrom(positionals, node),
    rounds: numberFrom('rounds', values.rounds ?? '6', 1, 1000),
    peers: values.peers === undefined ? allPeers() : peersFrom(values.peers),
    sliceSeconds: numberFrom('slice', values.slice ?? '2', 0.1, 600),
    connections: numberFrom('connections', values.connections ?? '64', 1, 1000),
    workloads: workloadsFrom(values.workloads),
    seconds: optionalNumber('seconds', values.seconds, 1, 3600),
    ttlMs: optionalNumber('ttl', values.ttl, 100, 3_600_000),
    pollers: numberFrom('pollers', values.pollers ?? '1000', 1, 10_000),
    streams: numberFrom('streams', values.streams ?? '2000', 0, 5_000),
    credentials: numberFrom('credentials', values.credentials ?? '1', 1, 10_000),
    hourlyQuota: optionalNumber('quota', values.quota, 1, 999_999_999),
    seed: numberFrom('seed', values.seed ?? '1', 1, 1_000_000),
    node,
    record: values.record === true,
    upstreamPort: numberFrom('upstream-port', values['upstream-port'] ?? '0', 0, 65_535),
    also: (values.also ?? []).map(alsoServer),
  };
}

function partsFrom(names: readonly string[], node: OtherNode | undefined): readonly Part[] {
  const chosen = names.map(partNamed);
  if (node === undefined) return chosen.length === 0 ? PARTS : chosen;
  const without = chosen.find((part) => WITHOUT_NODES.includes(part));
  if (without !== undefined) throw new UsageError(`--node does not go with ${without}`);
  return chosen.length === 0 ? PARTS_OF_NODES : chosen;
}

function numberFrom(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (value >= min && value <= max && (option === 'slice' || Number.isInteger(value))) return value;
  throw new UsageError(`--${option} must be a number from ${min} to ${max}; got ${text}`);
}

function optionalNumber(
  option: string,
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  return text === undefined ? undefined : numberFrom(option, text, min, max);
}

function partNamed(name: string): Part {
  const part = PARTS.find((candidate) => candidate === name);
  if (part !== undefined) return part;
  throw new UsageError(`there is no part ${name}: ${PARTS.join(', ')}`);
}

function nodeNamed(name: string): OtherNode {
  if (isOneOf(NODES, name)) return name;
  throw new UsageError(`--node must be one of ${Object.keys(NODES).join(', ')}; got ${name}`);
}

function peersFrom(text: string): readonly PeerName[] {
  if (text === 'none') return [];
  return text.split(',').map((name) => {
    if (isOneOf(PEERS, name)) return name;
    throw new UsageError(`--peers: there is no ${name}: ${Object.keys(PEERS).join(', ')}`);
  });
}

function allPeers(): readonly PeerName[] {
  return Object.keys(PEERS).filter((name) => isOneOf(PEERS, name));
}

function isOneOf<Table extends object>(table: Table, name: string): name is keyof Table & string {
  return Object.hasOwn(table, name);
}

function workloadsFrom(text: string | undefined): readonly Workload[] {
  return text === undefined ? WORKLOADS : text.split(',').map(workloadNamed);
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
