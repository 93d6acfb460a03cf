import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HANGS, nameOfCaller, refusalOf, SLOW, SLOW_MS, wordOf } from './treatments.ts';

/**
 * The REST API on a bad day, a process of its own. Every backfill exists; how the API behaves is told by messages, each
 * answered with what was counted since the message before.
 */
export type Mode =
  | 'healthy'
  /** Healthy for the callers that it treats badly otherwise, too. */
  | 'good to all'
  | 'refuses connections'
  | 'resets connections'
  | 'answers 500'
  | 'hangs';

export interface UpstreamOrder {
  readonly mode: Mode;
}

export interface UpstreamState {
  /** Milliseconds since the epoch, of each call that was made. */
  readonly callsAt: readonly number[];
  /**
   * How many, by the name that `treatments.ts` gives to the caller, followed by `completed` for a completed backfill.
   */
  readonly callsBy: Readonly<Record<string, number>>;
  readonly maxInFlight: number;
}

/**
 * Backfills with a long error report: the ids that begin with its size in KB. Each begins with 9 as
 * the latest of a transfer, whose id of fifteen digits makes one of sixteen: beyond those that every JSON reader keeps.
 */
const REPORT_ID = /^9?(110|340)\d{11,12}$/;
const REPORTS: Readonly<Record<string, string>> = { '110': reportOf(110), '340': reportOf(340) };

/** Ids of completed backfills. */
const COMPLETED_ID = /^900\d{11}$/;

function reportOf(kilobytes: number): string {
  const run = { transfer_run_date: '2024-01-01', error: 'The source refused. '.repeat(48) };
  return JSON.stringify(Array.from({ length: kilobytes }, () => run));
}

const ROUTE = /^\/v1\/teams\/(\d+)\/(?:backfills\/(\d+)|transfers\/(\d+)\/backfills\/latest)$/;
const REST_OF_RECORD = JSON.stringify({
  range_start_date: '2024-01-01',
  range_end_date: '2024-01-31',
  created_time: '2024-02-01T09:00:00Z',
  created_user_id: 789,
  start_time: '2024-02-01T10:00:00Z',
  transfer_runs_total: 31,
  transfer_runs_created: 31,
  transfer_runs_completed: 15,
  transfer_runs_failed: 0,
}).slice(1);

/** More than can be used up, or the gateway would save calls instead of making them. */
const QUOTA = { 'x-ratelimit-limit': '999999999', 'x-ratelimit-remaining': '999999999' };

const port = Number(process.env['PORT']);
const latencyMs = Number(process.env['LATENCY_MS']);
let mode: Mode = 'healthy';
let callsAt: number[] = [];
let callsBy: Record<string, number> = {};
let inFlight = 0;
let maxInFlight = 0;
const sockets = new Set<Socket>();

const server = createServer((request, response) => {
  callsAt.push(Date.now());
  inFlight++;
  maxInFlight = Math.max(maxInFlight, inFlight);
  // Before the answer can be there: the call that follows it must not look as if it came on top of it.
  const done = once(response, 'close').then(
    () => undefined,
    () => undefined,
  );
  const call = readCall(request);
  const name = nameOfCaller(call.word, call.teamId);
  const what = COMPLETED_ID.test(call.backfillId ?? '') ? `${name} completed` : name;
  callsBy[what] = (callsBy[what] ?? 0) + 1;
  void serve(call, response, () => inFlight--, done);
});

interface Call {
  /** The first word of the token. */
  readonly word: string;
  readonly teamId: string | undefined;
  /** One of the two, or neither for a list. */
  readonly backfillId: string | undefined;
  readonly transferId: string | undefined;
}

function readCall({ url = '', headers }: IncomingMessage): Call {
  const [, teamId, backfillId, transferId] = ROUTE.exec(url) ?? [];
  return {
    word: wordOf(headers.authorization?.replace('Bearer ', '') ?? ''),
    teamId,
    backfillId,
    transferId,
  };
}

async function serve(
  call: Call,
  response: ServerResponse,
  leave: () => void,
  closed: Promise<void>,
): Promise<void> {
  const treatsBadly = mode !== 'good to all';
  // What hangs never gets an answer, even from an API that has recovered; it is in flight until the client gives up.
  if (mode === 'hangs' || (treatsBadly && call.word === HANGS)) {
    await closed;
    leave();
    return;
  }
  const failing = mode === 'answers 500';
  const [status, code] = (treatsBadly ? refusalOf(call.word, call.teamId) : undefined) ?? [];
  const ms = treatsBadly && call.word === SLOW ? SLOW_MS : latencyMs;
  if (ms > 0) await Promise.race([sleep(ms), closed]);
  leave();
  if (response.destroyed) return;
  if (failing) send(response, 500, errorBody('INTERNAL_SERVER_ERROR'));
  else if (status !== undefined) send(response, status, errorBody(code));
  else answer(call, response);
}

function answer({ backfillId, transferId }: Call, response: ServerResponse): void {
  if (backfillId !== undefined) send(response, 200, recordBody(backfillId, '456789'));
  else if (transferId !== undefined) send(response, 200, recordBody(`9${transferId}`, transferId));
  // No list of a team's backfills: what is measured is what the others cost.
  else send(response, 404, errorBody('NOT_FOUND'));
}

function recordBody(backfillId: string, transferId: string): string {
  const report = REPORTS[REPORT_ID.exec(backfillId)?.[1] ?? ''] ?? '[]';
  const status = COMPLETED_ID.test(backfillId) ? 'COMPLETED' : 'RUNNING';
  return `{"meta":{"request_id":"01892A4D"},"data":{"transfer_backfill_id":${backfillId},"transfer_id":${transferId},"status":"${status}","error_report":${report},${REST_OF_RECORD}}`;
}

function errorBody(code = ''): string {
  return `{"meta":{"request_id":"01892A4D"},"error":{"code":"${code}","message":"No"}}`;
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...QUOTA,
  });
  response.end(body);
}

server.on('connection', (socket: Socket) => {
  if (mode === 'resets connections') {
    callsAt.push(Date.now());
    socket.resetAndDestroy();
    return;
  }
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
});
server.keepAliveTimeout = 120_000;

async function become(next: Mode): Promise<UpstreamState> {
  if (next === 'refuses connections') {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  }
  mode = next;
  if (next === 'resets connections') for (const socket of sockets) socket.resetAndDestroy();
  if (next !== 'refuses connections' && !server.listening) {
    server.listen(port, '127.0.0.1', 1024);
    await once(server, 'listening');
  }
  const state = { callsAt, callsBy, maxInFlight };
  callsAt = [];
  callsBy = {};
  maxInFlight = inFlight;
  return state;
}

process.on('message', (order: UpstreamOrder) => {
  void become(order.mode).then((state) => process.send?.(state));
});
process.on('disconnect', () => process.exit());
