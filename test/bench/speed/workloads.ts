import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

/** One kind of traffic. Hot: the same ids in every request, so the cache answers. Cold: no id is ever asked twice. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly cold: boolean;
  /** How many upstream resources one request needs. */
  readonly idsPerRequest: number;
  /** How many take turns; each has a cache of its own. */
  readonly credentials: number;
  readonly upstreamMs: number;
}

const DASHBOARD = 50;
const CREDENTIALS = 200;

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'W1',
    title: 'one backfill, the same id in every request',
    cold: false,
    idsPerRequest: 1,
    credentials: 1,
    upstreamMs: 0,
  },
  {
    name: 'W2',
    title: 'one backfill, another id in every request',
    cold: true,
    idsPerRequest: 1,
    credentials: 1,
    upstreamMs: 0,
  },
  {
    name: 'W3',
    title: `latest backfills of ${DASHBOARD} transfers, the same ids in every request`,
    cold: false,
    idsPerRequest: DASHBOARD,
    credentials: 1,
    upstreamMs: 0,
  },
  {
    name: 'W4',
    title: `latest backfills of ${DASHBOARD} transfers, other ids in every request, upstream 20 ms`,
    cold: true,
    idsPerRequest: DASHBOARD,
    credentials: 1,
    upstreamMs: 20,
  },
  {
    name: 'W1u',
    title: `one backfill, the same id in every request, ${CREDENTIALS} credentials in turn`,
    cold: false,
    idsPerRequest: 1,
    credentials: CREDENTIALS,
    upstreamMs: 0,
  },
  {
    name: 'W3u',
    title: `latest backfills of ${DASHBOARD} transfers, the same ids in every request, ${CREDENTIALS} credentials in turn`,
    cold: false,
    idsPerRequest: DASHBOARD,
    credentials: CREDENTIALS,
    upstreamMs: 0,
  },
];

/** The workloads of this name, in the order of `WORKLOADS`. */
export function workloadsNamed(...names: readonly string[]): readonly Workload[] {
  return WORKLOADS.filter(({ name }) => names.includes(name));
}

/** @param era credentials of another one are others, which no cache knows */
export function headersOf(credential: number, era = 0): Readonly<Record<string, string>> {
  return {
    authorization: `Bearer bench-token-${String(era).padStart(5, '0')}-${String(credential).padStart(5, '0')}`,
    'x-team-id': '1',
    'content-type': 'application/json',
    accept: 'application/json',
  };
}

const FIELDS =
  'id status rangeStartDate rangeEndDate createdTime startTime endTime ' +
  'transferRunsTotal transferRunsCreated transferRunsCompleted transferRunsFailed';
const BACKFILL = `query Backfill($id: ID!) { backfill(id: $id) { ${FIELDS} } }`;
const TRANSFERS = `query Dashboard($ids: [ID!]!) { transfers(ids: $ids) { id latestBackfill { ${FIELDS} } } }`;

const FIRST_HOT_ID = 100_000_000_001;
// Each process draws its own start, so no two of them, nor two runs against a server that stays up, share a cold id.
// All ids have twelve digits: answers of one workload are of one size.
let nextColdId = randomInt(200_000_000_000, 900_000_000_000);

/** The ids for the next request. */
export function nextIds({ cold, idsPerRequest }: Workload): readonly string[] {
  const first = cold ? nextColdId : FIRST_HOT_ID;
  if (cold) nextColdId += idsPerRequest;
  return Array.from({ length: idsPerRequest }, (_, index) => String(first + index));
}

export function bodyFor({ idsPerRequest }: Workload, ids: readonly string[]): string {
  return idsPerRequest === 1
    ? JSON.stringify({ query: BACKFILL, variables: { id: ids[0] } })
    : dashboardBody(ids);
}

/** A dashboard of these transfers. */
export function dashboardBody(ids: readonly string[]): string {
  return JSON.stringify({ query: TRANSFERS, variables: { ids } });
}

/**
 * Whether this is what the workload has to be answered. A server that writes the fields as they were asked for, as the
 * specification has it, answers with the very bytes of `expectedText`, which is compared first because that costs least.
 */
export function isRight(body: Buffer, expected: Buffer): boolean {
  if (body.equals(expected)) return true;
  try {
    return isDeepStrictEqual(JSON.parse(body.toString()), JSON.parse(expected.toString()));
  } catch {
    return false;
  }
}

/** After the records of upstream.ts, written a second time on purpose: what the gateway renames must come out so. */
export function expectedText({ idsPerRequest }: Workload, ids: readonly string[]): string {
  const [id = ''] = ids;
  return idsPerRequest === 1
    ? JSON.stringify({ data: { backfill: expectedBackfill(id) } })
    : expectedDashboard(ids);
}

/** The answer to `dashboardBody` while the upstream is at rest. */
export function expectedDashboard(ids: readonly string[]): string {
  const transfers = ids.map((id) => ({ id, latestBackfill: expectedBackfill(String(Number(id) + 7)) }));
  return JSON.stringify({ data: { transfers } });
}

function expectedBackfill(id: string): unknown {
  return {
    id,
    status: 'RUNNING',
    rangeStartDate: '2024-01-01',
    rangeEndDate: '2024-01-31',
    createdTime: '2024-02-01T09:00:00Z',
    startTime: '2024-02-01T10:00:00Z',
    endTime: null,
    transferRunsTotal: 31,
    transferRunsCreated: 31,
    transferRunsCompleted: 15,
    transferRunsFailed: 0,
  };
}

/**
 * Sends one request and compares every value of its answer.
 * @throws {Error} where there is none, or another one
 */
export async function checkOneAnswer(url: string, workload: Workload): Promise<void> {
  const ids = nextIds(workload);
  const response = await fetch(url, {
    method: 'POST',
    headers: headersOf(0),
    body: bodyFor(workload, ids),
    signal: AbortSignal.timeout(15_000),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`status ${response.status}: ${text.slice(0, 400)}`);
  const expected = expectedText(workload, ids);
  if (!isRight(Buffer.from(text), Buffer.from(expected)))
    throw new Error(`expected ${expected.slice(0, 400)}\n     got ${text.slice(0, 400)}`);
}
