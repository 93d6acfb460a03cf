import type { Bench } from '../bench.ts';
import { type Claim, claim, claimsTable, type Findings } from '../faults/claims.ts';
import { table, whole } from '../format.ts';
import { type Hour, measureHours } from './calls.ts';
import { type MemoryCosts, memoryOf, offBy } from './formulas.ts';
import { type Held, measureMemory, withOwnBackfills } from './memory.ts';
import { measureRates, type Rate } from './rates.ts';

/** A formula that is off by more is of no use. */
const TOLERANCE = 0.25;
const POLL_SECONDS = 2;

/** What an operator plans with: memory, cores and calls, each with the formula behind it, which is checked. */
export async function sizing(bench: Bench): Promise<Findings> {
  const { contestants, core, progress } = bench;
  const gateway = contestants.find(({ kind }) => kind === 'gateway');
  if (gateway === undefined) throw new Error('there is no gateway to measure');
  const rates = await measureRates(bench, gateway);
  const { alone, mixed, costs } = await measureMemory(core, progress);
  const hours = await measureHours(progress);
  const claims = [memoryClaim(mixed, costs), ...hours.map(callsClaim)];
  const report = [
    memoryReport(alone, mixed, costs),
    ratesReport(rates),
    callsReport(hours),
    claimsTable(claims),
  ].join('\n\n');
  return { report, claims };
}

const NAMES = {
  sse: 'streams over SSE',
  webSocket: 'streams over WebSocket, a socket each',
  kept: 'backfills kept',
  credentials: 'credentials, each with one backfill kept',
} as const;

function memoryReport(alone: readonly Held[], mixed: Held, { baseMiB, eachKiB }: MemoryCosts): string {
  const kinds = Object.keys(NAMES) as (keyof typeof NAMES)[];
  const rows = alone.flatMap((held) =>
    kinds
      .filter((kind) => held.load[kind] > 0)
      .map((kind) => [
        `${whole(held.load[kind])} ${NAMES[kind]}`,
        whole(held.before),
        whole(held.with),
        kibibytes(((held.with - held.before) * 1024) / held.load[kind]),
      ]),
  );
  const together = kinds
    .map((kind) => `${whole(mixed.load[kind])} ${NAMES[kind].replace(/,.*/, '')}`)
    .join(', ');
  return [
    '### Memory',
    '',
    table(
      ['', 'MiB before', 'MiB with them', 'each'],
      [...rows, [`all together: ${together}`, whole(mixed.before), whole(mixed.with), '–']],
    ),
    '',
    `memory = ${whole(baseMiB)} MiB + SSE streams × ${kibibytes(eachKiB.sse)} + WebSocket streams × ` +
      `${kibibytes(eachKiB.webSocket)} + credentials × ${kibibytes(eachKiB.credentials)} + backfills kept × ` +
      kibibytes(eachKiB.kept),
    '',
    'Resident after forced collections, each line in a gateway of its own that was warm; fifteen seconds after all was ' +
      'there, in which each stream had an event every two seconds.',
  ].join('\n');
}

function kibibytes(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} KiB`;
}

function ratesReport(rates: readonly Rate[]): string {
  return [
    '### Requests a second for a core',
    '',
    table(
      ['', 'requests/s', `clients that poll every ${POLL_SECONDS} s`],
      rates.map(({ workload: { name, title }, perSecond }) => [
        `${name}: ${title}`,
        whole(perSecond),
        whole(perSecond * POLL_SECONDS),
      ]),
    ),
    '',
    'cores = clients / (seconds between polls × requests a second for a core). A process uses one core.',
  ].join('\n');
}

function callsReport(hours: readonly Hour[]): string {
  return [
    '### Calls an hour',
    '',
    table(
      ['dashboards', 'transfers', 'quota', 'calls', 'by the formula', 'running data up to', 'by the formula'],
      hours.map(({ polling: { dashboards, transfers, quota }, calls, stretch, predicted }) => [
        whole(dashboards),
        whole(transfers),
        whole(quota),
        whole(calls),
        whole(predicted.calls),
        age(stretch),
        age(predicted.stretch),
      ]),
    ),
    '',
    `Dashboards of 50 transfers of one team, with one credential, polled every ${POLL_SECONDS} s for an hour of an injected ` +
      'clock; a fifth of the transfers has a backfill running at any moment. The first hour begins with nothing kept.',
  ].join('\n');
}

/** `CACHE_TTL_MS` at its default, stretched. */
function age(stretch: number): string {
  return `${(2 * stretch).toFixed(1)} s`;
}

function memoryClaim(mixed: Held, costs: MemoryCosts): Claim {
  const predicted = memoryOf(withOwnBackfills(mixed.load), costs);
  const beyond = offBy(predicted - costs.baseMiB, mixed.with - mixed.before);
  const { found, ...rest } = offByClaim('memory of all together', predicted, mixed.with, 'MiB');
  return { ...rest, found: `${found}; ${percent(beyond)} of what is beyond the gateway alone` };
}

function callsClaim({ polling: { dashboards, quota }, calls, predicted }: Hour): Claim {
  const fleet = dashboards === 1 ? 'a dashboard' : `${dashboards} dashboards`;
  return offByClaim(`calls of ${fleet} at ${whole(quota)} an hour`, predicted.calls, calls, 'calls');
}

function offByClaim(of: string, predicted: number, found: number, unit: string): Claim {
  const share = offBy(predicted, found);
  return claim(
    `${of}: the formula is off by ${percent(TOLERANCE)} at most`,
    `${whole(predicted)} ${unit} for ${whole(found)}: ${percent(share)}`,
    share <= TOLERANCE,
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
