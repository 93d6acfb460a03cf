import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import type { FaultAnswer } from '../../src/sandbox/faults.ts';
import { codesOf, type Result, startStack, TOKEN } from '../harness.ts';
import { serve } from './serve.ts';

export const INVALID = 'UPSTREAM_INVALID_RESPONSE';
export const UNAVAILABLE = 'UPSTREAM_UNAVAILABLE';
export const TIMEOUT = 'UPSTREAM_TIMEOUT';

export const ID = '1002';
const FIELDS =
  'id status createdUserId removedUserId createdTime startTime removedTime rangeStartDate transferRunsTotal errorReport { error } transfer { id }';
export const READ = `{ backfill(id: "${ID}") { ${FIELDS} } }`;

export interface Row {
  readonly name: string;
  /** What the client gets: an error code, or the backfill with these fields changed. */
  readonly outcome: string | Readonly<Record<string, unknown>>;
  /** Set only where no HTTP response ever comes, to keep the test short. */
  readonly timeoutMs?: number;
}
export interface FaultRow extends Row {
  readonly answer: FaultAnswer;
}

export const RECORD =
  `{"transfer_backfill_id":${ID},"transfer_id":5,"range_start_date":"2026-01-01","range_end_date":"2026-01-31",` +
  `"created_time":"2026-02-01T09:00:00Z","created_user_id":7,"status":"RUNNING","transfer_runs_total":31,` +
  `"transfer_runs_created":31,"transfer_runs_completed":15,"transfer_runs_failed":1,` +
  `"error_report":[{"transfer_run_date":"2026-01-03","error":"No rows"}]}`;
export const DATA = `{"data":${RECORD}}`;

/** The result has the row's outcome and nothing else: no text or address of the upstream, and nothing polluted. */
export function expectOutcome(result: Result, outcome: Row['outcome'], usual: unknown, origin: string): void {
  expect(result.status).toBe(200);
  if (typeof outcome === 'string') {
    expect(codesOf(result)).toEqual([outcome]);
    expect(result.data).toEqual({ backfill: null });
  } else {
    expect(result.errors).toBeUndefined();
    expect(result.data).toEqual({ backfill: { ...(usual as object), ...outcome } });
  }
  for (const secret of [TOKEN, new URL(origin).host, '10.1.2.3', 'polluted'])
    expect(result.body).not.toContain(secret);
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
}

/** Far below every deadline, so that no deadline can have passed; above what a busy machine takes. */
const NORMAL_MS = 2_000;

/** For how long a refusal is remembered, and longer than `no-cache` may be answered from the cache. */
export const REMEMBERED_MS = 2_000;

/** Reads the backfill past the cache. It must come in full and in normal time. */
export async function readAgain(query: (text: string, options: object) => Promise<Result>): Promise<unknown> {
  const startedAt = performance.now();
  const { data, errors } = await query(READ, { headers: { 'cache-control': 'no-cache' } });
  expect(performance.now() - startedAt).toBeLessThan(NORMAL_MS);
  expect(errors).toBeUndefined();
  expect(data).toMatchObject({ backfill: { id: ID, status: 'RUNNING', transfer: { id: '5' } } });
  return (data as { readonly backfill: unknown }).backfill;
}

export const env = ({ timeoutMs }: Row): Record<string, string> =>
  timeoutMs === undefined ? {} : { UPSTREAM_TIMEOUT_MS: String(timeoutMs) };

/** One test for each row: the read has the row's outcome, and the read after the fault is a normal one. */
export function testEach(rows: readonly FaultRow[]): void {
  it.each(rows)('$name', async (row) => {
    const { world, sandbox, clock, query } = await startStack(env(row));
    world.addBackfill({ id: ID, transferId: '5', status: 'RUNNING' });
    // The fault outlasts the retries.
    const restore = sandbox.faults.add({ times: Infinity, answer: row.answer });
    const result = await query(READ);
    restore();
    clock.advance(REMEMBERED_MS);
    expectOutcome(result, row.outcome, await readAgain(query), sandbox.url);
    expect(sandbox.calls.all.every(({ headers }) => headers['accept-encoding'] === 'gzip')).toBe(true);
  });
}

/** An upstream with one backfill. It answers as given until `restore`. */
export async function startOddUpstream(
  odd: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly origin: string; restore(): void }> {
  let answer = odd;
  const origin = await serve((request, response) => {
    request.socket.on('error', () => undefined);
    answer(request, response);
  });
  return {
    origin,
    restore() {
      answer = (_request, response) => void response.end(DATA);
    },
  };
}
