import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import {
  createLivingWorld,
  type LivingWorld,
  type Row,
  type RowState,
  type WorldPlan,
} from './living-world.ts';

/**
 * The REST API as far as the workloads need it, a process of its own. It answers from strings at once or after a given
 * time, since its work would count as the gateway's. Each message that it is sent is answered with the calls so far.
 *
 * At rest every backfill exists, runs and never changes, and lists are refused. In a living world it says what that world
 * says at the moment at which the answer leaves, lists included.
 */
export type UpstreamOrder =
  | { readonly kind: 'rest'; readonly latencyMs: number }
  | {
      readonly kind: 'live';
      readonly latencyMs: number;
      readonly world: WorldPlan;
      /** Calls an hour for each credential; a call beyond them gets 429. */
      readonly hourlyQuota: number | undefined;
    }
  | { readonly kind: 'count' };

/** Calls since the process began, with those that were refused. */
export interface UpstreamCalls {
  readonly total: number;
  readonly lists: number;
  readonly refused: number;
}

const ROUTE =
  /^\/v1\/teams\/\d+\/(?:backfills\/(?<backfill>\d+)|transfers\/(?<transfer>\d+)\/backfills\/latest|(?<list>backfills))$/;
const LIST_LIMIT = 100;
const META = '{"meta":{"request_id":"01892A4D-7586-7000-8000-000000000000"},"data":';

const REST_OF_RECORD = JSON.stringify({
  range_start_date: '2024-01-01',
  range_end_date: '2024-01-31',
  created_time: '2024-02-01T09:00:00Z',
  created_user_id: 789,
  start_time: '2024-02-01T10:00:00Z',
  removed_time: null,
  removed_user_id: null,
  transfer_runs_created: 31,
  transfer_runs_failed: 0,
  error_report: [],
}).slice(1);

/** More than can be used up, or the gateway would save calls instead of making them. */
const PLENTY = 999_999_999;
const HOUR_MS = 3_600_000;

let latencyMs = 0;
let world: LivingWorld | undefined;
let hourlyQuota: number | undefined;
let hourEndsAt = 0;
const used = new Map<string, number>();
const calls = { total: 0, lists: 0, refused: 0 };

const server = createServer((request, response) => {
  calls.total++;
  const { backfill, transfer, list } = ROUTE.exec(request.url ?? '')?.groups ?? {};
  if (list !== undefined) calls.lists++;
  const remaining = pay(request);
  const answer = (): void => {
    const [status, body] =
      remaining === undefined
        ? ([401, errorBody('API_KEY_INVALID')] as const)
        : remaining < 0
          ? ([429, errorBody('TOO_MANY_REQUESTS')] as const)
          : world === undefined
            ? atRest(backfill, transfer)
            : alive(world, backfill, transfer, list);
    send(response, status, body, remaining ?? 0);
  };
  if (latencyMs === 0) answer();
  else setTimeout(answer, latencyMs);
});

/** @returns what is left of the credential's hour, below 0 for a call that is refused; undefined without a credential */
function pay({ headers: { authorization } }: IncomingMessage): number | undefined {
  if (authorization?.startsWith('Bearer ') !== true) return undefined;
  if (hourlyQuota === undefined) return PLENTY;
  const count = (used.get(authorization) ?? 0) + 1;
  used.set(authorization, count);
  if (count > hourlyQuota) calls.refused++;
  return hourlyQuota - count;
}

type Answer = readonly [status: number, body: string];

function atRest(backfill: string | undefined, transfer: string | undefined): Answer {
  if (backfill !== undefined) return [200, `${META}${restingRecord(backfill, '456789')}}`];
  if (transfer !== undefined)
    return [200, `${META}${restingRecord(String(Number(transfer) + 7), transfer)}}`];
  // A list cannot hold all that runs here.
  return [404, errorBody('NOT_FOUND')];
}

function restingRecord(backfillId: string, transferId: string): string {
  return (
    `{"transfer_backfill_id":${backfillId},"transfer_id":${transferId},"status":"RUNNING","end_time":null,` +
    `"transfer_runs_total":31,"transfer_runs_completed":15,${REST_OF_RECORD}`
  );
}

function alive(living: LivingWorld, backfill?: string, transfer?: string, list?: string): Answer {
  const now = Date.now();
  if (list !== undefined) {
    const records = living.incomplete(now).slice(0, LIST_LIMIT);
    return [200, `${META}[${records.map(({ row, state }) => livingRecord(row, state)).join(',')}]}`];
  }
  const found =
    backfill !== undefined
      ? living.backfill(Number(backfill), now)
      : transfer !== undefined
        ? latestOf(living, Number(transfer), now)
        : undefined;
  return found === undefined
    ? [404, errorBody('NOT_FOUND')]
    : [200, `${META}${livingRecord(found.row, found.state)}}`];
}

function latestOf(living: LivingWorld, transferId: number, now: number) {
  const state = living.latest(transferId, now);
  return state && living.backfill(state.backfillId, now);
}

function livingRecord({ transferId }: Row, { at, backfillId, status, version }: RowState): string {
  const endTime = status === 'COMPLETED' ? `"${new Date(at).toISOString()}"` : 'null';
  return (
    `{"transfer_backfill_id":${backfillId},"transfer_id":${transferId},"status":"${status}","end_time":${endTime},` +
    `"transfer_runs_total":1000000,"transfer_runs_completed":${version},${REST_OF_RECORD}`
  );
}

function errorBody(code: string): string {
  return JSON.stringify({ meta: { request_id: 'bench' }, error: { code, message: code, description: '' } });
}

function send(response: ServerResponse, status: number, body: string, remaining: number): void {
  const headers: OutgoingHttpHeaders = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-ratelimit-limit': hourlyQuota ?? PLENTY,
    'x-ratelimit-remaining': Math.max(0, remaining),
  };
  if (status === 429) headers['retry-after'] = String(Math.ceil((hourEndsAt - Date.now()) / 1000));
  response.writeHead(status, headers);
  response.end(body);
}

function follow(order: UpstreamOrder): UpstreamCalls {
  if (order.kind !== 'count') {
    ({ latencyMs } = order);
    world = order.kind === 'live' ? createLivingWorld(order.world) : undefined;
    hourlyQuota = order.kind === 'live' ? order.hourlyQuota : undefined;
    hourEndsAt = Date.now() + HOUR_MS;
    used.clear();
  }
  return { ...calls };
}

// Connections outlive the pauses between slices; a gateway that finds its idle ones closed would be measured at opening.
server.keepAliveTimeout = 120_000;
server.listen(Number(process.env['PORT']), '127.0.0.1', 4096, () => {
  process.on('message', (order: UpstreamOrder) => process.send?.(follow(order)));
});
process.on('disconnect', () => process.exit());
