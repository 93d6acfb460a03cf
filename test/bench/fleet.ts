import { type Bench, inTurns } from './bench.ts';
import { YOGA } from './contestants.ts';
import {
  CPU_COLUMN,
  FAULTS_COLUMN,
  MACHINE_COLUMNS,
  UPSTREAM_CALLS_COLUMN,
  watch,
  WORLD,
} from './readers/watch.ts';
import { asMs, type Column, type Sample } from './samples.ts';

const CLIENTS = 200;
const DASHBOARD = 50;
const POLL_MS = 2_000;
const UPSTREAM_MS = 50;

export const FLEET_TABLES: readonly (readonly Column[])[] = [
  [
    UPSTREAM_CALLS_COLUMN,
    { kind: 'ratio', figure: 'upstreamCalls', title: 'calls × Yoga', base: YOGA },
    CPU_COLUMN,
    { kind: 'ratio', figure: 'cpuSeconds', title: 'CPU × Yoga', base: YOGA },
    { kind: 'varying', figure: 'answersP50', title: 'p50 ms', show: asMs },
    { kind: 'varying', figure: 'answersP99', title: 'p99 ms', show: asMs },
    { kind: 'median', figure: 'answersMax', title: 'max ms', show: asMs },
    FAULTS_COLUMN,
    ...MACHINE_COLUMNS,
  ],
];

/** W5: a fleet of polled dashboards, from its first poll on, over a team that changes and whose list is true. */
export function measureFleet(
  bench: Bench,
  { ttlMs, seconds }: { readonly ttlMs: number; readonly seconds: number },
): Promise<readonly Sample[]> {
  const of =
    `W5: ${CLIENTS} clients poll dashboards of ${DASHBOARD} of ${WORLD.transfers} transfers every ` +
    `${POLL_MS / 1000} s for ${seconds} s, upstream ${UPSTREAM_MS} ms`;
  const turns = bench.contestants
    .filter(({ kind }) => kind !== 'limit')
    .map((contestant) => ({ contestant, options: { ttlMs } }));
  return inTurns(bench, of, turns, async (server, round) => {
    const { figures, reasons } = await watch(bench, server, {
      pollers: CLIENTS,
      rows: DASHBOARD,
      pollMs: POLL_MS,
      streams: 0,
      credentials: 1,
      // Cold pages are a part of it.
      world: { ...WORLD, seed: round, quietMs: 0, changingMs: seconds * 1000 },
      upstreamMs: UPSTREAM_MS,
      hourlyQuota: undefined,
    });
    for (const reason of reasons) bench.progress(`${server.name}: ${reason}`);
    return [{ of, contestant: server.name, round, figures }];
  });
}
