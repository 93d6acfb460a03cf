import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../../../src/config.ts';
import { residentMiB } from '../machine.ts';
import { percentile } from '../statistics.ts';
import { claim, type Findings, histogram, milliseconds } from './claims.ts';
import { runClients, startGateway, startUpstream } from './children.ts';

const CLIENTS = 2_000;
const SECONDS = 15;
const LATENCY_MS = 200;
const IDLE_SECONDS = 15;
const MAX_RESIDENT_MIB = 400;
const MAX_LEFT_MIB = 50;
const SAMPLE_MS = 100;

const { UPSTREAM_MAX_CONCURRENCY } = loadConfig({});

/** What a gateway that has more to do than it can may say. */
const ALLOWED: ReadonlySet<string> = new Set([
  'fresh',
  'stale',
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_UNAVAILABLE by 503',
]);

export async function flood(core: number | undefined, progress: (text: string) => void): Promise<Findings> {
  progress(`flood: ${CLIENTS} clients for ${SECONDS} s`);
  const upstream = await startUpstream(LATENCY_MS);
  // What is kept on purpose is no leak, so little is kept.
  const gateway = await startGateway(upstream.port, { CACHE_MAX_BYTES: String(8 * 1024 * 1024) }, { core });
  const load = { url: gateway.url, thinkMs: 0, tokens: 20, known: 500, unknownShare: 0.3, listShare: 0.2 };
  // A gateway that has answered: what is loaded and compiled at the first requests is no leak.
  await runClients({ ...load, clients: 10, seconds: 1 });
  await sleep(1_000);
  const resident = (): number => residentMiB(gateway.pid) ?? NaN;
  const atStart = resident();
  await upstream.become('healthy');

  let most = atStart;
  const timer = setInterval(() => (most = Math.max(most, resident())), SAMPLE_MS);
  const startedAt = Date.now();
  const { exchanged } = await runClients({ ...load, clients: CLIENTS, seconds: SECONDS });
  const seconds =
    exchanged.reduce((last, { sentAt, ms }) => Math.max(last, sentAt + ms - startedAt), 0) / 1000;
  const { callsAt, maxInFlight } = await upstream.become('healthy');

  progress(`flood: idle for ${IDLE_SECONDS} s`);
  await sleep(IDLE_SECONDS * 1000);
  clearInterval(timer);
  const afterIdle = resident();
  gateway.collectGarbage();
  await sleep(3_000);
  const afterCollection = resident();
  const { exchanged: after } = await runClients({ ...load, clients: 10, seconds: 2 });
  const gatewayEnd = gateway.ended();
  await Promise.all([gateway.stop(), upstream.stop()]);

  const outcomes = histogram(exchanged.flatMap((one) => one.outcomes));
  const wrong = [...outcomes.keys()].filter((outcome) => !ALLOWED.has(outcome));
  const latencies = exchanged.map(({ ms }) => ms);
  const failedAfter = after.flatMap((one) => one.outcomes).filter((outcome) => outcome !== 'fresh');
  const mib = (value: number): string => `${value.toFixed(0)} MiB`;
  return {
    report: [
      `### ${CLIENTS} clients that never pause, ${LATENCY_MS} ms of upstream latency, ${SECONDS} s`,
      '',
      '| figure | found |',
      '| --- | ---: |',
      `| requests answered | ${exchanged.length}, ${(exchanged.length / seconds).toFixed(0)} a second |`,
      `| latency p50, p95, longest | ${[0.5, 0.95, 1].map((share) => milliseconds(percentile(latencies, share))).join(', ')} |`,
      `| upstream calls | ${callsAt.length}, ${(callsAt.length / seconds).toFixed(0)} a second of at most ${((UPSTREAM_MAX_CONCURRENCY * 1000) / LATENCY_MS).toFixed(0)} |`,
      `| most upstream calls at once | ${maxInFlight} |`,
      ...[...outcomes].map(([outcome, count]) => `| outcome ${outcome} | ${count} |`),
      `| resident memory before, at most, ${IDLE_SECONDS} s after, after a forced collection | ${[atStart, most, afterIdle, afterCollection].map(mib).join(', ')} |`,
      '',
      'Of ten requests five ask for one of 500 known backfills, three for one that nobody asked for before, and two for ' +
        'the latest backfills of ten such transfers; an outcome is that of one backfill. 20 credentials.',
    ].join('\n'),
    claims: [
      claim(
        'flood: the gateway lives, and serves in full again afterwards',
        gatewayEnd ?? `${after.length} answers, ${failedAfter.length} not fresh`,
        gatewayEnd === undefined && after.length > 0 && failedAfter.length === 0,
      ),
      claim(
        'flood: only answers that the contract has',
        wrong.join(', ') || 'only those',
        wrong.length === 0,
      ),
      claim(
        `flood: never more than ${UPSTREAM_MAX_CONCURRENCY} upstream calls at once`,
        String(maxInFlight),
        maxInFlight <= UPSTREAM_MAX_CONCURRENCY,
      ),
      claim(
        `flood: resident memory below ${MAX_RESIDENT_MIB} MiB at all times`,
        mib(most),
        most < MAX_RESIDENT_MIB,
      ),
      claim(
        `flood: within ${MAX_LEFT_MIB} MiB of its start ${IDLE_SECONDS} s later`,
        `${mib(afterIdle - atStart)} more, ${mib(afterCollection - atStart)} after a forced collection`,
        afterIdle - atStart <= MAX_LEFT_MIB,
      ),
    ],
  };
}
