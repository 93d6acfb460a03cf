import { describe, expect, it } from 'vitest';
import { envelope } from '../../../src/sandbox/faults.ts';
import { codesOf, startStack } from '../../harness.ts';

const CREATE =
  'mutation { createBackfill(input: { transferId: "5", rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-31" }) { id } }';

const INVALID = 'UPSTREAM_INVALID_RESPONSE';
const UNKNOWN = 'OUTCOME_UNKNOWN';

/** The code after contract, of a create or of a cancel. */
function codeFor(status: number, isEnveloped: boolean, isCancel: boolean): string {
  if (status < 300 || status >= 500) return UNKNOWN;
  switch (status) {
    case 400:
      return 'BAD_USER_INPUT';
    case 401:
      return 'UNAUTHENTICATED';
    case 403:
      return 'FORBIDDEN';
    case 404:
      return isEnveloped ? 'NOT_FOUND' : INVALID;
    case 409:
      return 'CONFLICT';
    case 422:
      return isCancel ? 'CONFLICT' : 'BAD_USER_INPUT';
    case 429:
      return 'RATE_LIMITED';
    default:
      return INVALID;
  }
}

const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);
const STATUSES = Array.from({ length: 400 }, (_, n) => 200 + n);

describe.each(['createBackfill', 'updateBackfillStatus'] as const)('any status of %s', (operation) => {
  it.each([true, false])(
    'has its code, and is not sent again (enveloped: %s)',
    async (isEnveloped) => {
      const stack = await startStack();
      const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
      const isCancel = operation === 'updateBackfillStatus';
      const mutation = isCancel ? `mutation { cancelBackfill(id: "${id}") { id } }` : CREATE;
      for (const status of STATUSES) {
        const text = isEnveloped ? envelope('ODD_CODE', 'Odd.', 'Odd words.') : 'odd words';
        const body = WITHOUT_BODY.has(status) ? '' : text;
        stack.sandbox.faults.add({ when: { operation }, answer: { kind: 'status', status, body } });
        // Refusals are remembered for a credential.
        const token = `token-${status}`;
        stack.world.addToken(token, { teams: 'all', permissions: 'edit' });
        const sent = stack.sandbox.calls.count(operation);
        const result = await stack.query(mutation, { token });
        const code = codeFor(status, isEnveloped, isCancel);
        expect(codesOf(result), String(status)).toEqual([code]);
        expect(stack.sandbox.calls.count(operation) - sent, String(status)).toBe(1);
        const { retryable, upstream } = result.errors?.[0]?.extensions ?? {};
        expect(retryable, String(status)).toBe(code === 'RATE_LIMITED');
        expect(upstream?.status, String(status)).toBe(status);
        if (status >= 500) expect(result.body).not.toContain('Odd words');
        // A good answer between, so that no circuit opens.
        const other = { token: `other-${status}` };
        stack.world.addToken(other.token, { teams: 'all', permissions: 'edit' });
        await stack.query('{ backfill(id: "404") { id } }', other);
      }
    },
    60_000,
  );
});

describe('a success that makes no sense', () => {
  it.each([
    ['no JSON', 'created!'],
    ['no data', '{"meta":{"request_id":"abcdefgh"}}'],
    ['no backfill', '{"data":{"id":1}}'],
    ['a backfill of another transfer', (json: string) => json.replace('"transfer_id":5', '"transfer_id":6')],
    [
      'an error of no known kind',
      { meta: { request_id: 'abcdefgh' }, error: { code: 'ODD', message: 'Odd.' } },
    ],
    ['an error of the server', envelope('INTERNAL_SERVER_ERROR', 'Sorry.')],
  ])('is unknown: %s', async (_what, body) => {
    const stack = await startStack();
    stack.world.addTransfer('1', '5');
    stack.sandbox.faults.add({
      answer:
        typeof body === 'function' ? { kind: 'edit', edit: body } : { kind: 'status', status: 200, body },
    });
    expect(codesOf(await stack.query(CREATE))).toEqual([UNKNOWN]);
    expect(stack.sandbox.calls.count()).toBe(1);
  });

  it('is none where it has another 2xx than documented and the backfill', async () => {
    const stack = await startStack();
    stack.world.addTransfer('1', '5');
    const record =
      '{"data":{"transfer_backfill_id":9,"transfer_id":5,"range_start_date":"2026-01-01","range_end_date":"2026-01-31","created_time":"2026-02-01T09:00:00Z","created_user_id":7,"status":"CREATED","transfer_runs_total":0,"transfer_runs_created":0,"transfer_runs_completed":0,"transfer_runs_failed":0}}';
    stack.sandbox.faults.add({ answer: { kind: 'status', status: 201, body: record } });
    expect((await stack.query(CREATE)).data).toEqual({ createBackfill: { id: '9' } });
  });

  it('is a refusal where it carries an error of a known kind', async () => {
    const stack = await startStack();
    stack.sandbox.faults.add({
      answer: { kind: 'status', status: 200, body: envelope('ACCESS_DENIED', 'No.') },
    });
    expect(codesOf(await stack.query(CREATE))).toEqual(['FORBIDDEN']);
  });

  it('tells a create of unknown outcome nothing to wait for', async () => {
    const stack = await startStack();
    const headers = { 'retry-after': '5' };
    stack.sandbox.faults.add({ answer: { kind: 'status', status: 503, headers } });
    const { extensions } = (await stack.query(CREATE)).errors?.[0] ?? {};
    expect(extensions).not.toHaveProperty('retryAfterSeconds');
  });
});
