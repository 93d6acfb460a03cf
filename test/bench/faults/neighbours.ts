import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Neighbour, NEIGHBOURS } from './bad-neighbours.ts';
import {
  type Beside,
  BESIDE_HEAD,
  besideOrdinaryClients,
  cellsOf,
  claimsAboutOrdinaryClients,
  type Shared,
  streamsP95,
  tableRow,
  waitedCell,
} from './beside.ts';
import { startOrdinaryClients, startUpstream } from './children.ts';
import { type Claim, claim, type Findings, milliseconds } from './claims.ts';
import { ORDINARY_CLIENTS, type Pace } from './ordinary-clients.ts';
import { nameOfCaller, wordOf } from './treatments.ts';

const LATENCY_MS = 50;
const PACE: Pace = { sharingKey: 0, pauseMs: [500, 500], pollsPerStream: 4 };
const MAX_P95_MS = 100 + LATENCY_MS;
/** A stream takes a connection of its own, and the gateway accepts one in a turn of its event loop. */
const MAX_STREAM_P95_MS = 500 + LATENCY_MS;
/** Ordinary clients go on for so long after the attack, or until the bad neighbour has recovered. */
const AFTER_MS = 1_000;
const RECOVERY_SECONDS = 3;
const GIVEN_UP_SECONDS = 20;
/** So many good answers in a row, or the first one may have been an accident. */
const GOOD_IN_A_ROW = 5;
const BETWEEN_READS_MS = 100;
/** A read that hangs is none that succeeds. */
const READ_TIMEOUT_MS = 5_000;
const QUERY = 'query($id: ID!) { transfer(id: $id) { latestBackfill { id isStale } } }';

interface Run extends Beside {
  /** From when it turned good to its first of several good answers in a row; undefined where none came. */
  readonly recoveryMs: number | undefined;
  /** Upstream calls until then. */
  readonly callsWhileBad: Beside['callsBy'];
}

/** Who can cost whom what: each kind of bad neighbour beside ordinary clients with credentials of their own. */
export async function neighbours(
  core: number | undefined,
  progress: (text: string) => void,
  names: readonly string[] = Object.keys(NEIGHBOURS),
): Promise<Findings> {
  const upstream = await startUpstream(LATENCY_MS);
  const clients = startOrdinaryClients();
  const shared = { upstream, clients, core };
  progress('neighbours: none');
  const calm = await measure(undefined, undefined, shared);
  const rows = [row('none', undefined, calm)];
  const claims = claimsAbout('no bad neighbour', calm);
  for (const name of names) {
    const neighbour = NEIGHBOURS[name];
    if (neighbour === undefined) continue;
    progress(`neighbours: ${name}: ${neighbour.says}`);
    const found = await measure(name, neighbour, shared);
    rows.push(row(`${name}: ${neighbour.says}`, neighbour, found));
    claims.push(...claimsAbout(name, found), ...claimsAboutItself(name, neighbour, found));
  }
  await Promise.all([clients.stop(), upstream.stop()]);
  const head = [
    'bad neighbour',
    ...BESIDE_HEAD,
    'streams: p95',
    'upstream calls for it',
    'recovered',
    'waited for a core',
  ];
  return {
    report: [
      `### Bad neighbours, each beside ${ORDINARY_CLIENTS} ordinary clients`,
      '',
      tableRow(head),
      tableRow(head.map((_, at) => (at < 2 ? '---' : '---:'))),
      ...rows,
      '',
      `Each ordinary client has a credential of its own and polls a dashboard of ten transfers and a completed backfill ` +
        `every ${PACE.pauseMs[0]} ms; beside every fourth poll it opens a stream and leaves with the first event, which ` +
        `counts as a poll. A poll's time counts from when it is due. The upstream takes ${LATENCY_MS} ms. "Recovered" ` +
        `counts from when the bad neighbour turned good, and the upstream to it. For the shares in the last column the ` +
        `gateway and the ordinary clients waited for a core.`,
    ].join('\n'),
    claims,
  };
}

async function measure(
  name: string | undefined,
  neighbour: Neighbour | undefined,
  shared: Shared,
): Promise<Run> {
  let recoveryMs: number | undefined;
  let callsWhileBad: Beside['callsBy'] = {};
  const beside = await besideOrdinaryClients(
    {
      bench: 'neighbours',
      name,
      attack: neighbour,
      pace: PACE,
      modeBefore: 'good to all',
      async afterAttack({ url }) {
        ({ callsBy: callsWhileBad } = await shared.upstream.become('good to all'));
        if (neighbour !== undefined) recoveryMs = await recovery(url, neighbour.bad);
        await sleep(AFTER_MS);
      },
    },
    shared,
  );
  return { ...beside, recoveryMs, callsWhileBad };
}

async function recovery(url: string, bad: Neighbour['bad']): Promise<number | undefined> {
  const goodAt = Date.now();
  let succeededAt = goodAt;
  for (let inARow = 0; inARow < GOOD_IN_A_ROW;) {
    if (Date.now() - goodAt > GIVEN_UP_SECONDS * 1000) return undefined;
    const isGood = await readSucceeds(url, bad);
    if (isGood && inARow === 0) succeededAt = Date.now();
    inARow = isGood ? inARow + 1 : 0;
    await sleep(BETWEEN_READS_MS);
  }
  return succeededAt - goodAt;
}

/** Of a transfer that nobody has asked for before, so that the answer comes from nowhere but the upstream. */
async function readSucceeds(url: string, { token, teamId }: Neighbour['bad']): Promise<boolean> {
  const id = String(randomInt(500_000_000_000, 600_000_000_000));
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'x-team-id': teamId,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ query: QUERY, variables: { id } }),
      signal: AbortSignal.timeout(READ_TIMEOUT_MS),
    });
    return (await response.text()).includes(`{"id":"9${id}","isStale":false}`);
  } catch {
    return false;
  }
}

function row(name: string, neighbour: Neighbour | undefined, run: Run): string {
  return tableRow([
    name,
    ...cellsOf(run),
    milliseconds(streamsP95(run)),
    neighbour === undefined ? '–' : String(callsFor(neighbour, run)),
    neighbour === undefined ? '–' : milliseconds(run.recoveryMs),
    waitedCell(run),
  ]);
}

function callsFor({ bad: { token, teamId } }: Neighbour, { callsWhileBad }: Run): number {
  return callsWhileBad[nameOfCaller(wordOf(token), teamId)] ?? 0;
}

function claimsAbout(name: string, run: Run): Claim[] {
  const p95 = streamsP95(run);
  return [
    ...claimsAboutOrdinaryClients(name, run, MAX_P95_MS),
    claim(
      `${name}: 95 % of their streams begin within ${MAX_STREAM_P95_MS} ms`,
      milliseconds(p95),
      p95 !== undefined && p95 < MAX_STREAM_P95_MS,
    ),
  ];
}

function claimsAboutItself(name: string, neighbour: Neighbour, run: Run): Claim[] {
  const { recoverySeconds = RECOVERY_SECONDS, maxCalls } = neighbour;
  const { recoveryMs } = run;
  const calls = callsFor(neighbour, run);
  return [
    claim(
      `${name}: once it turns good, its reads succeed within ${recoverySeconds} s`,
      recoveryMs === undefined ? `not within ${GIVEN_UP_SECONDS} s` : milliseconds(recoveryMs),
      recoveryMs !== undefined && recoveryMs <= recoverySeconds * 1000,
    ),
    ...(maxCalls === undefined
      ? []
      : [claim(`${name}: its reads cost at most ${maxCalls} upstream calls`, `${calls}`, calls <= maxCalls)]),
  ];
}
