import { createServer, type ServerResponse } from 'node:http';

/**
 * The REST API as far as the workloads need it: every backfill exists, runs, and was asked for with a token. It
 * answers from strings at once, since its time would count as the gateway's. `GET /calls` tells how often it was asked.
 */
const ROUTE = /^\/v1\/teams\/\d+\/(?:backfills\/(\d+)|transfers\/(\d+)\/backfills\/latest)$/;

const REST_OF_RECORD = JSON.stringify({
  range_start_date: '2024-01-01',
  range_end_date: '2024-01-31',
  created_time: '2024-02-01T09:00:00Z',
  created_user_id: 789,
  start_time: '2024-02-01T10:00:00Z',
  end_time: null,
  removed_time: null,
  removed_user_id: null,
  status: 'RUNNING',
  transfer_runs_total: 31,
  transfer_runs_created: 31,
  transfer_runs_completed: 15,
  transfer_runs_failed: 0,
  error_report: [],
}).slice(1);

/** More than can be used up, or the gateway would save calls instead of making them. */
const QUOTA = { 'x-ratelimit-limit': '999999999', 'x-ratelimit-remaining': '999999999' };

let calls = 0;

const server = createServer((request, response) => {
  const { url = '', headers } = request;
  if (url === '/calls') {
    send(response, 200, String(calls));
    return;
  }
  calls++;
  const [, backfillId, transferId] = ROUTE.exec(url) ?? [];
  if (headers.authorization?.startsWith('Bearer ') !== true)
    send(response, 401, errorBody('API_KEY_INVALID', 'no token'));
  else if (backfillId !== undefined) send(response, 200, recordBody(backfillId, '456789'));
  else if (transferId !== undefined)
    send(response, 200, recordBody(String(Number(transferId) + 7), transferId));
  else send(response, 404, errorBody('NOT_FOUND', 'no such resource'));
});

function recordBody(backfillId: string, transferId: string): string {
  return (
    `{"meta":{"request_id":"01892A4D-7586-7000-8000-000000000000"},"data":{` +
    `"transfer_backfill_id":${backfillId},"transfer_id":${transferId},${REST_OF_RECORD}}`
  );
}

function errorBody(code: string, message: string): string {
  return JSON.stringify({ meta: { request_id: 'bench' }, error: { code, message, description: '' } });
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...QUOTA,
  });
  response.end(body);
}

// Connections outlive the pauses between slices; a gateway that finds its idle ones closed would be measured at opening.
server.keepAliveTimeout = 120_000;
server.listen(Number(process.env['PORT']), '127.0.0.1', 1024);
