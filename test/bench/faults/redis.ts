import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../support/free-port.ts';
import { redisIsMissing } from '../../support/redis.ts';
import { table, whole } from '../format.ts';
import { startWorker, type Worker } from '../processes.ts';
import { type Crowd, letRead, type Reading, type RedisProcess, startReplicas } from '../replicas/group.ts';
import { spreadOf } from '../statistics.ts';
import type { UpstreamCalls, UpstreamOrder } from '../upstream.ts';
import { type Claim, claim, type Findings, milliseconds } from './claims.ts';

const REPLICAS = 4;
const CROWD: Crowd = { readers: 400, credentials: 1, rows: 10, everyMs: 2_000 };
/** A sixth of what the readers would spend. Replicas that cannot share the hour may spend their parts of it, and no more. */
const QUOTA = 2_000;
/** `REDIS_TIMEOUT_MS` at its default. */
const TIMEOUT_MS = 50;
const TOLERANCE_MS = 50;
/** The shares of the time before the trouble and at its end. The first reads have a share of their own. */
const FIRST_SHARE = 0.1;
const BEGINS_AT = 0.4;
const ENDS_AT = 0.75;
/** In so many milliseconds what lasts no longer by itself is done again. */
const AGAIN_MS = 4_000;
const PAUSE_MS = 1_000;

/** What happens to Redis. */
interface Trouble {
  readonly name: string;
  begin(redis: RedisProcess): Promise<void>;
  /** Done again as long as the trouble lasts. */
  again?(redis: RedisProcess): Promise<void>;
  end(redis: RedisProcess): Promise<void>;
}

const TROUBLES: readonly Trouble[] = [
  {
    name: 'killed',
    begin: ({ present }) => present.stop(),
    end: (redis) => redis.startAgain(),
  },
  {
    name: 'stopped (SIGSTOP)',
    begin: (redis) => signal(redis, 'SIGSTOP'),
    end: (redis) => signal(redis, 'SIGCONT'),
  },
  {
    name: 'filled',
    begin: (redis) => command(redis, 'CONFIG', 'SET', 'maxmemory', '1'),
    end: (redis) => command(redis, 'CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    name: 'emptied',
    begin: (redis) => command(redis, 'FLUSHALL'),
    end: () => Promise.resolve(),
  },
  {
    name: 'paused',
    begin: (redis) => command(redis, 'CLIENT', 'PAUSE', String(PAUSE_MS)),
    again: (redis) => command(redis, 'CLIENT', 'PAUSE', String(PAUSE_MS)),
    end: () => Promise.resolve(),
  },
];

function signal({ present }: RedisProcess, name: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
  present.process.kill(name);
  return Promise.resolve();
}

async function command({ url }: RedisProcess, name: string, ...args: readonly string[]): Promise<void> {
  const redis = new Redis(url.href, { lazyConnect: true });
  redis.on('error', () => undefined);
  await redis.connect();
  await redis.call(name, ...args);
  redis.disconnect();
}

interface Judged {
  readonly row: readonly string[];
  readonly claims: readonly Claim[];
}

/** Takes Redis away from replicas in several ways, each in the middle of so many seconds of reading. */
export async function redis(
  core: number | undefined,
  progress: (text: string) => void,
  _attacks: readonly string[] | undefined,
  seconds: number,
): Promise<Findings> {
  const missing = redisIsMissing();
  const title = `### Redis in trouble under ${REPLICAS} replicas, ${seconds} s for each trouble`;
  if (missing !== undefined) return { report: `${title}\n\nNot run: ${missing}`, claims: [] };
  const upstreamPort = await freePort();
  const upstream = startWorker<UpstreamOrder, UpstreamCalls>('upstream.ts', { PORT: String(upstreamPort) });
  const judged: Judged[] = [];
  for (const trouble of TROUBLES) {
    progress(`redis: ${trouble.name}`);
    await upstream.ask({ kind: 'rest', latencyMs: 0 });
    const reading = await readThrough(trouble, { core, upstream, upstreamPort, seconds });
    for (const reason of reading.reasons) progress(reason);
    judged.push(judge(trouble, reading, seconds));
  }
  await upstream.stop();
  return {
    report: [
      title,
      table(
        [
          'Redis is',
          'requests',
          'failed, wrong',
          'upstream calls',
          '429',
          'p50, p99 before',
          'during',
          'after',
        ],
        judged.map(({ row }) => row),
      ),
      `${CROWD.readers} dashboards of ${CROWD.rows} polled every ${CROWD.everyMs / 1000} s with one credential, each poll at ` +
        `a replica chosen at random; ${whole(QUOTA)} calls an hour. The trouble begins after ${percent(BEGINS_AT)} of the time and ` +
        `ends after ${percent(ENDS_AT)} of it. It is emptied once, and paused for ${PAUSE_MS / 1000} s every ${AGAIN_MS / 1000} s.`,
    ].join('\n\n'),
    claims: judged.flatMap(({ claims }) => claims),
  };
}

interface Setting {
  readonly core: number | undefined;
  readonly upstream: Worker<UpstreamOrder, UpstreamCalls>;
  readonly upstreamPort: number;
  readonly seconds: number;
}

async function readThrough(
  trouble: Trouble,
  { core, upstream, upstreamPort, seconds }: Setting,
): Promise<Reading> {
  const settings = { UPSTREAM_HOURLY_QUOTA: String(QUOTA) };
  const group = await startReplicas({ replicas: REPLICAS, upstreamPort, core, settings });
  const { redis: process } = group;
  if (process === undefined) throw new Error('several replicas have a Redis');
  let troubled: Promise<void> = Promise.resolve();
  try {
    const reading = await letRead(upstream, group, {
      crowd: CROWD,
      balance: 'random',
      seconds,
      hourlyQuota: QUOTA,
      onBegin(startsAt) {
        troubled = happen(trouble, process, startsAt, seconds);
      },
    });
    await troubled;
    return reading;
  } finally {
    await group.stop();
  }
}

async function happen(
  trouble: Trouble,
  redis: RedisProcess,
  startsAt: number,
  seconds: number,
): Promise<void> {
  const at = (share: number): number => startsAt + share * seconds * 1000;
  await sleep(at(BEGINS_AT) - Date.now());
  await trouble.begin(redis);
  while (Date.now() + AGAIN_MS < at(ENDS_AT)) {
    await sleep(AGAIN_MS);
    await trouble.again?.(redis);
  }
  await sleep(at(ENDS_AT) - Date.now());
  await trouble.end(redis);
}

function judge({ name }: Trouble, { answers, calls }: Reading, seconds: number): Judged {
  const between = (from: number, until: number) =>
    spreadOf(
      answers
        .filter(({ dueMs }) => dueMs >= from * seconds * 1000 && dueMs < until * seconds * 1000)
        .map(({ ms }) => ms),
    );
  const spreads = [
    between(FIRST_SHARE, BEGINS_AT),
    between(BEGINS_AT, ENDS_AT),
    between(ENDS_AT, 1),
  ] as const;
  const [before, during, after] = spreads;
  const count = (of: string): number => answers.filter(({ verdict }) => verdict === of).length;
  const [failed, wrong] = [count('failed'), count('wrong')];
  const most = before.p99 + TIMEOUT_MS + TOLERANCE_MS;
  return {
    row: [
      name,
      whole(answers.length),
      `${whole(failed)}, ${whole(wrong)}`,
      whole(calls.total),
      whole(calls.refused),
      ...spreads.map(({ p50, p99 }) => `${milliseconds(p50)}, ${milliseconds(p99)}`),
    ],
    claims: [
      claim(`Redis ${name}: no 429`, whole(calls.refused), calls.refused === 0),
      claim(
        `Redis ${name}: no request fails, and no value is wrong`,
        `${whole(failed)}, ${whole(wrong)} of ${whole(answers.length)}`,
        failed + wrong === 0 && answers.length > 0,
      ),
      claim(
        `Redis ${name}: p99 at most the ordinary, and ${TIMEOUT_MS} ms (\`REDIS_TIMEOUT_MS\`) and ${TOLERANCE_MS} ms`,
        `${milliseconds(during.p99)}, and ${milliseconds(after.p99)} after it, for ${milliseconds(before.p99)}`,
        during.p99 <= most && after.p99 <= most,
      ),
    ],
  };
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
