import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The REST API on a bad day, a process of its own. Every backfill exists; how the API behaves is told by messages, each
 * answered with what was counted since the message before.
 */
export type Mode = 'healthy' | 'refuses connections' | 'resets connections' | 'answers 500' | 'hangs';

export interface UpstreamOrder {
  readonly mode: Mode;
}

export interface UpstreamState {
  /** Milliseconds since the epoch, of each call that was made. */
  readonly callsAt: readonly number[];
  readonly maxInFlight: number;
}

const ROUTE = /^\/v1\/teams\/\d+\/(?:backfills\/(\d+)|transfers\/(\d+)\/backfills\/latest)$/;
const REST_OF_RECORD = JSON.stringify({
  range_start_date: '2024-01-01',
  range_end_date: '2024-01-31',
  created_time: '2024-02-01T09:00:00Z',
  created_user_id: 789,
  start_time: '2024-02-01T10:00:00Z',
  status: 'RUNNING',
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
  void serve(request.url ?? '', response, () => inFlight--, done);
});

async function serve(
  url: string,
  response: ServerResponse,
  leave: () => void,
  closed: Promise<void>,
): Promise<void> {
  // What hangs never gets an answer, even from an API that has recovered; it is in flight until the client gives up.
  if (mode === 'hangs') {
    await closed;
    leave();
    return;
  }
  const failing = mode === 'answers 500';
  if (latencyMs > 0) await Promise.race([sleep(latencyMs), closed]);
  leave();
  if (response.destroyed) return;
  if (failing) send(response, 500, errorBody('INTERNAL_SERVER_ERROR'));
  else answer(url, response);
}

function answer(url: string, response: ServerResponse): void {
  const [, backfillId, transferId] = ROUTE.exec(url) ?? [];
  if (backfillId !== undefined) send(response, 200, recordBody(backfillId, '456789'));
  else if (transferId !== undefined) send(response, 200, recordBody(`9${transferId}`, transferId));
  // No list of a team's backfills: what is measured is what the others cost.
  else send(response, 404, errorBody('NOT_FOUND'));
}

function recordBody(backfillId: string, transferId: string): string {
  return `{"meta":{"request_id":"01892A4D"},"data":{"transfer_backfill_id":${backfillId},"transfer_id":${transferId},${REST_OF_RECORD}}`;
}

function errorBody(code: string): string {
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
  const state = { callsAt, maxInFlight };
  callsAt = [];
  maxInFlight = inFlight;
  return state;
}

process.on('message', (order: UpstreamOrder) => {
  void become(order.mode).then((state) => process.send?.(state));
});
process.on('disconnect', () => process.exit());
