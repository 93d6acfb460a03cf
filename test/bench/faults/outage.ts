import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../statistics.ts';
import { type Claim, claim, type Findings, histogram, milliseconds } from './claims.ts';
import { runClients, startGateway, startUpstream } from './children.ts';
import type { Exchanged } from './clients.ts';
import type { Mode } from './upstream.ts';

const CLIENTS = 200;
const HEALTHY_SECONDS = 4;
/** A little more than whole seconds: it ends just after a probe has failed, when the next is furthest away. */
const DOWN_SECONDS = 5.1;
const RECOVERY_SECONDS = 6;
const MAX_PROBES = 10;
/** Calls from the last moments before the circuit opened are no probes. */
const SETTLED_MS = 250;
const MAX_FAILED_P95_MS = 50;
const MAX_RECOVERY_MS = 2_000;

interface Variant {
  readonly mode: Mode;
  readonly env: Readonly<Record<string, string>>;
  /** What there is to look at: while the circuit is open and after, or after only. */
  readonly claims: 'all' | 'recovery';
  /** Connections that are refused reach nobody who could count them. */
  readonly countsProbes: boolean;
}

const VARIANTS: readonly Variant[] = [
  { mode: 'refuses connections', env: {}, claims: 'all', countsProbes: false },
  { mode: 'resets connections', env: {}, claims: 'all', countsProbes: true },
  { mode: 'answers 500', env: {}, claims: 'all', countsProbes: true },
  { mode: 'hangs', env: { UPSTREAM_TIMEOUT_MS: '1000' }, claims: 'all', countsProbes: true },
  // An attempt is given 5 s, so that the circuit opens just before recovery: what it is like while open cannot be seen.
  { mode: 'hangs', env: {}, claims: 'recovery', countsProbes: true },
];

interface Outage {
  readonly variant: Variant;
  readonly exchanged: readonly Exchanged[];
  readonly downAt: number;
  readonly upAt: number;
  readonly callsAt: readonly number[];
  readonly gatewayEnd: string | undefined;
}

async function measure(variant: Variant, core: number | undefined): Promise<Outage> {
  const upstream = await startUpstream(5);
  const gateway = await startGateway(upstream.port, variant.env, { core });
  const running = runClients({
    url: gateway.url,
    clients: CLIENTS,
    seconds: HEALTHY_SECONDS + DOWN_SECONDS + RECOVERY_SECONDS + 1,
    thinkMs: 200,
    tokens: 1,
    known: 50,
    unknownShare: 0.3,
    listShare: 0,
  });
  // The process of the clients has to start too.
  await sleep(HEALTHY_SECONDS * 1000 + 1_000);
  await upstream.become(variant.mode);
  const downAt = Date.now();
  await sleep(DOWN_SECONDS * 1000);
  // Before, so that no time is given away where becoming healthy takes some.
  const upAt = Date.now();
  const { callsAt } = await upstream.become('healthy');
  const { exchanged } = await running;
  const gatewayEnd = gateway.ended();
  await Promise.all([gateway.stop(), upstream.stop()]);
  return { variant, exchanged, downAt, upAt, callsAt, gatewayEnd };
}

export async function outage(core: number | undefined, progress: (text: string) => void): Promise<Findings> {
  const rows: string[] = [];
  const claims: Claim[] = [];
  for (const variant of VARIANTS) {
    progress(`outage: upstream ${variant.mode} ${JSON.stringify(variant.env)}`);
    const found = judge(await measure(variant, core));
    rows.push(found.row);
    claims.push(...found.claims);
  }
  return {
    report: [
      `### An upstream that is down for ${DOWN_SECONDS} s, asked by ${CLIENTS} clients`,
      '',
      '| upstream | answers before: p95 | until the circuit is open | failed answers from then on: p50 | p95 | share of answers | upstream calls until then + probes | stale answers | full service after recovery | answers while it was down |',
      '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |',
      ...rows,
      '',
      `Each client asks for one backfill, thinks 100 to 300 ms and asks again: in 7 of 10 cases for one of 50 known ones. ` +
        `Full service: from the first healthy moment to the last answer that was an error or stale.`,
    ].join('\n'),
    claims,
  };
}

function judge({ variant, exchanged, downAt, upAt, callsAt, gatewayEnd }: Outage): {
  readonly row: string;
  readonly claims: readonly Claim[];
} {
  const name = `${variant.mode}${variant.env['UPSTREAM_TIMEOUT_MS'] === undefined ? '' : `, UPSTREAM_TIMEOUT_MS ${variant.env['UPSTREAM_TIMEOUT_MS']}`}`;
  const endOf = ({ sentAt, ms }: Exchanged): number => sentAt + ms;
  const isError = ({ outcomes }: Exchanged): boolean => !['fresh', 'stale'].includes(outcomes[0] ?? '');
  const before = exchanged.filter((one) => endOf(one) < downAt);
  const openedAt = Math.min(
    ...exchanged.filter((one) => one.retryAfterSeconds !== undefined && one.sentAt < upAt).map(endOf),
  );
  const open = exchanged.filter(({ sentAt }) => sentAt > openedAt && sentAt < upAt);
  const failed = open.filter(isError);
  const latencies = failed.map(({ ms }) => ms);
  const p95 = percentile(latencies, 0.95);
  const probes = callsAt.filter((at) => at > openedAt + SETTLED_MS).length;
  const callsBefore = callsAt.length - probes;
  const stale = open.filter(({ outcomes }) => outcomes[0] === 'stale');
  const bad = exchanged.filter((one) => endOf(one) > upAt && one.outcomes[0] !== 'fresh');
  const recoveryMs = bad.reduce((last, one) => Math.max(last, endOf(one) - upAt), 0);
  const knownFailed = open.filter((one) => one.known && isError(one)).length;
  const wrong = exchanged.flatMap(({ outcomes }) => outcomes.filter((outcome) => !ALLOWED.has(outcome)));
  const during = histogram(
    exchanged.filter(({ sentAt }) => sentAt > downAt && sentAt < upAt).flatMap(({ outcomes }) => outcomes),
  );
  const healthyFailures = before.filter((one) => one.outcomes[0] !== 'fresh').length;
  const row = [
    '',
    name,
    milliseconds(
      percentile(
        before.map(({ ms }) => ms),
        0.95,
      ),
    ),
    openedAt === Infinity ? 'never' : milliseconds(openedAt - downAt),
    milliseconds(percentile(latencies, 0.5)),
    milliseconds(p95),
    `${((failed.length / Math.max(1, open.length)) * 100).toFixed(0)} %`,
    variant.countsProbes ? `${callsBefore} + ${probes}` : '–',
    String(stale.length),
    milliseconds(recoveryMs),
    [...during].map(([outcome, count]) => `${outcome} ${count}`).join(', '),
    '',
  ]
    .join(' | ')
    .trim();
  const always = [
    claim(
      `${name}: only answers that the contract has, all from one process`,
      (gatewayEnd ?? [...histogram(wrong)].map(([what, count]) => `${what}: ${count}`).join(', ')) ||
        'only those',
      gatewayEnd === undefined && wrong.length === 0 && healthyFailures === 0 && before.length > 0,
    ),
    claim(
      `${name}: full service at most ${MAX_RECOVERY_MS / 1000} s after recovery`,
      milliseconds(recoveryMs),
      recoveryMs <= MAX_RECOVERY_MS,
    ),
  ];
  if (variant.claims === 'recovery') return { row, claims: always };
  return {
    row,
    claims: [
      ...always,
      claim(
        `${name}: with the circuit open, 95 % of failed answers take less than ${MAX_FAILED_P95_MS} ms`,
        milliseconds(p95),
        p95 !== undefined && p95 < MAX_FAILED_P95_MS,
      ),
      ...(variant.countsProbes
        ? [
            claim(
              `${name}: at most ${MAX_PROBES} probes while the circuit is open`,
              String(probes),
              probes > 0 && probes <= MAX_PROBES,
            ),
          ]
        : []),
      claim(
        `${name}: with the circuit open, known backfills are answered, as stale once their time is over`,
        `${stale.length} stale, ${knownFailed} errors`,
        stale.length > 0 && knownFailed === 0,
      ),
    ],
  };
}

const ALLOWED: ReadonlySet<string> = new Set([
  'fresh',
  'stale',
  'UPSTREAM_ERROR',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_TIMEOUT',
]);
