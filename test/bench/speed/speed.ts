import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, costOf, explain, shuffled } from '../bench.ts';
import { LIMIT, type RunningServer, YOGA } from '../contestants.ts';
import { whole } from '../format.ts';
import { asMs, type Column, type Sample, significant } from '../samples.ts';
import type { LoadResult } from './load.ts';
import type { Workload } from './workloads.ts';

export interface SpeedOptions {
  readonly workloads: readonly Workload[];
  readonly connections: number;
  readonly sliceSeconds: number;
  readonly ttlMs: number;
}

export const SPEED_TABLES: readonly (readonly Column[])[] = [
  [
    { kind: 'varying', figure: 'perSecond', title: 'requests/s', show: whole },
    { kind: 'ratio', figure: 'perSecond', title: '× limit', base: LIMIT },
    { kind: 'ratio', figure: 'perSecond', title: '× Yoga', base: YOGA },
    { kind: 'median', figure: 'p50Ms', title: 'p50 ms', show: asMs },
    { kind: 'median', figure: 'p99Ms', title: 'p99 ms', show: asMs },
    { kind: 'median', figure: 'cpuMicros', title: 'CPU µs/request', show: whole },
    { kind: 'ratio', figure: 'cpuMicros', title: 'CPU × limit', base: LIMIT },
    { kind: 'median', figure: 'callsPerRequest', title: 'upstream calls/request', show: significant },
    {
      kind: 'median',
      figure: 'generatorBusy',
      title: 'generator busy',
      show: (share) => `${whole(share * 100)} %`,
    },
  ],
];

/**
 * Requests a second at saturation. All servers are up; slices are short and alternate, in a new random order each round,
 * with those of one workload next to each other, so that a ratio within a round compares like with like.
 */
export async function measureSpeed(bench: Bench, options: SpeedOptions): Promise<readonly Sample[]> {
  const { rounds, core, upstreamPort, progress } = bench;
  const servers: RunningServer[] = [];
  for (const contestant of bench.contestants)
    servers.push(await contestant.start({ ttlMs: options.ttlMs, core, upstreamPort }));
  const samples: Sample[] = [];
  // Round 0 warms up and is thrown away.
  for (let round = 0; round <= rounds; round++) {
    progress(`speed: ${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}`);
    for (const workload of shuffled(options.workloads)) {
      await bench.upstream.ask({ kind: 'rest', latencyMs: workload.upstreamMs });
      for (const server of shuffled(servers)) {
        if (server.kind === 'limit' && workload.cold) continue;
        const sample = await measureSlice(bench, server, workload, round, options);
        if (sample.fault !== undefined) progress(`${server.name} on ${workload.name}: ${sample.fault}`);
        if (round > 0) samples.push(sample);
      }
    }
  }
  await bench.upstream.ask({ kind: 'rest', latencyMs: 0 });
  for (const server of servers) await server.stop();
  const places = options.workloads.map(headingOf);
  const order = bench.contestants.map(({ name }) => name);
  return samples.sort(
    (a, b) =>
      places.indexOf(a.of) - places.indexOf(b.of) ||
      order.indexOf(a.contestant) - order.indexOf(b.contestant),
  );
}

function headingOf({ name, title }: Workload): string {
  return `${name}: ${title}`;
}

export async function measureSlice(
  bench: Bench,
  server: RunningServer,
  workload: Workload,
  round: number,
  options: Omit<SpeedOptions, 'workloads'>,
): Promise<Sample> {
  const sample = { of: headingOf(workload), contestant: server.name, round };
  try {
    const { result, cpuMicros, upstreamCalls } = await timeSlice(bench, server, workload, options);
    const { requests, seconds } = result;
    const fault = upstreamFault(server, workload, { requests, seconds, upstreamCalls }, options.ttlMs);
    return {
      ...sample,
      figures: {
        ...result,
        perSecond: requests / seconds,
        cpuMicros,
        callsPerRequest: upstreamCalls / requests,
      },
      ...(fault === undefined ? {} : { fault }),
    };
  } catch (error) {
    return { ...sample, figures: {}, fault: explain(error) };
  }
}

let nextEra = 1;

async function timeSlice(
  bench: Bench,
  server: RunningServer,
  workload: Workload,
  { connections, sliceSeconds }: Omit<SpeedOptions, 'workloads'>,
): Promise<{ readonly result: LoadResult; readonly cpuMicros: number; readonly upstreamCalls: number }> {
  // New credentials, so that all that is kept of the slice is as old as its filling.
  const order = { url: server.url, workload, connections, seconds: sliceSeconds, era: nextEra++ };
  if (!workload.cold) {
    const filled = await bench.load.ask({ what: 'fill', ...order });
    if ('fault' in filled) throw new Error(filled.fault);
  }
  // What the slice before left to be collected or closed is not this one's.
  await sleep(100);
  let result: LoadResult | undefined;
  const cost = await costOf(bench, server.pid, async () => {
    const reply = await bench.load.ask({ what: 'slice', ...order });
    if ('fault' in reply) throw new Error(reply.fault);
    result = reply;
  });
  if (result === undefined) throw new Error('there is no result');
  return {
    result,
    cpuMicros: (cost.cpuSeconds / result.requests) * 1e6,
    upstreamCalls: cost.upstreamCalls,
  };
}

/** A cold workload that was answered from a cache, or a hot one that was not, is not what its name says. */
function upstreamFault(
  { kind }: RunningServer,
  { cold, idsPerRequest, credentials }: Workload,
  {
    requests,
    seconds,
    upstreamCalls,
  }: { readonly requests: number; readonly seconds: number; readonly upstreamCalls: number },
  ttlMs: number,
): string | undefined {
  if (cold) {
    const needed = requests * idsPerRequest;
    return Math.abs(upstreamCalls - needed) <= needed * 0.01 + 1
      ? undefined
      : `${requests} requests with new ids made ${upstreamCalls} upstream calls instead of ${needed}`;
  }
  if (kind === 'other') return undefined;
  // A value may be read again a little before its time is over. One more call for each credential finds out that there is
  // no list of the team here.
  const times = Math.floor((seconds * 1000) / (0.7 * ttlMs)) + 1;
  const allowed = credentials * (idsPerRequest + 1) * times;
  return upstreamCalls <= allowed
    ? undefined
    : `${upstreamCalls} upstream calls in ${seconds.toFixed(1)} s where a cache of ${ttlMs} ms needs at most ${allowed}`;
}
