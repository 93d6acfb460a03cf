import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-port.ts';
import type { Contestant, RunningServer, ServerOptions } from './contestants.ts';
import { cpuSeconds } from './machine.ts';
import { startWorker, type Worker } from './processes.ts';
import type { Sample } from './samples.ts';
import type { LoadOrder, LoadReply } from './speed/load.ts';
import { workloadsNamed } from './speed/workloads.ts';
import type { UpstreamCalls, UpstreamOrder } from './upstream.ts';

/** What every part of the bench works with. */
export interface Bench {
  readonly contestants: readonly Contestant[];
  readonly rounds: number;
  readonly core: number | undefined;
  readonly upstreamPort: number;
  readonly upstream: Worker<UpstreamOrder, UpstreamCalls>;
  readonly load: Worker<LoadOrder, LoadReply>;
  readonly progress: (text: string) => void;
}

export async function createBench(
  options: Pick<Bench, 'contestants' | 'rounds' | 'core' | 'upstreamPort' | 'progress'>,
): Promise<Bench> {
  const upstreamPort = options.upstreamPort === 0 ? await freePort() : options.upstreamPort;
  const upstream = startWorker<UpstreamOrder, UpstreamCalls>('upstream.ts', { PORT: String(upstreamPort) });
  await upstream.ask({ kind: 'rest', latencyMs: 0 });
  return {
    ...options,
    upstreamPort,
    upstream,
    load: startWorker<LoadOrder, LoadReply>('speed/load.ts'),
  };
}

export type TurnOptions = Pick<ServerOptions, 'ttlMs' | 'settings'>;

/**
 * Lets each contestant have its turn in each round, in random order, each turn with a process of its own whose code is
 * warm and whose cache knows nothing that the turn will ask for. A turn that fails is a fault of that contestant.
 */
export async function inTurns(
  bench: Bench,
  of: string,
  turns: readonly { readonly contestant: Contestant; readonly options: TurnOptions }[],
  measure: (server: RunningServer, round: number, options: TurnOptions) => Promise<readonly Sample[]>,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (let round = 1; round <= bench.rounds; round++) {
    for (const { contestant, options } of shuffled(turns)) {
      const { name } = contestant;
      let server: RunningServer | undefined;
      try {
        server = await startWarm(bench, contestant, options);
        samples.push(...(await measure(server, round, options)));
      } catch (error) {
        samples.push({ of, contestant: name, round, figures: {}, fault: explain(error) });
      }
      await bench.upstream.ask({ kind: 'rest', latencyMs: 0 });
      await server?.stop();
      const faults = samples.filter((sample) => sample.contestant === name && sample.round === round);
      bench.progress(
        `${of}: round ${round} of ${bench.rounds}, ${name}${faults.map(({ fault = '' }) => fault && `: ${fault}`).join('')}`,
      );
    }
  }
  const order = turns.map(({ contestant }) => contestant.name);
  return samples.sort((a, b) => order.indexOf(a.contestant) - order.indexOf(b.contestant));
}

const WARM_SECONDS = 1.5;

async function startWarm(bench: Bench, contestant: Contestant, options: TurnOptions): Promise<RunningServer> {
  const { upstreamPort, core } = bench;
  await bench.upstream.ask({ kind: 'rest', latencyMs: 0 });
  const server = await contestant.start({ ...options, upstreamPort, core });
  try {
    await warm(bench, server.url);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** Lets a server that has just begun compile its code. The upstream has to be at rest. */
export async function warm(
  { load }: Pick<Bench, 'load'>,
  url: string,
  seconds = WARM_SECONDS,
): Promise<void> {
  for (const workload of workloadsNamed('W1', 'W3')) {
    const reply = await load.ask({ what: 'slice', url, workload, connections: 32, seconds, era: 0 });
    if ('fault' in reply) throw new Error(reply.fault);
  }
  // What that left to be collected or closed is not the turn's.
  await sleep(500);
}

/** What a time cost: CPU seconds of the server, and calls of the upstream. */
export interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly upstreamCalls: number;
}

/** @param pid of a server; its CPU time is NaN where that cannot be read */
export async function costOf(
  { upstream }: Bench,
  pid: number | undefined,
  during: () => Promise<unknown>,
): Promise<Cost> {
  const look = async () => ({
    calls: (await upstream.ask({ kind: 'count' })).total,
    cpu: (pid === undefined ? undefined : cpuSeconds(pid)) ?? NaN,
    at: performance.now(),
  });
  const before = await look();
  await during();
  const after = await look();
  return {
    seconds: (after.at - before.at) / 1000,
    cpuSeconds: after.cpu - before.cpu,
    upstreamCalls: after.calls - before.calls,
  };
}

export function shuffled<Item>(items: readonly Item[]): readonly Item[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${explain(error.cause)}`;
}
