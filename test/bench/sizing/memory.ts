import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { startSandbox } from '../../../src/sandbox/server.ts';
import { createWorld } from '../../../src/sandbox/world/world.ts';
import { type GatewayUnderFault, startGateway } from '../faults/children.ts';
import { residentMiB } from '../machine.ts';
import { median } from '../statistics.ts';
import { type Follower, followMany, followOverSse, followOverWebSocket } from '../streams/clients.ts';
import type { Load, MemoryCosts } from './formulas.ts';

/** What was resident in a gateway that then held a load, in MiB after forced collections. */
export interface Held {
  readonly load: Load;
  readonly before: number;
  readonly with: number;
}

const NOTHING: Load = { sse: 0, webSocket: 0, credentials: 0, kept: 0 };
/** One kind each, many enough for what they add to be many times what a reading is off by. */
const KINDS = { sse: 1_500, webSocket: 1_500, kept: 20_000, credentials: 4_000 } as const satisfies Load;
const MIXED: Load = { sse: 700, webSocket: 700, credentials: 1_500, kept: 8_000 };

const WATCHED = 50;
const IDS_AT_ONCE = 100;
const WARMING_REQUESTS = 600;
/** More than the gateway waits before it gives back what a rush has left, and time for seven events of each stream. */
const SETTLING_MS = 15_000;
const COLLECTING_MS = 700;
/** The quota is out of the way, and a busy machine fails no read. */
const SETTINGS = { UPSTREAM_HOURLY_QUOTA: '1000000000', UPSTREAM_TIMEOUT_MS: '60000' };

const FIELDS =
  'id status progress rangeStartDate rangeEndDate createdTime startTime endTime fetchedAt isStale';
const PAGE = `query Page($ids: [ID!]!) { backfills(ids: $ids) { ${FIELDS} } }`;

/** Measures each kind alone, and a mixture; each in a gateway of its own. */
export async function measureMemory(
  core: number | undefined,
  progress: (text: string) => void,
): Promise<{ readonly alone: readonly Held[]; readonly mixed: Held; readonly costs: MemoryCosts }> {
  const kinds = ['sse', 'webSocket', 'kept', 'credentials'] as const;
  const alone: Held[] = [];
  for (const kind of kinds) {
    progress(`sizing: memory, ${kind}`);
    alone.push(await hold({ ...NOTHING, [kind]: KINDS[kind] }, core));
  }
  progress('sizing: memory, all together');
  const mixed = await hold(MIXED, core);
  const each = (kind: keyof Load): number => {
    const held = alone.find(({ load }) => load[kind] > 0);
    return held === undefined ? NaN : ((held.with - held.before) * 1024) / held.load[kind];
  };
  return {
    alone,
    mixed,
    costs: {
      baseMiB: median(alone.map(({ before }) => before)),
      eachKiB: {
        sse: each('sse'),
        webSocket: each('webSocket'),
        // The one backfill that each of them has read is counted among those kept.
        credentials: each('credentials') - each('kept'),
        kept: each('kept'),
      },
    },
  };
}

/** The load with the backfill that each credential has read. */
export function withOwnBackfills(load: Load): Load {
  return { ...load, kept: load.kept + load.credentials };
}

async function hold(load: Load, core: number | undefined): Promise<Held> {
  const world = createWorld();
  const range = { rangeStart: '2000-01-01', rangeEnd: '2025-12-31', msPerRun: 1_000 };
  const ids = (count: number, more: object): readonly string[] =>
    Array.from({ length: count }, (_, n) => world.addBackfill({ transferId: String(n + 1), ...more }));
  const watched = ids(WATCHED, { status: 'RUNNING', ...range });
  const kept = ids(load.kept, { status: 'COMPLETED' });
  const people = Array.from({ length: load.credentials }, (_, n) => `person-${n}`);
  for (const token of people) world.addToken(token, { teams: 'all', permissions: 'view' });
  const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
  const port = Number(new URL(sandbox.url).port);
  const gateway = await startGateway(port, SETTINGS, { core });
  const pool = new Pool(new URL(gateway.url).origin, { connections: 16 });
  const followers: Follower[] = [];
  try {
    await warm(gateway, pool, watched);
    const before = await residentIn(gateway);
    await readAll(pool, [
      ...pagesOf(kept).map((page) => ({ ids: page })),
      ...people.map((token) => ({ token, ids: watched.slice(0, 1) })),
    ]);
    const open = { url: gateway.url, ids: watched, onEvent: () => undefined };
    followers.push(...(await followMany(followOverSse, { ...open, count: load.sse })));
    followers.push(...(await followMany(followOverWebSocket, { ...open, count: load.webSocket })));
    await sleep(SETTLING_MS);
    return { load, before, with: await residentIn(gateway) };
  } finally {
    for (const { leave } of followers) leave();
    await pool.close();
    await gateway.stop();
    await sandbox.close();
  }
}

/** Loads and compiles what any gateway in use has loaded and compiled. */
async function warm({ url }: GatewayUnderFault, pool: Pool, ids: readonly string[]): Promise<void> {
  await readAll(
    pool,
    Array.from({ length: WARMING_REQUESTS }, () => ({ ids })),
  );
  for (const follow of [followOverSse, followOverWebSocket])
    (await follow(url, ids[0] ?? '', () => undefined)).leave();
}

async function residentIn({ pid, collectGarbage }: GatewayUnderFault): Promise<number> {
  for (let times = 0; times < 2; times++) {
    collectGarbage();
    await sleep(COLLECTING_MS);
  }
  return residentMiB(pid) ?? NaN;
}

interface Page {
  readonly token?: string;
  readonly ids: readonly string[];
}

function pagesOf(ids: readonly string[]): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(ids.length / IDS_AT_ONCE) }, (_, n) =>
    ids.slice(n * IDS_AT_ONCE, (n + 1) * IDS_AT_ONCE),
  );
}

const AT_ONCE = 8;

/** @throws {Error} where an answer has an error, since what was not read is not kept */
async function readAll(pool: Pool, pages: readonly Page[]): Promise<void> {
  const left = pages.values();
  const readOn = async (): Promise<void> => {
    for (const page of left) await read(pool, page);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, readOn));
}

async function read(pool: Pool, { token = 'sandbox-full', ids }: Page): Promise<void> {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/graphql',
    headers: {
      authorization: `Bearer ${token}`,
      'x-team-id': '1',
      'content-type': 'application/json',
      accept: 'application/json',
    },
    body: JSON.stringify({ query: PAGE, variables: { ids } }),
  });
  const text = await body.text();
  if (statusCode !== 200 || text.includes('"errors"'))
    throw new Error(`status ${statusCode}: ${text.slice(0, 400)}`);
}
