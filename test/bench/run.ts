import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { runScript } from '../support/script.ts';
import { type Bench, createBench, explain } from './bench.ts';
import { BURST_TABLES, measureBurst } from './burst.ts';
import { type Contestant, gateway, other, peer } from './contestants.ts';
import { economy } from './economy/economy.ts';
import type { Findings } from './faults/claims.ts';
import { FLEET_TABLES, measureFleet } from './fleet.ts';
import { describeMachine, separateCores } from './machine.ts';
import { measureMemory, MEMORY_TABLES } from './memory.ts';
import { nodesTable } from './nodes-table.ts';
import { COMMAND, type Options, type Part, readOptions } from './options.ts';
import { installNode } from './other-node.ts';
import { FAULT_FIGURES } from './readers/watch.ts';
import { replicas } from './replicas/replicas.ts';
import { record } from './results.ts';
import { type Column, type Sample, toTables } from './samples.ts';
import { sizing } from './sizing/sizing.ts';
import { measureSpeed, SPEED_TABLES } from './speed/speed.ts';
import { measureStart, START_TABLES } from './start.ts';
import { contestantIn, frontierPicture, measureFrontier, measureTruth, TRUTH_TABLES } from './truth.ts';

/** Measures the built gateway beside its peers. See --help; ends with code 1 where it does not live up to its claims. */
const ARTIFACTS = new URL('../artifacts/', import.meta.url);

const TTL_MS = 5_000;
/** So long that what is read to fill a cache is kept for the slice after it, however slow the filling. */
const HOT_TTL_MS = 20_000;
/** The gateway's default. */
const TRUTH_TTL_MS = 2_000;

interface MeasuredPart {
  readonly tables: readonly (readonly Column[])[];
  measure(bench: Bench, options: Options): Promise<readonly Sample[]>;
  /** What a reader of the tables has to know. */
  readonly note: string;
}

/** In Markdown beside it. */
const PICTURE = '![time to truth over upstream calls an hour](frontier.svg)';

const CELLS =
  'Figures are medians of the rounds, with the coefficient of variation where it says ±. Ratios (×) are medians of the ' +
  'ratios within a round.';
const OPEN_LOOP =
  'Each request has its moment, and its time counts from then, sent late or not. "Sent late" tells how late the readers ' +
  'themselves were; above some milliseconds the machine was too busy for the figures to count. ' +
  '"Failed", "wrong", "older" and "never" are counts over all rounds, and have to be 0.';

type ClaimedPart = 'economy' | 'sizing' | 'replicas';
type SampledPart = Exclude<Part, ClaimedPart>;

const MEASURED: Readonly<Record<SampledPart, MeasuredPart>> = {
  speed: {
    tables: SPEED_TABLES,
    measure: (bench, options) => measureSpeed(bench, speedOptions(options)),
    note:
      'Latencies are those at saturation. Every value of every answer was compared; before each slice of a hot workload ' +
      'every request was sent once. Where the generator was busy for more than 90 % it was the limit, and the CPU time of ' +
      'the server alone (CPU × limit) is the better ratio.',
  },
  start: { tables: START_TABLES, measure: (bench) => measureStart(bench), note: '' },
  memory: {
    tables: MEMORY_TABLES,
    measure: (bench, options) =>
      measureMemory(bench, { speed: speedOptions(options), truth: truthOptions(options) }),
    note: 'Nothing forces a collection of garbage. Each figure is of a process of its own.',
  },
  fleet: {
    tables: FLEET_TABLES,
    measure: (bench, options) =>
      measureFleet(bench, { ttlMs: options.ttlMs ?? TTL_MS, seconds: options.seconds ?? 20 }),
    note: OPEN_LOOP,
  },
  burst: {
    tables: BURST_TABLES,
    measure: (bench, options) =>
      measureBurst(bench, { ttlMs: options.ttlMs ?? TTL_MS, seconds: options.seconds ?? 16 }),
    note:
      'The gateway runs with UPSTREAM_MAX_CONCURRENCY=512. Upstream calls and CPU seconds are those of all three phases. ' +
      OPEN_LOOP,
  },
  truth: {
    tables: TRUTH_TABLES,
    measure: (bench, options) => measureTruth(bench, truthOptions(options)),
    note:
      'Delays are those from a change to each reader that shows its row. Peers have no subscriptions. Calls, CPU and ' +
      `answers are those of the time with changes, after every page had been read. ${OPEN_LOOP}`,
  },
  frontier: {
    tables: TRUTH_TABLES,
    measure: (bench, options) => measureFrontier(bench, truthOptions(options)),
    note: OPEN_LOOP,
  },
};

function speedOptions({ workloads, connections, sliceSeconds, ttlMs = HOT_TTL_MS }: Options) {
  return { workloads, connections, sliceSeconds, ttlMs };
}

function truthOptions(options: Options) {
  const { pollers, streams, credentials, hourlyQuota, seed, seconds = 30, ttlMs = TRUTH_TTL_MS } = options;
  return { pollers, streams, credentials, hourlyQuota, seed, seconds, ttlMs };
}

/** To standard error: standard output is the report. */
function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** @returns whether everything is as it is claimed to be */
async function main(options: Options): Promise<boolean> {
  const loadBefore = loadavg()[0] ?? NaN;
  const sampled = options.parts.filter(isSampled);
  const wantsSizing = options.parts.includes('sizing');
  const wantsReplicas = options.parts.includes('replicas');
  let holds = true;
  if (sampled.length > 0 || wantsSizing || wantsReplicas) {
    const cores = separateCores();
    const machine = `${describeMachine(cores)}. Load average over a minute before it began: ${loadBefore.toFixed(1)}.`;
    const conditions = `${machine} ${options.rounds} rounds.`;
    progress(conditions);
    const bench = await createBench({
      contestants: contestantsOf(options),
      rounds: options.rounds,
      core: cores?.server,
      upstreamPort: options.upstreamPort,
      progress,
    });
    holds = await measureParts(bench, options, sampled, conditions);
    if (wantsSizing) holds = publishFindings('sizing', await sizing(bench), options, conditions) && holds;
    if (wantsReplicas) {
      const findings = await replicas(bench, { seconds: options.seconds ?? 40 });
      holds = publishFindings('replicas', findings, options, machine) && holds;
    }
  }
  if (!options.parts.includes('economy')) return holds;
  return publishFindings('economy', await economy(progress), options) && holds;
}

function isSampled(part: Part): part is SampledPart {
  return Object.hasOwn(MEASURED, part);
}

/** @returns whether all that is claimed holds */
function publishFindings(
  part: ClaimedPart,
  { report, claims }: Findings,
  options: Options,
  conditions?: string,
): boolean {
  publish(`${part}.md`, conditions === undefined ? report : `${report}\n\nMachine: ${conditions}`, options);
  return claims.every(({ holds }) => holds);
}

function contestantsOf({ node, peers, also }: Options): readonly Contestant[] {
  if (node !== undefined) {
    progress(`installing Node ${node} if it is not there`);
    const { path, name } = installNode(node);
    return [gateway(`Node ${process.versions.node}`), gateway(name, path)];
  }
  return [
    gateway(),
    ...peers.map((name) => peer(name)),
    ...also.map(({ name, url, pid }) => other(name, url, pid)),
  ];
}

async function measureParts(
  bench: Bench,
  options: Options,
  parts: readonly SampledPart[],
  conditions: string,
): Promise<boolean> {
  const all: Partial<Record<Part, readonly Sample[]>> = {};
  const measured = [];
  for (const part of parts) {
    const { measure, tables, note } = MEASURED[part];
    const samples = await measure(bench, options);
    all[part] = samples;
    measured.push({ samples, columns: tables.flat() });
    saveRaw({ conditions, options, samples: all });
    if (options.node !== undefined) continue;
    if (part === 'frontier') savePicture(frontierPicture(samples, truthOptions(options)), options);
    const text = [
      ...(part === 'frontier' ? [PICTURE] : []),
      toTables(samples, tables),
      [CELLS, note].join(' ').trim(),
      `Machine: ${conditions}`,
    ];
    publish(`${part}.md`, text.join('\n\n'), options);
  }
  const [one, other] = bench.contestants;
  if (options.node !== undefined && one !== undefined && other !== undefined)
    publish(
      'nodes.md',
      [nodesTable(measured, [one.name, other.name]), CELLS, `Machine: ${conditions}`].join('\n\n'),
      options,
    );
  return measured.every(({ samples }) => samples.every((sample) => isSound(bench, sample)));
}

/** Whether the gateway made no mistake. Peers may. */
function isSound({ contestants }: Bench, { contestant, fault, figures }: Sample): boolean {
  const own = contestants.filter(({ kind }) => kind === 'gateway');
  if (!own.some(({ name }) => contestantIn(contestant) === name)) return true;
  return fault === undefined && FAULT_FIGURES.every((figure) => (figures[figure] ?? 0) === 0);
}

function saveRaw(findings: object): void {
  mkdirSync(ARTIFACTS, { recursive: true });
  const text = JSON.stringify({ at: new Date().toISOString(), ...findings }, null, 2);
  writeFileSync(new URL('bench.json', ARTIFACTS), `${text}\n`);
}

function publish(file: string, text: string, options: Options): void {
  console.log(`${text}\n`);
  if (options.record) record(file, `${text}\n`);
}

function savePicture(svg: string, options: Options): void {
  const file = new URL('frontier.svg', ARTIFACTS);
  writeFileSync(file, svg);
  if (options.record) record('frontier.svg', svg);
  progress(`picture: ${options.record ? 'test/bench/results/' : 'test/artifacts/'}frontier.svg`);
}

await runScript(COMMAND, async (given, operands) => {
  const options = readOptions(given, operands);
  try {
    process.exit((await main(options)) ? 0 : 1);
  } catch (error) {
    progress(explain(error));
    process.exit(1);
  }
});
