import { describe, expect, it } from 'vitest';
import type { FaultAnswer } from '../../src/sandbox/faults.ts';
import { type Stack, startStack, TEAM, TOKEN } from '../harness.ts';
import { type Answer, type Ask, createClient } from './client.ts';
import { BackfillDetailsDocument, DashboardDocument, type DashboardQuery } from './generated/graphql.ts';
import { rowState } from './row-state.ts';

function clientOf({ origin }: Stack, team = TEAM): Ask {
  return createClient(`${origin}/graphql`, () => ({ Authorization: `Bearer ${TOKEN}`, 'X-Team-Id': team }));
}

/** The states of a page's rows. */
function statesOf(answer: Answer<DashboardQuery>, rows: number) {
  return Array.from({ length: rows }, (_, n) => rowState(answer, ['transfers', n, 'latestBackfill']));
}

const status = (code: number, headers: Readonly<Record<string, string>> = {}): FaultAnswer => ({
  kind: 'status',
  status: code,
  headers,
});

describe('the state of a row', () => {
  it('tells known, failed and never run apart in one page, each by its own path', async () => {
    const stack = await startStack();
    const ids = ['5', '6', '7'].map((transferId) =>
      stack.world.addBackfill({ transferId, status: 'RUNNING' }),
    );
    stack.sandbox.faults.add({ when: { id: '6' }, answer: status(403) });
    const answer = await clientOf(stack)(DashboardDocument, { transferIds: ['5', '6', '8', '7'] });
    expect(statesOf(answer, 4)).toEqual([
      { kind: 'known', row: expect.objectContaining({ id: ids[0], status: 'RUNNING' }) },
      { kind: 'failed', code: 'FORBIDDEN', retryable: false },
      { kind: 'never run' },
      { kind: 'known', row: expect.objectContaining({ id: ids[2] }) },
    ]);
    // Typed down to the leaves.
    const first = rowState(answer, ['transfers', 0, 'latestBackfill']);
    const progress: number | undefined = first.kind === 'known' ? first.row.progress : undefined;
    expect(progress).toBe(0);
  });

  it('is loading before an answer, and for a row that the answer does not have yet', async () => {
    const stack = await startStack();
    const none = undefined as Answer<DashboardQuery> | undefined;
    expect(rowState(none, ['transfers', 0, 'latestBackfill'])).toEqual({ kind: 'loading' });
    expect(statesOf({ data: null, errors: [] }, 1)).toEqual([{ kind: 'loading' }]);
    const answer = await clientOf(stack)(DashboardDocument, { transferIds: ['5'] });
    expect(statesOf(answer, 2)).toEqual([{ kind: 'never run' }, { kind: 'loading' }]);
  });

  it('is stale, with its last row, while the REST API cannot be asked', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const ask = clientOf(stack);
    await ask(DashboardDocument, { transferIds: ['5'] });
    stack.clock.advance(3_000);
    stack.sandbox.faults.add({ times: Infinity, answer: status(503) });
    const answer = await ask(DashboardDocument, { transferIds: ['5', '6'] });
    expect(statesOf(answer, 2)).toEqual([
      { kind: 'stale', row: expect.objectContaining({ id, isStale: true }) },
      expect.objectContaining({ kind: 'failed', code: 'UPSTREAM_UNAVAILABLE', retryable: true }),
    ]);
  });

  it('says for each row when to ask again, though only the first error of a failure has it', async () => {
    const stack = await startStack();
    stack.sandbox.faults.add({ when: { id: '5' }, answer: status(403) });
    stack.sandbox.faults.add({ times: Infinity, answer: status(429, { 'retry-after': '7' }) });
    const answer = await clientOf(stack)(DashboardDocument, { transferIds: ['5', '6', '7', '8'] });
    const limited = { kind: 'failed', code: 'RATE_LIMITED', retryable: true, retryAfterSeconds: 7 };
    expect(statesOf(answer, 4)).toEqual([
      { kind: 'failed', code: 'FORBIDDEN', retryable: false },
      ...['6', '7', '8'].map(() => limited),
    ]);
  });

  it.each([
    ['the whole list failed', ['5', 'x'], 'BAD_USER_INPUT'],
    ['the request failed', [['5']] as unknown as string[], 'BAD_USER_INPUT'],
  ] as const)('is failed where %s, so that there is no row', async (_name, transferIds, code) => {
    const answer = await clientOf(await startStack())(DashboardDocument, { transferIds });
    expect(answer.data).toBeNull();
    expect(statesOf(answer, 2)).toEqual([
      { kind: 'failed', code, retryable: false },
      { kind: 'failed', code, retryable: false },
    ]);
  });

  it('of one backfill that is not there is failed, and NOT_FOUND', async () => {
    const answer = await clientOf(await startStack())(BackfillDetailsDocument, { id: '404' });
    expect(rowState(answer, ['backfill'])).toEqual({ kind: 'failed', code: 'NOT_FOUND', retryable: false });
  });

  it('is failed for each row where one row took all of them along', () => {
    const answer: Answer<DashboardQuery> = {
      data: null,
      errors: [
        { message: 'No.', path: ['transfers', 1, 'name'], extensions: { code: 'INTERNAL_SERVER_ERROR' } },
      ],
    };
    expect(statesOf(answer, 2).map(({ kind }) => kind)).toEqual(['failed', 'failed']);
  });

  it('is failed where a part of it failed that may not be null', () => {
    // The gateway's own fields of a backfill do not fail by themselves; those of other subgraphs may.
    const answer: Answer<DashboardQuery> = {
      data: {
        transfers: [
          { id: '5', teamId: TEAM, latestBackfill: null },
          { id: '6', teamId: TEAM, latestBackfill: null },
        ],
      },
      errors: [
        {
          message: 'No.',
          path: ['transfers', 0, 'latestBackfill', 'transfer', 'owner'],
          extensions: { code: 'INTERNAL_SERVER_ERROR' },
        },
      ],
    };
    expect(statesOf(answer, 2).map(({ kind }) => kind)).toEqual(['failed', 'never run']);
  });
});
