import { describe, expect, test } from 'vitest';
import { type Sandbox } from '../../src/sandbox/server.ts';
import { ask, CANCEL, HOUR, SECOND, START, start, time } from '../support/sandbox.ts';

describe('the life cycle of a backfill', () => {
  async function seen(sandbox: Sandbox, id: string, at: number): Promise<Record<string, unknown>> {
    time.now = START + at;
    return (await ask(sandbox, `GET /teams/1/backfills/${id}`)).data;
  }

  const plan = {
    transferId: '10',
    id: '3',
    rangeStart: '2024-01-01',
    rangeEnd: '2024-01-10',
    scheduleDelayMs: 10 * SECOND,
    startDelayMs: 10 * SECOND,
    msPerRun: SECOND,
  };

  test('goes from CREATED over SCHEDULED and RUNNING to COMPLETED, its counts growing', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill(plan);
    const counts = async (at: number) => {
      const row = await seen(sandbox, '3', at);
      return [row['status'], row['transfer_runs_created'], row['transfer_runs_completed']];
    };

    expect(await counts(9_999)).toEqual(['CREATED', 0, 0]);
    expect(await counts(10_000)).toEqual(['SCHEDULED', 0, 0]);
    expect(await counts(15_000)).toEqual(['SCHEDULED', 5, 0]);
    expect(await counts(20_000)).toEqual(['RUNNING', 10, 0]);
    expect(await counts(24_500)).toEqual(['RUNNING', 10, 4]);
    expect(await counts(30_000)).toEqual(['COMPLETED', 10, 10]);
    expect(await seen(sandbox, '3', 30_000)).toMatchObject({
      start_time: '2026-03-01T12:00:20Z',
      end_time: '2026-03-01T12:00:30Z',
      removed_time: null,
      error_report: [],
    });
  });

  test('a failing backfill ends at its last failing run and reports each', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill({
      ...plan,
      failingRuns: [2, 4],
      outcome: 'FAILED',
      errorTexts: ['boom', 'x'.repeat(2000)],
    });

    expect(await seen(sandbox, '3', 23_000)).toMatchObject({
      status: 'RUNNING',
      transfer_runs_completed: 2,
      transfer_runs_failed: 1,
      error_report: [{ transfer_run_date: '2024-01-03', error: 'boom' }],
    });
    expect(await seen(sandbox, '3', HOUR)).toMatchObject({
      status: 'FAILED',
      end_time: '2026-03-01T12:00:25Z',
      transfer_runs_completed: 3,
      transfer_runs_failed: 2,
      error_report: [{ error: 'boom' }, { transfer_run_date: '2024-01-05', error: 'x'.repeat(1000) }],
    });
  });

  test('a cancelled backfill finishes the current run and no other', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill(plan);
    time.now = START + 24_500;
    const cancelled = await ask(sandbox, 'PATCH /teams/1/backfills/3', { body: CANCEL });

    expect(cancelled.data).toMatchObject({
      status: 'CANCELLED',
      end_time: '2026-03-01T12:00:24Z',
      removed_time: '2026-03-01T12:00:24Z',
      removed_user_id: 790,
      transfer_runs_completed: 4,
    });
    expect(await seen(sandbox, '3', 25_000)).toMatchObject({
      status: 'CANCELLED',
      transfer_runs_completed: 5,
    });
    expect(await seen(sandbox, '3', HOUR)).toMatchObject({
      transfer_runs_completed: 5,
      end_time: '2026-03-01T12:00:24Z',
    });
  });

  test('a backfill that is cancelled while SCHEDULED never starts, and creates no more runs', async () => {
    const sandbox = await start();
    sandbox.world.addBackfill(plan);
    time.now = START + 15_000;
    await ask(sandbox, 'PATCH /teams/1/backfills/3', { body: CANCEL });

    expect(await seen(sandbox, '3', HOUR)).toMatchObject({
      start_time: null,
      transfer_runs_created: 5,
      transfer_runs_completed: 0,
    });
  });

  test('a FAILED backfill can still be cancelled', async () => {
    const sandbox = await start();
    const id = sandbox.world.addBackfill({ transferId: '10', status: 'FAILED' });
    const answer = await ask(sandbox, `PATCH /teams/1/backfills/${id}`, { body: CANCEL });
    expect(answer.data).toMatchObject({ status: 'CANCELLED' });
  });

  test('optional fields without a value are null for some backfills and absent for others', async () => {
    const sandbox = await start();
    for (const id of ['3', '4', '5', '7'])
      sandbox.world.addBackfill({ transferId: '10', id, status: 'CREATED' });
    const names = ['removed_time', 'removed_user_id', 'start_time', 'end_time', 'error_report'];
    const rows = await Promise.all(['3', '4', '5', '7'].map((id) => seen(sandbox, id, 0)));

    expect(rows.map((row) => names.filter((name) => name in row))).toEqual([
      names,
      ['start_time', 'end_time', 'error_report'],
      ['error_report'],
      ['start_time', 'end_time'],
    ]);
  });

  test('fields can be forced to exact values, or out of the answer', async () => {
    const sandbox = await start();
    const id = sandbox.world.addBackfill({ transferId: '10', status: 'RUNNING' });
    sandbox.world.set(id, { status: 'PAUSED', transfer_runs_completed: 12, created_user_id: undefined });
    const row = await seen(sandbox, id, 0);

    expect(row).toMatchObject({ status: 'PAUSED', transfer_runs_completed: 12 });
    expect(row).not.toHaveProperty('created_user_id');
  });
});
