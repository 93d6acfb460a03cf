import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { coreWaitSeconds, peakResidentMiB, residentMiB } from '../machine.ts';
import { type Claim, claim, type Findings, histogram, milliseconds, percentile } from './claims.ts';
import {
  type FaultyUpstream,
  type OrdinaryClients,
  startAttackers,
  startGateway,
  startOrdinaryClients,
  startUpstream,
} from './children.ts';
import { type Attack, ATTACKS } from './door-attacks.ts';
import { ORDINARY_CLIENTS, type Poll, SERVICE_KEY_CLIENTS } from './door-clients.ts';
import type { Tally } from './door-target.ts';

const LATENCY_MS = 5;
const WARM_SECONDS = 3;
const ATTACK_SECONDS = 7;
/** Ordinary clients go on for so long afterwards. */
const AFTER_SECONDS = 1;
const MAX_P95_MS = 100;
const MAX_HEAP_MIB = 384;
const MAX_RESIDENT_MIB = 512;
const SAMPLE_MS = 50;
/** A forced collection is over by then. */
const COLLECTION_MS = 500;
/** Attackers that wait for a gateway that stands still are given up. */
const PATIENCE_SECONDS = 60;
/** Lines of the log that no request of an ordinary client wrote. */
const MAX_OTHER_LINES = 50;

interface Run {
  readonly polls: readonly Poll[];
  /** Undefined where the attackers were given up. */
  readonly tally: Tally | undefined;
  readonly residentMiB: { readonly before: number; readonly peak: number; readonly held: number | undefined };
  /** Shares of the time for which the gateway and the ordinary clients waited for a core. */
  readonly waited: readonly number[];
  readonly gatewayEnd: string | undefined;
  /** Upstream calls for what ordinary clients have in the cache for a minute, during the attack and after. */
  readonly callsForKept: number;
  /** Lines of the log since the start, and what all requests of ordinary clients may have written. */
  readonly lines: { readonly written: number; readonly polls: number } | undefined;
}

interface Shared {
  readonly upstream: FaultyUpstream;
  readonly clients: OrdinaryClients;
  readonly core: number | undefined;
}

export async function door(
  core: number | undefined,
  progress: (text: string) => void,
  names: readonly string[],
): Promise<Findings> {
  const upstream = await startUpstream(LATENCY_MS);
  const clients = startOrdinaryClients();
  const shared = { upstream, clients, core };
  progress('door: no attack');
  const calm = await measure(undefined, undefined, shared);
  const rows = [row('none', calm)];
  const claims = claimsAbout('no attack', undefined, calm);
  for (const name of names) {
    const attack = ATTACKS[name];
    if (attack === undefined) continue;
    progress(`door: ${name}: ${attack.says}`);
    const found = await measure(name, attack, shared);
    rows.push(row(`${name}: ${attack.says}`, found));
    claims.push(...claimsAbout(name, attack, found));
  }
  await Promise.all([clients.stop(), upstream.stop()]);
  return {
    report: [
      `### Attacks at the door, each beside ${ORDINARY_CLIENTS} ordinary clients`,
      '',
      '| attack | what the attackers got | polls | failed | p50 | p95 | longest | resident memory before | at most | waited for a core |',
      '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
      ...rows,
      '',
      `Each ordinary client polls a dashboard of ten transfers and a completed backfill every 250 to 500 ms; ${SERVICE_KEY_CLIENTS} of them share a ` +
        `key. A poll's time counts from when it is due. The upstream takes ${LATENCY_MS} ms. Each attack has a gateway of ` +
        `its own with \`--max-old-space-size=${MAX_HEAP_MIB}\`. The last column says how busy the machine was with other work: ` +
        `for that share of the time the gateway and the ordinary clients waited for a core.`,
    ].join('\n'),
    claims,
  };
}

async function measure(name: string | undefined, attack: Attack | undefined, shared: Shared): Promise<Run> {
  const { upstream, clients, core } = shared;
  const log = openLog(attack?.log);
  const gateway = await startGateway(
    upstream.port,
    { ...(attack?.log === undefined ? {} : { LOG_LEVEL: 'info' }), ...attack?.env },
    { core, nodeArgs: [`--max-old-space-size=${MAX_HEAP_MIB}`], stdout: log.stdout },
  );
  const port = Number(new URL(gateway.url).port);
  const attackers = startAttackers();
  await clients.begin(gateway.url);
  await attackers.follow({ step: 'prepare', name, port, seconds: PATIENCE_SECONDS });
  await sleep(WARM_SECONDS * 1000);
  const holds = attack?.maxKiBEach !== undefined;
  const settle = async (): Promise<void> => {
    gateway.collectGarbage();
    await sleep(COLLECTION_MS);
  };
  if (holds) await settle();
  await upstream.become('healthy');

  const before = residentMiB(gateway.pid) ?? NaN;
  let peak = before;
  const waits = (): number[] => [gateway.pid, clients.pid].map((pid) => coreWaitSeconds(pid) ?? NaN);
  const waitsBefore = waits();
  let waitsAfter = waitsBefore;
  const sampling = setInterval(() => {
    peak = peakResidentMiB(gateway.pid) ?? peak;
    if (gateway.ended() === undefined) waitsAfter = waits();
  }, SAMPLE_MS);
  const beganAt = Date.now();
  const seconds = attack?.seconds ?? ATTACK_SECONDS;
  const attacking = Promise.race([
    attackers.follow({ step: 'attack', name, port, seconds }),
    sleep((seconds + PATIENCE_SECONDS) * 1000).then(() => undefined),
  ]);
  let held: number | undefined;
  if (holds) {
    await sleep(seconds * 1000 - 2 * COLLECTION_MS);
    await settle();
    held = residentMiB(gateway.pid);
  }
  const tally = await attacking;
  await attackers.stop();
  await sleep(AFTER_SECONDS * 1000);
  const { polls } = await clients.end();
  const gatewayEnd = gateway.ended();
  clearInterval(sampling);
  const elapsedSeconds = (Date.now() - beganAt) / 1000;
  const { callsBy } = await upstream.become('healthy');
  await gateway.stop();
  const written = log.close();
  return {
    polls: polls.filter(({ dueAt }) => dueAt >= beganAt),
    tally,
    residentMiB: { before, peak, held },
    waited: waitsAfter.map((after, at) => (after - (waitsBefore[at] ?? NaN)) / elapsedSeconds),
    gatewayEnd,
    callsForKept: callsBy['ordinary completed'] ?? 0,
    lines: written === undefined ? undefined : { written, polls: polls.length },
  };
}

/** Standard output of a gateway, and the lines that a file held when it was closed. */
interface LogPlace {
  readonly stdout: number | undefined;
  close(): number | undefined;
}

function openLog(place: Attack['log']): LogPlace {
  if (place === undefined) return { stdout: undefined, close: () => undefined };
  const directory = mkdtempSync(join(tmpdir(), 'door-'));
  const path = place === 'full disk' ? '/dev/full' : join(directory, 'log');
  // A pipe whose reading end is open in this process, which never reads.
  if (place === 'stalled reader') execFileSync('mkfifo', [path]);
  const stdout = openSync(path, place === 'stalled reader' ? 'r+' : 'w');
  return {
    stdout,
    close() {
      closeSync(stdout);
      const lines = place === 'file' ? readFileSync(path, 'utf8').split('\n').length - 1 : undefined;
      rmSync(directory, { recursive: true });
      return lines;
    },
  };
}

function faultsOf({ polls }: Run): ReadonlyMap<string, number> {
  return histogram(polls.flatMap(({ fault }) => (fault === undefined ? [] : [fault])));
}

function listed(counts: Iterable<readonly [string, number]>): string {
  return [...counts].map(([what, count]) => `${what} ${count}`).join(', ');
}

function mib(value: number): string {
  return `${value.toFixed(0)} MiB`;
}

function row(name: string, { polls, tally, waited, residentMiB: { before, peak } }: Run): string {
  const times = polls.map(({ ms }) => ms);
  const got = [
    listed(Object.entries(tally?.answers ?? {})),
    tally === undefined || tally.held === 0 ? '' : `${tally.held} connections`,
    tally === undefined || tally.largestBytes === 0
      ? ''
      : `at most ${(tally.largestBytes / 1000).toFixed(1)} KB`,
  ].filter((text) => text !== '');
  return [
    '',
    name,
    got.join('; ') || '–',
    String(polls.length),
    String(polls.filter(({ fault }) => fault !== undefined).length),
    ...[0.5, 0.95, 1].map((share) => milliseconds(percentile(times, share))),
    mib(before),
    mib(peak),
    waited.map((share) => `${(share * 100).toFixed(0)} %`).join(', '),
    '',
  ]
    .join(' | ')
    .trim();
}

function claimsAbout(name: string, attack: Attack | undefined, run: Run): Claim[] {
  const { polls, gatewayEnd, residentMiB: memory } = run;
  const faults = faultsOf(run);
  const p95 = percentile(
    polls.map(({ ms }) => ms),
    0.95,
  );
  return [
    claim(
      `${name}: ordinary clients lose nothing`,
      listed(faults) || `${polls.length} polls`,
      faults.size === 0 && polls.length > 0,
    ),
    claim(
      `${name}: 95 % of their polls take less than ${MAX_P95_MS} ms`,
      milliseconds(p95),
      p95 !== undefined && p95 < MAX_P95_MS,
    ),
    claim(
      `${name}: the process lives, with less than ${MAX_RESIDENT_MIB} MiB resident`,
      gatewayEnd ?? mib(memory.peak),
      gatewayEnd === undefined && memory.peak < MAX_RESIDENT_MIB,
    ),
    ...(attack === undefined ? [] : claimsOf(name, attack, run)),
  ];
}

/** The claims that only some attacks are about. */
function claimsOf(name: string, attack: Attack, run: Run): Claim[] {
  const { tally, lines, residentMiB: memory } = run;
  const { maxAnswerBytes, maxKiBEach } = attack;
  const claims: Claim[] = [];
  if (maxAnswerBytes !== undefined) {
    const kilobytes = ((tally?.largestBytes ?? NaN) / 1000).toFixed(1);
    claims.push(
      claim(
        `${name}: no answer is larger than ${maxAnswerBytes / 1000} KB`,
        `${kilobytes} KB`,
        tally !== undefined && tally.largestBytes > 0 && tally.largestBytes <= maxAnswerBytes,
      ),
    );
  }
  if (attack.judgesAnswers === true) {
    const bad = Object.entries(tally?.answers ?? {}).filter(([what]) => !what.startsWith('4'));
    claims.push(
      claim(
        `${name}: each answer is a 4xx and shows nothing of the program`,
        `${listed(bad) || 'no others'}; ${tally?.leaks ?? '?'} show something`,
        tally !== undefined && bad.length === 0 && tally.leaks === 0,
      ),
    );
  }
  if (maxKiBEach !== undefined) {
    const each = (((memory.held ?? NaN) - memory.before) * 1024) / (tally?.held ?? 0);
    claims.push(
      claim(
        `${name}: each connection holds less than ${maxKiBEach} KiB`,
        `${each.toFixed(0)} KiB`,
        each < maxKiBEach,
      ),
    );
  }
  if (lines !== undefined) {
    const others = lines.written - lines.polls;
    claims.push(
      claim(`${name}: the attack leaves next to no lines in the log`, `${others}`, others <= MAX_OTHER_LINES),
    );
  }
  if (attack.judgesCache === true) {
    claims.push(
      claim(
        `${name}: the completed backfills of ordinary clients stay in the cache`,
        `${run.callsForKept} upstream calls`,
        run.callsForKept === 0,
      ),
    );
  }
  return claims;
}
