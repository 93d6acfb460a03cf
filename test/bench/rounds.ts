import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../../src/config.ts';
import type { LoadOrder, LoadResult } from './load.ts';
import { cpuSeconds } from './machine.ts';
import type { Options } from './options.ts';
import { checkOneAnswer, type Workload } from './workloads.ts';

export interface Target {
  readonly name: string;
  /** The floor answers a constant; the gateway is held to all that is known of it; others only to their answers. */
  readonly kind: 'gateway' | 'floor' | 'other';
  readonly pid: number | undefined;
  url(workload: Workload): string;
}

export interface Sample extends LoadResult {
  readonly target: string;
  readonly workload: string;
  readonly round: number;
  readonly upstreamCalls: number;
  readonly cpuMicrosPerRequest: number | undefined;
}

export interface Bench {
  readonly options: Options;
  readonly targets: readonly Target[];
  readonly load: (order: LoadOrder) => Promise<LoadResult>;
  /** How many calls the upstream has counted so far. */
  readonly upstreamCalls: () => Promise<number>;
}

const { CACHE_TTL_MS } = loadConfig({});

/**
 * The speed of a machine changes from one moment to the next. So slices are short and alternate, in a new random order
 * each round, with the targets of a workload next to each other: a ratio within a round compares like with like.
 */
export async function measureRounds(
  bench: Bench,
  progress: (text: string) => void,
): Promise<readonly Sample[]> {
  const { rounds, workloads } = bench.options;
  const samples: Sample[] = [];
  await checkAnswers(bench);
  // Round 0 warms up and is thrown away.
  for (let round = 0; round <= rounds; round++) {
    progress(round === 0 ? 'warming up' : `round ${round} of ${rounds}`);
    for (const workload of shuffled(workloads)) {
      for (const target of shuffled(bench.targets)) {
        const sample = await measure(bench, target, workload, round);
        if (round > 0) samples.push(sample);
      }
    }
  }
  await checkAnswers(bench);
  return samples;
}

/** Every value of one answer of each target to each workload. */
async function checkAnswers({ targets, options: { workloads } }: Bench): Promise<void> {
  for (const target of targets.filter(({ kind }) => kind !== 'floor')) {
    for (const workload of workloads) {
      await checkOneAnswer(target.url(workload), workload).catch((error: unknown) => {
        throw new Error(`${target.name} on ${workload.name}: wrong answer`, { cause: error });
      });
    }
  }
}

async function measure(bench: Bench, target: Target, workload: Workload, round: number): Promise<Sample> {
  const { options, load, upstreamCalls } = bench;
  // What the slice before left to be collected or closed is not this one's.
  await sleep(100);
  const callsBefore = await upstreamCalls();
  const cpuBefore = target.pid === undefined ? undefined : cpuSeconds(target.pid);
  const result = await load({
    url: target.url(workload),
    workload,
    connections: options.connections,
    seconds: options.sliceSeconds,
    echoesIds: target.kind !== 'floor',
  }).catch((error: unknown) => {
    throw new Error(`${target.name} on ${workload.name}`, { cause: error });
  });
  const cpuAfter = target.pid === undefined ? undefined : cpuSeconds(target.pid);
  const sample = {
    ...result,
    target: target.name,
    workload: workload.name,
    round,
    upstreamCalls: (await upstreamCalls()) - callsBefore,
    cpuMicrosPerRequest:
      cpuBefore === undefined || cpuAfter === undefined
        ? undefined
        : ((cpuAfter - cpuBefore) / result.requests) * 1e6,
  };
  const fault = upstreamFault(target, workload, sample);
  if (fault !== undefined) throw new Error(`${target.name} on ${workload.name}: ${fault}`);
  return sample;
}

/** A cold workload that was answered from a cache, or a hot one that was not, is not what its name says. */
function upstreamFault(target: Target, workload: Workload, sample: Sample): string | undefined {
  const { requests, seconds, upstreamCalls } = sample;
  if (target.kind === 'floor') return undefined;
  if (workload.cold) {
    const needed = requests * workload.idsPerRequest;
    return Math.abs(upstreamCalls - needed) <= needed * 0.01
      ? undefined
      : `${requests} requests with new ids made ${upstreamCalls} upstream calls instead of ${needed}`;
  }
  if (target.kind !== 'gateway') return undefined;
  // A value is read again at the earliest when its time is over, at most so often within the slice. One more call finds
  // out that there is no list of the team here, or what the list saves would be measured instead of reads.
  const allowed = workload.idsPerRequest * (Math.floor((seconds * 1000) / CACHE_TTL_MS) + 1) + 1;
  return upstreamCalls <= allowed
    ? undefined
    : `${upstreamCalls} upstream calls in ${seconds.toFixed(1)} s where a cache of ${CACHE_TTL_MS} ms needs ${allowed}`;
}

function shuffled<Item>(items: readonly Item[]): readonly Item[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
