import type { Options } from './options.ts';
import type { Sample } from './rounds.ts';
import type { Workload } from './workloads.ts';

export interface Findings {
  readonly machine: string;
  readonly options: Options;
  readonly floor: string;
  readonly samples: readonly Sample[];
  readonly startupMs: readonly number[];
  readonly residentMiB: number | undefined;
}

/** Above this share of a core the generator may be what limits a server. */
const GENERATOR_LIMIT = 0.9;

/** Markdown, to be pasted as it is. */
export function toMarkdown(findings: Findings): string {
  const { options, machine, startupMs, residentMiB, floor } = findings;
  const memory =
    residentMiB === undefined ? '' : ` Resident memory after the run: ${residentMiB.toFixed(0)} MiB.`;
  return [
    ...options.workloads.map((workload) => table(workload, findings)),
    `Start-up to the first right answer: ${median(startupMs).toFixed(0)} ms (median of ${startupMs.length}).${memory}`,
    `${options.connections} connections; each figure is the median of ${options.rounds} slices of ` +
      `${options.sliceSeconds} s, in brackets the slowest and the fastest. "Of the floor" is the median of the ratios ` +
      `to \`${floor}\` within a round, "× floor" the same for CPU time: the server's alone, so it depends far less ` +
      `on what else the machine does, and not on the load generator. Latencies are those at full load. ` +
      '`≥`: the load generator was the limit.',
    `Machine: ${machine}.`,
  ].join('\n\n');
}

function table(workload: Workload, { samples, floor }: Findings): string {
  const own = samples.filter(({ workload: name }) => name === workload.name);
  const rows = [...new Set(own.map(({ target }) => target))]
    .map((target) => summary(target, floor, own))
    .sort((a, b) => b.perSecond - a.perSecond)
    .map((row) =>
      [
        '',
        row.target,
        `${row.generatorLimited ? '≥ ' : ''}${whole(row.perSecond)} (${whole(row.slowest)} – ${whole(row.fastest)})`,
        `${short(row.ofFloor * 100)} %`,
        row.p50Ms.toFixed(1),
        row.p99Ms.toFixed(1),
        row.cpuMicros === undefined ? '–' : whole(row.cpuMicros),
        row.cpuTimesFloor === undefined ? '–' : short(row.cpuTimesFloor),
        whole(row.upstreamCalls),
        short(row.upstreamCalls / row.requests),
        '',
      ]
        .join(' | ')
        .trim(),
    );
  return [
    `### ${workload.name}: ${workload.title}\n`,
    '| server | requests/s | of the floor | p50 ms | p99 ms | CPU µs/request | × floor | upstream calls | per request |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n');
}

interface Row {
  readonly target: string;
  readonly perSecond: number;
  readonly slowest: number;
  readonly fastest: number;
  readonly generatorLimited: boolean;
  readonly ofFloor: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicros: number | undefined;
  readonly cpuTimesFloor: number | undefined;
  readonly requests: number;
  readonly upstreamCalls: number;
}

function summary(target: string, floor: string, samples: readonly Sample[]): Row {
  const own = samples.filter((sample) => sample.target === target);
  const rates = own.map(rate);
  const ratios = (of: (sample: Sample) => number | undefined): readonly number[] =>
    own.flatMap((sample) => {
      const base = samples.find((other) => other.target === floor && other.round === sample.round);
      const [value, unit] = [of(sample), base && of(base)];
      return value === undefined || unit === undefined ? [] : [value / unit];
    });
  const cpu = (sample: Sample): number | undefined => sample.cpuMicrosPerRequest;
  return {
    target,
    perSecond: median(rates),
    slowest: Math.min(...rates),
    fastest: Math.max(...rates),
    generatorLimited: own.some(({ generatorBusy }) => generatorBusy > GENERATOR_LIMIT),
    ofFloor: median(ratios(rate)),
    p50Ms: median(own.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(own.map(({ p99Ms }) => p99Ms)),
    cpuMicros: medianOrNone(own.map(cpu).filter((value) => value !== undefined)),
    cpuTimesFloor: medianOrNone(ratios(cpu)),
    requests: sum(own.map(({ requests }) => requests)),
    upstreamCalls: sum(own.map(({ upstreamCalls }) => upstreamCalls)),
  };
}

function rate({ requests, seconds }: Sample): number {
  return requests / seconds;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

function medianOrNone(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : median(values);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Two or three digits that say something, whatever the size. */
function short(value: number): string {
  if (value === 0) return '0';
  return value >= 0.001 ? String(Number(value.toPrecision(value < 1 ? 2 : 3))) : value.toExponential(1);
}
