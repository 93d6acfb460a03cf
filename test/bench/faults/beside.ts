import { setTimeout as sleep } from 'node:timers/promises';
import { coreWaitSeconds, peakResidentMiB } from '../machine.ts';
import type { Attack } from './attack.ts';
import {
  type FaultyUpstream,
  type GatewayUnderFault,
  type OrdinaryClients,
  startAttackers,
  startGateway,
} from './children.ts';
import { percentile } from '../statistics.ts';
import { type Claim, claim, histogram, milliseconds } from './claims.ts';
import type { Pace, Poll } from './ordinary-clients.ts';
import type { AttackOrder, Tally } from './target.ts';
import type { Mode } from './upstream.ts';

/** Ordinary clients of a gateway of its own, and attackers beside them: what `door` and `neighbours` have in common. */
export interface Occasion {
  readonly bench: AttackOrder['bench'];
  /** Absent where nobody attacks. */
  readonly name: string | undefined;
  readonly attack: Attack | undefined;
  readonly pace: Pace;
  /** How the REST API is before the attack; it is `healthy` from then on. */
  readonly modeBefore: Mode;
  /** Settings of the gateway besides the attack's own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
  /** File descriptor of the gateway's standard output. */
  readonly stdout?: number | undefined;
  /** Just before the attack, and with its first moment. */
  readonly beforeAttack?: (gateway: GatewayUnderFault) => Promise<void>;
  readonly duringAttack?: (gateway: GatewayUnderFault, seconds: number) => Promise<void>;
  /** When the attackers are gone. The ordinary clients go on meanwhile. */
  readonly afterAttack: (gateway: GatewayUnderFault) => Promise<void>;
}

export interface Shared {
  readonly upstream: FaultyUpstream;
  readonly clients: OrdinaryClients;
  readonly core: number | undefined;
}

export interface Beside {
  /** Those that were due since the attack began. */
  readonly polls: readonly Poll[];
  /** How many there were since the gateway started. */
  readonly pollsInAll: number;
  readonly prepared: Tally;
  /** Undefined where the attackers were given up. */
  readonly tally: Tally | undefined;
  readonly peakMiB: number;
  /** Shares of the time for which the gateway and the ordinary clients waited for a core. */
  readonly waited: readonly number[];
  readonly gatewayEnd: string | undefined;
  /** Upstream calls since the attack began, see `UpstreamState`. */
  readonly callsBy: Readonly<Record<string, number>>;
}

const WARM_SECONDS = 3;
const ATTACK_SECONDS = 7;
const SAMPLE_MS = 50;
/** Attackers that wait for a gateway that stands still are given up. */
const PATIENCE_SECONDS = 60;

export async function besideOrdinaryClients(
  occasion: Occasion,
  { upstream, clients, core }: Shared,
): Promise<Beside> {
  const { bench, name, attack, modeBefore } = occasion;
  await upstream.become(modeBefore);
  const gateway = await startGateway(
    upstream.port,
    { ...occasion.env, ...attack?.env },
    { core, nodeArgs: occasion.nodeArgs ?? [], stdout: occasion.stdout },
  );
  const order = { bench, name, port: Number(new URL(gateway.url).port) };
  const attackers = startAttackers();
  await clients.begin(gateway.url, occasion.pace);
  const prepared = await attackers.follow({ ...order, step: 'prepare', seconds: PATIENCE_SECONDS });
  await sleep(WARM_SECONDS * 1000);
  await occasion.beforeAttack?.(gateway);
  await upstream.become('healthy');
  const watched = watch(gateway, clients);
  const seconds = attack?.seconds ?? ATTACK_SECONDS;
  const [tally] = await Promise.all([
    Promise.race([
      attackers.follow({ ...order, step: 'attack', seconds }),
      sleep((seconds + PATIENCE_SECONDS) * 1000).then(() => undefined),
    ]),
    occasion.duringAttack?.(gateway, seconds),
  ]);
  await attackers.stop();
  await occasion.afterAttack(gateway);
  const { polls } = await clients.end();
  const { beganAt, ...found } = watched();
  const { callsBy } = await upstream.become('healthy');
  await gateway.stop();
  return {
    polls: polls.filter(({ dueAt }) => dueAt >= beganAt),
    pollsInAll: polls.length,
    prepared,
    tally,
    callsBy,
    ...found,
  };
}

/** Watches the processes until the function that it returns is called. */
function watch(
  gateway: GatewayUnderFault,
  clients: OrdinaryClients,
): () => Pick<Beside, 'peakMiB' | 'waited' | 'gatewayEnd'> & { readonly beganAt: number } {
  let peakMiB = NaN;
  const waits = (): number[] => [gateway.pid, clients.pid].map((pid) => coreWaitSeconds(pid) ?? NaN);
  const before = waits();
  let after = before;
  const sampling = setInterval(() => {
    peakMiB = peakResidentMiB(gateway.pid) ?? peakMiB;
    if (gateway.ended() === undefined) after = waits();
  }, SAMPLE_MS);
  const beganAt = Date.now();
  return () => {
    clearInterval(sampling);
    const elapsedSeconds = (Date.now() - beganAt) / 1000;
    return {
      beganAt,
      peakMiB,
      waited: after.map((seconds, at) => (seconds - (before[at] ?? NaN)) / elapsedSeconds),
      gatewayEnd: gateway.ended(),
    };
  };
}

export const BESIDE_HEAD: readonly string[] = [
  'what the attackers got',
  'polls',
  'failed',
  'p50',
  'p95',
  'longest',
];

/** Cells of a table for {@link BESIDE_HEAD}. */
export function cellsOf({ polls, prepared, tally }: Beside): string[] {
  const times = timesOf(polls, false);
  const before = listed(Object.entries(prepared.answers));
  const got = [
    before === '' ? '' : `before: ${before}`,
    listed(Object.entries(tally?.answers ?? {})),
    tally === undefined || tally.held === 0 ? '' : `${tally.held} connections`,
    tally === undefined || tally.largestBytes === 0
      ? ''
      : `at most ${(tally.largestBytes / 1000).toFixed(1)} KB`,
  ].filter((text) => text !== '');
  return [
    got.join('; ') || '–',
    String(polls.length),
    String(polls.filter(({ fault }) => fault !== undefined).length),
    ...[0.5, 0.95, 1].map((share) => milliseconds(percentile(times, share))),
  ];
}

export function streamsP95({ polls }: Beside): number | undefined {
  return percentile(timesOf(polls, true), 0.95);
}

function timesOf(polls: readonly Poll[], isStream: boolean): number[] {
  return polls.filter((poll) => poll.isStream === isStream).map(({ ms }) => ms);
}

export function waitedCell({ waited }: Beside): string {
  return waited.map((share) => `${(share * 100).toFixed(0)} %`).join(', ');
}

export function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

export function claimsAboutOrdinaryClients(name: string, { polls }: Beside, maxP95Ms: number): Claim[] {
  const faults = histogram(polls.flatMap(({ fault }) => (fault === undefined ? [] : [fault])));
  const p95 = percentile(timesOf(polls, false), 0.95);
  return [
    claim(
      `${name}: ordinary clients lose nothing`,
      listed(faults) || `${polls.length} polls`,
      faults.size === 0 && polls.length > 0,
    ),
    claim(
      `${name}: 95 % of their polls take less than ${maxP95Ms} ms`,
      milliseconds(p95),
      p95 !== undefined && p95 < maxP95Ms,
    ),
  ];
}

export function listed(counts: Iterable<readonly [string, number]>): string {
  return [...counts].map(([what, count]) => `${what} ${count}`).join(', ');
}
