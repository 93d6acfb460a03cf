import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

/** One kind of traffic. Hot: the same ids in every request, so the cache answers. Cold: no id is ever asked twice. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly cold: boolean;
  /** How many upstream resources one request needs. */
  readonly idsPerRequest: number;
}

const DASHBOARD = 50;

export const WORKLOADS: readonly Workload[] = [
  { name: 'W1', title: 'one backfill, the same id in every request', cold: false, idsPerRequest: 1 },
  { name: 'W2', title: 'one backfill, another id in every request', cold: true, idsPerRequest: 1 },
  {
    name: 'W3',
    title: `latest backfills of ${DASHBOARD} transfers, the same ids in every request`,
    cold: false,
    idsPerRequest: DASHBOARD,
  },
  {
    name: 'W4',
    title: `latest backfills of ${DASHBOARD} transfers, other ids in every request`,
    cold: true,
    idsPerRequest: DASHBOARD,
  },
];

export const HEADERS = {
  authorization: 'Bearer bench-token-0123456789',
  'x-team-id': '1',
  'content-type': 'application/json',
  accept: 'application/json',
};

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
  return JSON.stringify(
    idsPerRequest === 1
      ? { query: BACKFILL, variables: { id: ids[0] } }
      : { query: TRANSFERS, variables: { ids } },
  );
}

/** Sends one request and compares every value of its answer. @returns the answer's text */
export async function checkOneAnswer(url: string, workload: Workload): Promise<string> {
  const ids = nextIds(workload);
  const response = await fetch(url, { method: 'POST', headers: HEADERS, body: bodyFor(workload, ids) });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`status ${response.status}: ${text.slice(0, 400)}`);
  const answer: unknown = JSON.parse(text);
  const expected = expectedAnswer(workload, ids);
  if (!isDeepStrictEqual(answer, expected)) {
    throw new Error(
      `expected ${JSON.stringify(expected).slice(0, 400)}\n     got ${JSON.stringify(answer).slice(0, 400)}`,
    );
  }
  return text;
}

/** After the records of upstream.ts, written a second time on purpose: what the gateway renames must come out so. */
function expectedAnswer({ idsPerRequest }: Workload, ids: readonly string[]): unknown {
  const [id = ''] = ids;
  return idsPerRequest === 1
    ? { data: { backfill: expectedBackfill(id) } }
    : {
        data: {
          transfers: ids.map((transferId) => ({
            id: transferId,
            latestBackfill: expectedBackfill(String(Number(transferId) + 7)),
          })),
        },
      };
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
