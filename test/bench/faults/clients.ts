import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';

/** Clients of the gateway, a process of its own: each asks again when it has its answer and has thought about it. */
export interface ClientsOrder {
  readonly url: string;
  readonly clients: number;
  readonly seconds: number;
  /** Between an answer and the next request: from half of this to one and a half times this. */
  readonly thinkMs: number;
  readonly tokens: number;
  /** Backfills that are asked for over and over. */
  readonly known: number;
  /** Shares of requests, of 1: for a backfill that nobody asked for before, and for the latest of ten transfers. */
  readonly unknownShare: number;
  readonly listShare: number;
}

export interface Exchanged {
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
  readonly ms: number;
  readonly known: boolean;
  /** `fresh`, `stale`, or what is wrong: codes of errors, or words for what no gateway may do. */
  readonly outcomes: readonly string[];
  /** Of an error of an open circuit or a closed gate. */
  readonly retryAfterSeconds?: number;
}

export interface ClientsReply {
  readonly exchanged: readonly Exchanged[];
}

const CACHE_TTL_MS = 2_000;
/** Between the moment at which a value is found fresh and that at which we look at its age. */
const SLACK_MS = 250;
const LIST = 10;
const FIELDS = 'id status transferRunsTotal fetchedAt isStale';
const BACKFILL = `query Backfill($id: ID!) { backfill(id: $id) { ${FIELDS} } }`;
const TRANSFERS = `query Dashboard($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { ${FIELDS} } } }`;

let nextUnknownId = randomInt(200_000_000_000, 900_000_000_000);

interface Backfill {
  readonly id: string;
  readonly fetchedAt: string;
  readonly isStale: boolean;
}
interface Body {
  readonly data?: {
    readonly backfill?: Backfill | null;
    readonly transfers?: readonly { readonly latestBackfill: Backfill | null }[];
  } | null;
  readonly errors?: readonly { readonly extensions: { code: string; retryAfterSeconds?: number } }[];
}

async function exchange(pool: Pool, path: string, order: ClientsOrder): Promise<Exchanged> {
  const dice = Math.random();
  const isList = dice < order.listShare;
  const known = !isList && dice >= order.listShare + order.unknownShare;
  const id = String(known ? 100_000_000_000 + randomInt(order.known) : nextUnknownId);
  const ids = Array.from({ length: LIST }, (_, n) => String(nextUnknownId + n));
  if (!known) nextUnknownId += isList ? LIST : 1;
  const sentAt = performance.timeOrigin + performance.now();
  const outcome = await pool
    .request({
      method: 'POST',
      path,
      headers: {
        authorization: `Bearer faults-${randomInt(order.tokens)}`,
        'x-team-id': '1',
        'content-type': 'application/json',
      },
      body: JSON.stringify(
        isList ? { query: TRANSFERS, variables: { ids } } : { query: BACKFILL, variables: { id } },
      ),
    })
    .then(async ({ statusCode, body }) => {
      const text = await body.text();
      const ms = performance.timeOrigin + performance.now() - sentAt;
      if (statusCode !== 200 && statusCode !== 503) return { ms, outcomes: [`status ${statusCode}`] };
      const judged = judge(
        JSON.parse(text) as Body,
        isList && statusCode === 200 ? LIST : 1,
        isList ? undefined : id,
        sentAt,
      );
      return statusCode === 200
        ? { ms, ...judged }
        : { ms, outcomes: judged.outcomes.map((code) => `${code} by 503`) };
    })
    .catch((error: unknown) => ({
      ms: performance.timeOrigin + performance.now() - sentAt,
      outcomes: [`no answer: ${error instanceof Error ? error.message : String(error)}`],
    }));
  return { sentAt, known, ...outcome };
}

function judge(
  { data, errors = [] }: Body,
  expected: number,
  id: string | undefined,
  sentAt: number,
): Pick<Exchanged, 'outcomes' | 'retryAfterSeconds'> {
  const found = [
    data?.backfill,
    ...(data?.transfers ?? []).map(({ latestBackfill }) => latestBackfill),
  ].filter((backfill) => backfill != null);
  const outcomes = [
    ...errors.map(({ extensions }) => extensions.code),
    ...found.map((backfill) => {
      if (id !== undefined && backfill.id !== id) return 'another backfill';
      // Both clocks are this machine's.
      const age = sentAt - Date.parse(backfill.fetchedAt);
      if (!backfill.isStale && age > CACHE_TTL_MS + SLACK_MS) return 'old and not marked';
      return backfill.isStale ? 'stale' : 'fresh';
    }),
  ];
  if (outcomes.length !== expected) outcomes.push(`${outcomes.length} outcomes instead of ${expected}`);
  const seconds = errors.find(({ extensions }) => extensions.retryAfterSeconds !== undefined)?.extensions
    .retryAfterSeconds;
  return { outcomes, ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }) };
}

async function run(order: ClientsOrder): Promise<ClientsReply> {
  const { origin, pathname } = new URL(order.url);
  const pool = new Pool(origin, {
    connections: order.clients,
    pipelining: 1,
    headersTimeout: 30_000,
    bodyTimeout: 30_000,
  });
  const exchanged: Exchanged[] = [];
  const endsAt = performance.now() + order.seconds * 1000;
  await Promise.all(
    Array.from({ length: order.clients }, async () => {
      // They do not come all at once, unless they do not think at all.
      await sleep(Math.random() * order.thinkMs);
      while (performance.now() < endsAt) {
        exchanged.push(await exchange(pool, pathname, order));
        if (order.thinkMs > 0) await sleep(order.thinkMs * (0.5 + Math.random()));
      }
    }),
  );
  await pool.close();
  return { exchanged };
}

process.on('message', (order: ClientsOrder) => {
  void run(order).then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
