import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, costOf } from '../bench.ts';
import type { RunningServer } from '../contestants.ts';
import { createLivingWorld, type WorldPlan } from '../living-world.ts';
import { residentMiB } from '../machine.ts';
import { startWorker } from '../processes.ts';
import { asMs, type Column } from '../samples.ts';
import { whole } from '../format.ts';
import type { ReadersOrder, ReadersResult } from './readers.ts';

/** Who reads a living world, and what world that is. */
export interface Audience extends Pick<
  ReadersOrder,
  'pollers' | 'rows' | 'pollMs' | 'streams' | 'credentials'
> {
  readonly world: Omit<WorldPlan, 'startsAt' | 'firstTransferId'>;
  readonly upstreamMs: number;
  readonly hourlyQuota: number | undefined;
}

/** 200 transfers, of which 50 change every ten seconds on average. */
export const WORLD = {
  seed: 1,
  transfers: 200,
  running: 50,
  changeEveryMs: 10_000,
  endShare: 0.05,
} as const;

/** What there is to be told of an audience; no figure where a server has no streams, or no process that can be seen. */
export function figuresOf(
  result: ReadersResult,
  cost: { readonly seconds: number; readonly cpuSeconds: number; readonly upstreamCalls: number },
): Readonly<Record<string, number>> {
  return {
    polls: result.polls,
    polledP50: result.polled.p50,
    polledP95: result.polled.p95,
    polledP99: result.polled.p99,
    polledMax: result.polled.max,
    polledCount: result.polled.count,
    streamedP50: result.streamed.p50,
    streamedP95: result.streamed.p95,
    streamedP99: result.streamed.p99,
    streamedMax: result.streamed.max,
    streamedCount: result.streamed.count,
    answersP50: result.answers.p50,
    answersP99: result.answers.p99,
    answersMax: result.answers.max,
    lateP99: result.late.p99,
    readersBusy: result.readersBusy,
    cpuSeconds: cost.cpuSeconds,
    upstreamCalls: cost.upstreamCalls,
    callsPerHour: (cost.upstreamCalls / cost.seconds) * 3_600,
    refused: result.refused,
    failed: result.failed,
    wrong: result.wrong,
    older: result.older,
    never: result.never,
  };
}

export const FAULT_FIGURES = ['failed', 'wrong', 'older', 'never'] as const;

/** All of them have to be 0. */
export const FAULTS_COLUMN: Column = {
  kind: 'sums',
  figures: FAULT_FIGURES,
  title: FAULT_FIGURES.join(', '),
};

export const UPSTREAM_CALLS_COLUMN: Column = {
  kind: 'varying',
  figure: 'upstreamCalls',
  title: 'upstream calls',
  show: whole,
};

export const CPU_COLUMN: Column = {
  kind: 'varying',
  figure: 'cpuSeconds',
  title: 'CPU s',
  show: (seconds) => seconds.toFixed(2),
};

export const MACHINE_COLUMNS: readonly Column[] = [
  { kind: 'median', figure: 'lateP99', title: 'sent late p99 ms', show: asMs },
  {
    kind: 'median',
    figure: 'readersBusy',
    title: 'readers busy',
    show: (share) => `${(share * 100).toFixed(0)} %`,
  },
];

const TAIL_MS = 30_000;

let lastFirstTransferId = 0;

/**
 * Lets an audience read a world that no cache knows anything of.
 * @returns figures of the time in which there are changes, with what was resident at its end
 */
export async function watch(
  bench: Bench,
  server: RunningServer,
  { world: plan, upstreamMs, hourlyQuota, ...audience }: Audience,
): Promise<{ readonly figures: Readonly<Record<string, number>>; readonly reasons: readonly string[] }> {
  // Ids of 14 digits at most, another range for each run within days.
  lastFirstTransferId = Math.max(lastFirstTransferId + 1_000_000, Math.floor(Date.now() / 1000) * 1_000);
  const readers = startWorker<ReadersOrder, ReadersResult>('readers/readers.ts');
  // The readers need a moment to load and to plan.
  const world: WorldPlan = { ...plan, startsAt: Date.now() + 2_500, firstTransferId: lastFirstTransferId };
  const { changesFrom, changesUntil } = createLivingWorld(world);
  try {
    await bench.upstream.ask({ kind: 'live', latencyMs: upstreamMs, world, hourlyQuota });
    const streams = server.kind === 'gateway' ? audience.streams : 0;
    const reading = readers.ask({ ...audience, url: server.url, world, streams, tailMs: TAIL_MS });
    await Promise.race([sleep(changesFrom - Date.now()), reading]);
    let resident: number | undefined;
    const cost = await costOf(bench, server.pid, async () => {
      await Promise.race([sleep(changesUntil - Date.now()), reading]);
      resident = server.pid === undefined ? undefined : residentMiB(server.pid);
    });
    const stretch = await stretchOf(server);
    const result = await reading;
    return {
      figures: { ...figuresOf(result, cost), resident: resident ?? NaN, stretch },
      reasons: result.reasons,
    };
  } finally {
    await readers.stop();
  }
}

/** How many times its lifetime a value is kept at this moment, for the sake of the quota. */
async function stretchOf({ kind, url }: RunningServer): Promise<number> {
  if (kind !== 'gateway') return 1;
  const metrics = await (await fetch(url.replace(/graphql$/, 'metrics'))).text();
  return Number(/^backfill_gateway_quota_stretch_greatest (\S+)$/m.exec(metrics)?.[1]);
}
