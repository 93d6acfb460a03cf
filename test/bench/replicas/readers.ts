import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { createLivingWorld, type LivingWorld, type Row, type WorldPlan } from '../living-world.ts';
import { seededRandom, someOf } from '../random.ts';
import { type Asked, atItsMoments } from '../readers/open-loop.ts';
import { Sightings } from '../readers/sightings.ts';

/**
 * Readers behind a balancer, a process of their own. Each asks for a dashboard of its own at its moments, whichever replica
 * is to answer. They know the plan of the world, so each value that they are shown is held against it.
 */
export interface ReadersOrder {
  /** Those of the replicas. */
  readonly urls: readonly string[];
  readonly balance: Balance;
  readonly world: WorldPlan;
  readonly readers: number;
  /** How many the readers share, in turn. */
  readonly credentials: number;
  /** Transfers of each dashboard. */
  readonly rows: number;
  /** From the beginning of the world on. */
  readonly everyMs: number;
  readonly forMs: number;
}

/** `hash`: a credential always goes to the same replica. */
export type Balance = 'random' | 'hash';

export interface ReadersReply {
  /** In the order of their answers. */
  readonly answers: readonly Answer[];
  /** The first few faults, in words. */
  readonly reasons: readonly string[];
}

export interface Answer {
  /** When its request was due, in milliseconds after the beginning of the world. */
  readonly dueMs: number;
  /** From then to the answer. */
  readonly ms: number;
  /** How late it was sent. */
  readonly lateMs: number;
  readonly verdict: Verdict;
}

/**
 * `failed`: no answer, or one with an error. `wrong`: a value that its row never had, or had not yet. `older`: a state older
 * than what the same reader knew when it asked.
 */
export type Verdict = 'right' | 'failed' | 'wrong' | 'older';

const TEAM = '7';
const QUERY =
  'query Rows($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { id status transferRunsCompleted } } }';
const TIMEOUT_MS = 10_000;
const MAX_REASONS = 10;

interface Reader {
  readonly credential: string;
  readonly body: string;
  readonly shown: readonly Sightings[];
}

async function read(order: ReadersOrder): Promise<ReadersReply> {
  const { urls, balance, world: plan, everyMs, forMs } = order;
  const answers: Answer[] = [];
  const reasons: string[] = [];
  const world = createLivingWorld(plan);
  const pools = urls.map(
    (url) => new Pool(new URL(url).origin, { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS }),
  );
  const random = seededRandom(plan.seed + 2);
  let underWay = 0;

  function replicaFor({ credential }: Reader): Pool | undefined {
    return pools[Math.floor((balance === 'random' ? random() : shareOf(credential)) * pools.length)];
  }

  /** Who changes replicas may be shown what is a little older. */
  function isAllowed(verdict: Verdict): boolean {
    return verdict === 'right' || (verdict === 'older' && balance === 'random');
  }

  async function ask(reader: Reader, { scheduledAt, sentAt }: Asked): Promise<void> {
    const known = reader.shown.map(({ seen }) => seen);
    underWay++;
    const { status, text } = await exchange(replicaFor(reader), reader);
    underWay--;
    const now = Date.now();
    const verdict = verdictOn(reader, known, status, text, now);
    if (!isAllowed(verdict) && reasons.length < MAX_REASONS)
      reasons.push(`${verdict}: status ${status}: ${text.slice(0, 300)}`);
    answers.push({
      dueMs: scheduledAt - plan.startsAt,
      ms: now - scheduledAt,
      lateMs: sentAt - scheduledAt,
      verdict,
    });
  }

  const all = planReaders(order, world);
  await Promise.all(
    all.map((reader, n) =>
      atItsMoments(
        { firstAt: plan.startsAt + (n * everyMs) / all.length, everyMs, until: () => plan.startsAt + forMs },
        (asked) => void ask(reader, asked),
      ),
    ),
  );
  while (underWay > 0) await sleep(20);
  await Promise.all(pools.map((pool) => pool.destroy()));
  return { answers, reasons };
}

function planReaders(
  { readers, credentials, rows, world: plan }: ReadersOrder,
  world: LivingWorld,
): readonly Reader[] {
  const random = seededRandom(plan.seed + 1);
  return Array.from({ length: readers }, (_, n) => {
    const own = someOf(world.rows, rows, random);
    return {
      // Nobody has met it in another run.
      credential: `reader-${plan.firstTransferId}-${n % credentials}`,
      body: JSON.stringify({
        query: QUERY,
        variables: { ids: own.map(({ transferId }) => String(transferId)) },
      }),
      shown: own.map(watch),
    };
  });
}

/** No change is timed. */
function watch(row: Row): Sightings {
  return new Sightings(row, { lastVersion: 0, from: 0, until: 0, onDelay: () => undefined });
}

/** A number from 0 to 1 that follows from the credential alone. */
function shareOf(credential: string): number {
  let hash = 0;
  for (const char of credential) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) | 0;
  return seededRandom(hash)();
}

/** @returns status 0 with the reason where there is no answer */
async function exchange(pool: Pool | undefined, { credential, body }: Reader) {
  try {
    if (pool === undefined) throw new Error('there is no such replica');
    const { statusCode, body: answered } = await pool.request({
      method: 'POST',
      path: '/graphql',
      headers: {
        authorization: `Bearer ${credential}`,
        'x-team-id': TEAM,
        'content-type': 'application/json',
        accept: 'application/json',
      },
      body,
    });
    return { status: statusCode, text: await answered.text() };
  } catch (error) {
    return { status: 0, text: error instanceof Error ? error.message : String(error) };
  }
}

interface WireAnswer {
  readonly data?: {
    readonly transfers?: readonly {
      readonly latestBackfill: {
        readonly id: string;
        readonly status: string;
        readonly transferRunsCompleted: number;
      } | null;
    }[];
  };
  readonly errors?: unknown;
}

function verdictOn(
  { shown }: Reader,
  known: readonly number[],
  status: number,
  text: string,
  now: number,
): Verdict {
  let answer: WireAnswer;
  try {
    answer = JSON.parse(text) as WireAnswer;
  } catch {
    return 'failed';
  }
  const transfers = answer.data?.transfers;
  if (status !== 200 || answer.errors !== undefined || transfers?.length !== shown.length) return 'failed';
  const verdicts = transfers.map(({ latestBackfill }, n) => {
    if (latestBackfill === null) return 'wrong';
    const { id, status: present, transferRunsCompleted: version } = latestBackfill;
    return shown[n]?.take({ id, status: present, version }, now, known[n] ?? -1);
  });
  if (verdicts.includes('wrong')) return 'wrong';
  return verdicts.includes('older') ? 'older' : 'right';
}

process.on('message', (order: ReadersOrder) => {
  void read(order).then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
