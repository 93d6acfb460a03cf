import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { residentMiB } from '../machine.ts';
import {
  type Beside,
  BESIDE_HEAD,
  besideOrdinaryClients,
  cellsOf,
  claimsAboutOrdinaryClients,
  listed,
  type Shared,
  tableRow,
  waitedCell,
} from './beside.ts';
import { type GatewayUnderFault, startOrdinaryClients, startUpstream } from './children.ts';
import { type Claim, claim, type Findings } from './claims.ts';
import { DOOR_ATTACKS, type DoorAttack } from './door-attacks.ts';
import { ORDINARY_CLIENTS, type Pace } from './ordinary-clients.ts';

const LATENCY_MS = 5;
const PACE: Pace = { sharingKey: 6, pauseMs: [250, 500] };
/** Ordinary clients go on for so long afterwards. */
const AFTER_SECONDS = 1;
const MAX_P95_MS = 100;
const MAX_HEAP_MIB = 384;
const MAX_RESIDENT_MIB = 512;
/** A forced collection is over by then. */
const COLLECTION_MS = 500;
/** Lines of the log that no request of an ordinary client wrote. */
const MAX_OTHER_LINES = 50;

interface Run extends Beside {
  readonly beforeMiB: number;
  /** Late in the attack, after a forced collection. */
  readonly heldMiB: number | undefined;
  /** Upstream calls for what ordinary clients have in the cache for a minute, during the attack and after. */
  readonly callsForKept: number;
  /** Lines of the log since the start, and what all requests of ordinary clients may have written. */
  readonly lines: { readonly written: number; readonly polls: number } | undefined;
}

export async function door(
  core: number | undefined,
  progress: (text: string) => void,
  names: readonly string[] = Object.keys(DOOR_ATTACKS),
): Promise<Findings> {
  const upstream = await startUpstream(LATENCY_MS);
  const clients = startOrdinaryClients();
  const shared = { upstream, clients, core };
  progress('door: no attack');
  const calm = await measure(undefined, undefined, shared);
  const rows = [row('none', calm)];
  const claims = claimsAbout('no attack', undefined, calm);
  for (const name of names) {
    const attack = DOOR_ATTACKS[name];
    if (attack === undefined) continue;
    progress(`door: ${name}: ${attack.says}`);
    const found = await measure(name, attack, shared);
    rows.push(row(`${name}: ${attack.says}`, found));
    claims.push(...claimsAbout(name, attack, found));
  }
  await Promise.all([clients.stop(), upstream.stop()]);
  const head = ['attack', ...BESIDE_HEAD, 'resident memory before', 'at most', 'waited for a core'];
  return {
    report: [
      `### Attacks at the door, each beside ${ORDINARY_CLIENTS} ordinary clients`,
      '',
      tableRow(head),
      tableRow(head.map((_, at) => (at < 2 ? '---' : '---:'))),
      ...rows,
      '',
      `Each ordinary client polls a dashboard of ten transfers and a completed backfill every ${PACE.pauseMs.join(' to ')} ms; ` +
        `${PACE.sharingKey} of them share a key. A poll's time counts from when it is due. The upstream takes ` +
        `${LATENCY_MS} ms. Each attack has a gateway of its own with \`--max-old-space-size=${MAX_HEAP_MIB}\`. The last ` +
        `column says how busy the machine was with other work: for that share of the time the gateway and the ordinary ` +
        `clients waited for a core.`,
    ].join('\n'),
    claims,
  };
}

async function measure(
  name: string | undefined,
  attack: DoorAttack | undefined,
  shared: Shared,
): Promise<Run> {
  const log = openLog(attack?.log);
  const holds = attack?.maxKiBEach !== undefined;
  let beforeMiB = NaN;
  let heldMiB: number | undefined;
  const settle = async (gateway: GatewayUnderFault): Promise<void> => {
    // The first collection finds out which pages are nearly empty; the second moves their objects together.
    for (let n = 0; n < 2; n++) {
      gateway.collectGarbage();
      await sleep(COLLECTION_MS);
    }
  };
  const beside = await besideOrdinaryClients(
    {
      bench: 'door',
      name,
      attack,
      pace: PACE,
      modeBefore: 'healthy',
      env: attack?.log === undefined ? {} : { LOG_LEVEL: 'info' },
      nodeArgs: [`--max-old-space-size=${MAX_HEAP_MIB}`],
      stdout: log.stdout,
      async beforeAttack(gateway) {
        if (holds) await settle(gateway);
        beforeMiB = residentMiB(gateway.pid) ?? NaN;
      },
      async duringAttack(gateway, seconds) {
        if (!holds) return;
        await sleep(seconds * 1000 - 4 * COLLECTION_MS);
        await settle(gateway);
        heldMiB = residentMiB(gateway.pid);
      },
      async afterAttack() {
        await sleep(AFTER_SECONDS * 1000);
      },
    },
    shared,
  );
  const written = log.close();
  return {
    ...beside,
    beforeMiB,
    heldMiB,
    callsForKept: beside.callsBy['ordinary completed'] ?? 0,
    lines: written === undefined ? undefined : { written, polls: beside.pollsInAll },
  };
}

/** Standard output of a gateway, and the lines that a file held when it was closed. */
interface LogPlace {
  readonly stdout: number | undefined;
  close(): number | undefined;
}

function openLog(place: DoorAttack['log']): LogPlace {
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

function mib(value: number): string {
  return `${value.toFixed(0)} MiB`;
}

function row(name: string, run: Run): string {
  return tableRow([name, ...cellsOf(run), mib(run.beforeMiB), mib(run.peakMiB), waitedCell(run)]);
}

function claimsAbout(name: string, attack: DoorAttack | undefined, run: Run): Claim[] {
  const { gatewayEnd, peakMiB } = run;
  return [
    ...claimsAboutOrdinaryClients(name, run, MAX_P95_MS),
    claim(
      `${name}: the process lives, with less than ${MAX_RESIDENT_MIB} MiB resident`,
      gatewayEnd ?? mib(peakMiB),
      gatewayEnd === undefined && peakMiB < MAX_RESIDENT_MIB,
    ),
    ...(attack === undefined ? [] : claimsOf(name, attack, run)),
  ];
}

/** The claims that only some attacks are about. */
function claimsOf(name: string, attack: DoorAttack, run: Run): Claim[] {
  const { tally, lines, beforeMiB, heldMiB } = run;
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
    const each = (((heldMiB ?? NaN) - beforeMiB) * 1024) / (tally?.held ?? 0);
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
