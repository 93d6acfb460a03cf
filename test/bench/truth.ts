import { type Bench, inTurns } from './bench.ts';
import { whole } from './format.ts';
import { type Dot, drawFrontier } from './frontier-svg.ts';
import {
  type Audience,
  CPU_COLUMN,
  FAULTS_COLUMN,
  MACHINE_COLUMNS,
  UPSTREAM_CALLS_COLUMN,
  watch,
  WORLD,
} from './readers/watch.ts';
import { asMs, type Column, type Sample, valuesOf } from './samples.ts';
import { median } from './statistics.ts';

/** Who waits for the truth. */
export interface TruthOptions {
  readonly pollers: number;
  readonly streams: number;
  readonly credentials: number;
  readonly seconds: number;
  readonly seed: number;
  /** Calls an hour that the upstream tells and enforces; without it more than can be used up. */
  readonly hourlyQuota: number | undefined;
}

const ROWS = 20;
const POLL_MS = 2_000;
const UPSTREAM_MS = 50;
/** Within this all streams are open and all pages have been read. */
const QUIET_MS = 12_000;
/** Calls an hour that the REST API allows. */
const USUAL_QUOTA = 5_000;

const delayColumns = (by: 'polled' | 'streamed', title: string): readonly Column[] => [
  { kind: 'median', figure: `${by}P50`, title: `${title}: p50 ms`, show: asMs },
  { kind: 'varying', figure: `${by}P95`, title: 'p95 ms', show: asMs },
  { kind: 'median', figure: `${by}P99`, title: 'p99 ms', show: asMs },
  { kind: 'median', figure: `${by}Max`, title: 'max ms', show: asMs },
];

export const TRUTH_TABLES: readonly (readonly Column[])[] = [
  [
    ...delayColumns('polled', 'pollers'),
    ...delayColumns('streamed', 'streams'),
    { kind: 'varying', figure: 'callsPerHour', title: 'upstream calls an hour', show: whole },
    { kind: 'median', figure: 'lifetimeMs', title: 'lifetime in force ms', show: whole },
  ],
  [
    UPSTREAM_CALLS_COLUMN,
    CPU_COLUMN,
    { kind: 'median', figure: 'answersP50', title: 'answers: p50 ms', show: asMs },
    { kind: 'varying', figure: 'answersP99', title: 'p99 ms', show: asMs },
    FAULTS_COLUMN,
    { kind: 'median', figure: 'resident', title: 'resident MiB', show: whole },
    ...MACHINE_COLUMNS,
  ],
];

export function audienceOf(options: TruthOptions): Audience {
  const { pollers, streams, credentials, seconds, seed, hourlyQuota } = options;
  return {
    pollers,
    rows: ROWS,
    pollMs: POLL_MS,
    streams,
    credentials,
    world: { ...WORLD, seed, quietMs: QUIET_MS, changingMs: seconds * 1000 },
    upstreamMs: UPSTREAM_MS,
    hourlyQuota,
  };
}

function audienceText({ pollers, streams, credentials, hourlyQuota }: TruthOptions): string {
  const shared = credentials === 1 ? '' : `, ${credentials} credentials`;
  const quota = hourlyQuota === undefined ? '' : `, ${hourlyQuota} calls an hour for each credential`;
  return `${pollers} dashboards of ${ROWS} polled every ${POLL_MS / 1000} s, ${streams} streams${shared}${quota}`;
}

/** How long after a change at the upstream everybody who looks at it has seen it, and what that costs. */
export function measureTruth(
  bench: Bench,
  { ttlMs, ...options }: TruthOptions & { readonly ttlMs: number },
): Promise<readonly Sample[]> {
  const of = `Time to truth: ${audienceText(options)}, lifetime ${ttlMs / 1000} s, upstream ${UPSTREAM_MS} ms`;
  const turns = bench.contestants
    .filter(({ kind }) => kind !== 'limit')
    .map((contestant) => ({ contestant, options: { ttlMs } }));
  return inTurns(bench, of, turns, async (server, round) => {
    const { figures, reasons } = await watch(bench, server, audienceOf(options));
    for (const reason of reasons) bench.progress(`${server.name}: ${reason}`);
    return [{ of, contestant: server.name, round, figures: withLifetime(figures, ttlMs) }];
  });
}

function withLifetime(figures: Sample['figures'], ttlMs: number): Sample['figures'] {
  return { ...figures, lifetimeMs: ttlMs * (figures['stretch'] ?? NaN) };
}

const GATEWAY_TTLS_MS = [500, 1_000, 2_000, 5_000];
const PEER_TTLS_MS = [1_000, 2_000, 5_000];
/** As `nameAt` writes them. */
const AT = ' at ';

/** The same at several lifetimes: what sooner costs. */
export function measureFrontier(bench: Bench, options: TruthOptions): Promise<readonly Sample[]> {
  const of = `Frontier: ${audienceText(options)}, upstream ${UPSTREAM_MS} ms`;
  const turns = bench.contestants.flatMap((contestant) => {
    if (contestant.kind === 'limit' || contestant.kind === 'other') return [];
    const ttls = contestant.kind === 'gateway' ? GATEWAY_TTLS_MS : PEER_TTLS_MS;
    return ttls.map((ttlMs) => ({
      contestant: { ...contestant, name: nameAt(contestant.name, ttlMs) },
      options: { ttlMs },
    }));
  });
  return inTurns(bench, of, turns, async (server, round, { ttlMs }) => {
    const { figures, reasons } = await watch(bench, server, audienceOf(options));
    for (const reason of reasons) bench.progress(`${server.name} at ${ttlMs} ms: ${reason}`);
    return [{ of, contestant: nameAt(server.name, ttlMs), round, figures: withLifetime(figures, ttlMs) }];
  });
}

/** @returns the name without the lifetime that the frontier adds */
export function contestantIn(name: string): string {
  return name.split(AT)[0] ?? name;
}

function nameAt(name: string, ttlMs: number): string {
  return `${name}${AT}${ttlMs / 1000} s`;
}

/** The picture of a frontier: the 95th percentile of the time to truth over the calls that it costs. */
export function frontierPicture(samples: readonly Sample[], options: TruthOptions): string {
  const { pollers, streams } = options;
  const names = [...new Set(samples.map(({ contestant }) => contestant))];
  const dots = names.flatMap((name): readonly Dot[] => {
    const contestant = contestantIn(name);
    const [, lifetime = ''] = name.split(AT);
    const at = (figure: string): number => median(valuesOf(samples, figure, name));
    const callsPerHour = at('callsPerHour');
    return [
      { series: `${contestant}, polled`, lifetime, callsPerHour, seconds: at('polledP95') / 1000 },
      { series: `${contestant}, streams`, lifetime, callsPerHour, seconds: at('streamedP95') / 1000 },
    ].filter(({ seconds }) => !Number.isNaN(seconds));
  });
  return drawFrontier({
    dots,
    title: 'Time from a change to its readers (p95), over upstream calls an hour',
    subtitle:
      `Down and to the left is better. ${pollers} polled dashboards of ${ROWS} rows` +
      `${streams === 0 ? '' : `, ${streams} streams`}; at a dot: how long values are kept.`,
    pollSeconds: POLL_MS / 1000,
    quotaPerHour: USUAL_QUOTA,
  });
}
