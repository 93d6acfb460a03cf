import { type Bench, explain, warm } from '../bench.ts';
import { type Claim, claim, claimsTable, type Findings, milliseconds } from '../faults/claims.ts';
import { table, whole } from '../format.ts';
import { redisIsMissing } from '../../support/redis.ts';
import { type Spread, spreadOf } from '../statistics.ts';
import { type CpuSeconds, type Crowd, letRead, startReplicas } from './group.ts';
import type { Answer, Balance, ReadersReply, Verdict } from './readers.ts';

/** Both ask so little that no replica is ever busy. */
const CROWDS: Readonly<Record<string, Crowd>> = {
  'one service credential': { readers: 200, credentials: 1, rows: 10, everyMs: 2_000 },
  '1,000 credentials': { readers: 1_000, credentials: 1_000, rows: 2, everyMs: 20_000 },
};

interface Placement {
  readonly name: string;
  readonly replicas: number;
  readonly balance: Balance;
}

const ALONE: Placement = { name: '1, without Redis', replicas: 1, balance: 'hash' };
const PLACEMENTS: readonly Placement[] = [
  ALONE,
  { name: '2, at random', replicas: 2, balance: 'random' },
  { name: '2, by hash', replicas: 2, balance: 'hash' },
  { name: '4, at random', replicas: 4, balance: 'random' },
  { name: '4, by hash', replicas: 4, balance: 'hash' },
];

/** Calls of several replicas, as a multiple of those of one. */
const MOST_CALLS = 1.1;
/** For each replica and each of two workloads. */
const WARM_SECONDS = 2;

interface Found extends Placement {
  readonly calls: number;
  readonly cpu: CpuSeconds;
  readonly withoutRedis: number;
  readonly answers: Spread;
  readonly late: Spread;
  readonly requests: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
}

/** What several replicas read for the same readers, beside one: as little, if they share what they read. */
export async function replicas(
  { core, upstream, upstreamPort, load, progress }: Bench,
  { seconds }: { readonly seconds: number },
): Promise<Findings> {
  const missing = redisIsMissing();
  if (missing !== undefined) return { report: `Not run: ${missing}`, claims: [] };
  const reports: string[] = [];
  const claims: Claim[] = [];
  for (const [crowdName, crowd] of Object.entries(CROWDS)) {
    const found: Found[] = [];
    for (const placement of PLACEMENTS) {
      progress(`replicas: ${crowdName}, ${placement.name}`);
      const { replicas: count, balance } = placement;
      const group = await startReplicas({ replicas: count, upstreamPort, core });
      try {
        for (const url of group.urls) {
          // A replica that is not warm is slower, and reads as much.
          await warm({ load }, url, WARM_SECONDS).catch((error: unknown) =>
            progress(`not warm: ${explain(error)}`),
          );
        }
        const reading = await letRead(upstream, group, { crowd, balance, seconds, hourlyQuota: undefined });
        for (const reason of reading.reasons) progress(`${placement.name}: ${reason}`);
        found.push({
          ...placement,
          calls: reading.calls.total,
          cpu: reading.cpu,
          withoutRedis: reading.withoutRedis,
          ...figuresOf(reading, crowd),
        });
      } finally {
        await group.stop();
      }
    }
    reports.push(reportOf(crowdName, crowd, seconds, found));
    claims.push(...claimsOf(crowdName, found));
  }
  return { report: [...reports, NOTE, claimsTable(claims)].join('\n\n'), claims };
}

function figuresOf(
  { answers }: ReadersReply,
  { everyMs }: Crowd,
): Pick<Found, 'answers' | 'late' | 'requests' | 'verdicts'> {
  const timed = answers.filter(({ dueMs }) => dueMs >= everyMs);
  const count = (of: Verdict): number => answers.filter(({ verdict }: Answer) => verdict === of).length;
  return {
    answers: spreadOf(timed.map(({ ms }) => ms)),
    late: spreadOf(timed.map(({ lateMs }) => lateMs)),
    requests: answers.length,
    verdicts: {
      right: count('right'),
      failed: count('failed'),
      wrong: count('wrong'),
      older: count('older'),
    },
  };
}

const NOTE =
  'All replicas share one core, and Redis, the readers and the upstream share the others. Each request has its moment, and its ' +
  'time counts from then. The upstream takes 20 ms and counts its calls. The first read of each dashboard is among the calls, ' +
  'and not among the times. "Older" is a state older than what the same reader knew when it asked: that may be where it ' +
  'changes replicas. Where the machine is too busy for Redis to answer within 50 ms, replicas read without it, and the calls do ' +
  'not count. Each replica was warm.';

function reportOf(crowdName: string, crowd: Crowd, seconds: number, found: readonly Found[]): string {
  const alone = found[0];
  return [
    `### Replicas: ${crowdName}, ${whole(crowd.readers)} dashboards of ${crowd.rows} polled every ` +
      `${crowd.everyMs / 1000} s for ${seconds} s`,
    table(
      [
        'replicas',
        'requests',
        'upstream calls',
        '× one',
        'p50',
        'p99',
        'failed, wrong, older',
        'reads without Redis',
        'CPU s: replicas, Redis',
        'sent late p99',
      ],
      found.map(
        ({ name, requests, calls, answers, verdicts: { failed, wrong, older }, cpu, withoutRedis, late }) => [
          name,
          whole(requests),
          whole(calls),
          timesOf(calls, alone).toFixed(2),
          milliseconds(answers.p50),
          milliseconds(answers.p99),
          [failed, wrong, older].map(whole).join(', '),
          whole(withoutRedis),
          `${cpu.replicas.toFixed(1)}, ${cpu.redis.toFixed(1)}`,
          milliseconds(late.p99),
        ],
      ),
    ),
  ].join('\n\n');
}

function timesOf(calls: number, alone: Found | undefined): number {
  return calls / (alone?.calls ?? NaN);
}

function claimsOf(crowdName: string, found: readonly Found[]): readonly Claim[] {
  const alone = found[0];
  const shared = found.filter(({ name }) => name !== ALONE.name);
  const all = (of: Verdict, among = found): number =>
    among.reduce((sum, { verdicts }) => sum + verdicts[of], 0);
  const staying = found.filter(({ balance }) => balance === 'hash');
  return [
    ...shared.map(({ name, calls }) =>
      claim(
        `${crowdName}, ${name}: at most ${MOST_CALLS} times the upstream calls of one`,
        `${whole(calls)} for ${whole(alone?.calls ?? NaN)}: ${timesOf(calls, alone).toFixed(2)}`,
        timesOf(calls, alone) <= MOST_CALLS,
      ),
    ),
    claim(
      `${crowdName}: no request fails, and no value is wrong`,
      `${all('failed')}, ${all('wrong')} of ${whole(found.reduce((sum, { requests }) => sum + requests, 0))}`,
      all('failed') + all('wrong') === 0,
    ),
    claim(
      `${crowdName}: who stays with a replica is shown nothing older than before`,
      String(all('older', staying)),
      all('older', staying) === 0,
    ),
  ];
}
