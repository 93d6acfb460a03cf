import { type Bench, costOf, inTurns } from './bench.ts';
import { YOGA } from './contestants.ts';
import { whole } from './format.ts';
import { startWorker } from './processes.ts';
import type { CrowdOrder, PhaseResult } from './readers/crowd.ts';
import { asMs, type Column, type Sample } from './samples.ts';

const CALM = 50;
const CROWD = 500;
const ROWS = 20;
const TRANSFERS = 2_000;
const EVERY_MS = 1_000;
const UPSTREAM_MS = 50;
/** 2,000 cold rows need many calls at once. */
const MAX_CONCURRENCY = 512;

export const BURST_TABLES: readonly (readonly Column[])[] = [
  [
    { kind: 'median', figure: 'requests', title: 'requests', show: whole },
    { kind: 'median', figure: 'p50', title: 'p50 ms', show: asMs },
    { kind: 'median', figure: 'p99', title: 'p99 ms', show: asMs },
    { kind: 'varying', figure: 'p999', title: 'p99.9 ms', show: asMs },
    { kind: 'ratio', figure: 'p999', title: 'p99.9 × Yoga', base: YOGA },
    { kind: 'median', figure: 'max', title: 'max ms', show: asMs },
    { kind: 'median', figure: 'upstreamCalls', title: 'upstream calls', show: whole },
    { kind: 'varying', figure: 'cpuSeconds', title: 'CPU s', show: (value) => value.toFixed(2) },
    { kind: 'sums', figures: ['failed'], title: 'failed' },
    { kind: 'median', figure: 'lateP99', title: 'sent late p99 ms', show: asMs },
  ],
];

/** W8: what a sudden crowd feels, and how fast it is over. */
export function measureBurst(
  bench: Bench,
  { ttlMs, seconds }: { readonly ttlMs: number; readonly seconds: number },
): Promise<readonly Sample[]> {
  const phases = [
    { clients: CALM, seconds: seconds / 2 },
    { clients: CROWD, seconds },
    { clients: CALM, seconds: seconds / 2 },
  ];
  const what = `dashboards of ${ROWS} of ${TRANSFERS} transfers once a second, upstream ${UPSTREAM_MS} ms`;
  const titles = [
    `before the crowd, ${CALM} clients`,
    `the crowd, ${CROWD} clients`,
    `after it, ${CALM} clients`,
  ];
  const of = `W8: ${what}: ${titles[1] ?? ''}`;
  const settings = { UPSTREAM_MAX_CONCURRENCY: String(MAX_CONCURRENCY) };
  const turns = bench.contestants
    .filter(({ kind }) => kind !== 'limit')
    .map((contestant) => ({ contestant, options: { ttlMs, settings } }));
  return inTurns(bench, of, turns, async (server, round) => {
    const crowd = startWorker<CrowdOrder, readonly PhaseResult[]>('readers/crowd.ts');
    let results: readonly PhaseResult[] = [];
    await bench.upstream.ask({ kind: 'rest', latencyMs: UPSTREAM_MS });
    const cost = await costOf(bench, server.pid, async () => {
      results = await crowd.ask({
        url: server.url,
        phases,
        everyMs: EVERY_MS,
        rows: ROWS,
        transfers: TRANSFERS,
        firstTransferId: 400_000_000_001,
      });
    }).finally(() => crowd.stop());
    return results.map(({ answers, late, failed, reason }, phase): Sample => {
      if (reason !== undefined) bench.progress(`${server.name}: ${reason}`);
      const whole = phase === 1 ? cost : undefined;
      return {
        of: `W8: ${what}: ${titles[phase] ?? ''}`,
        contestant: server.name,
        round,
        figures: {
          requests: answers.count,
          ...answers,
          failed,
          lateP99: late.p99,
          // Of all phases together.
          upstreamCalls: whole?.upstreamCalls ?? NaN,
          cpuSeconds: whole?.cpuSeconds ?? NaN,
        },
      };
    });
  });
}
