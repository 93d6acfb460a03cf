import { describe, expect, onTestFinished, test } from 'vitest';
import { startSandbox } from '../../src/sandbox/server.ts';
import {
  createDemoWorld,
  DEMO_BACKFILL_IDS,
  DEMO_TEAM_ID,
  DEMO_TRANSFER_IDS,
} from '../../src/sandbox/world/demo-world.ts';
import { DEMO_TOKENS } from '../../src/sandbox/world/tokens.ts';
import type { World } from '../../src/sandbox/world/world.ts';
import { ask, HOUR, MINUTE, SECOND, START, time } from '../support/sandbox.ts';

describe('the demo world', () => {
  const latestOf = (world: World, ids: readonly string[]) =>
    ids.map((id) => world.latest(DEMO_TEAM_ID, id)?.status);

  test('has fifty transfers for a dashboard and one of every kind', () => {
    const world = createDemoWorld({ now: () => time.now });
    const { dashboard, failed, cancelled, scheduled, neverRun, partlyFailed } = DEMO_TRANSFER_IDS;

    expect(new Set(dashboard).size).toBe(50);
    expect(latestOf(world, dashboard).filter((status) => status === undefined)).toHaveLength(1);
    expect(latestOf(world, [failed, cancelled, scheduled, partlyFailed, neverRun])).toEqual([
      'FAILED',
      'CANCELLED',
      'SCHEDULED',
      'COMPLETED',
      undefined,
    ]);
    expect(world.latest(DEMO_TEAM_ID, DEMO_TRANSFER_IDS.huge)).toMatchObject({
      transfer_backfill_id: DEMO_BACKFILL_IDS.huge,
      status: 'RUNNING',
    });
    expect(world.getBackfill(DEMO_TEAM_ID, DEMO_BACKFILL_IDS.failed)?.error_report).toHaveLength(3);
  });

  test.each([0, 5 * HOUR, 1000 * HOUR])(
    'shows backfills CREATED, SCHEDULED, RUNNING and ended at every moment, %d ms on',
    (elapsed) => {
      const world = createDemoWorld({ now: () => time.now });
      for (let second = 0; second < 600; second += 1) {
        time.now = START + elapsed + second * SECOND;
        const statuses = latestOf(world, DEMO_TRANSFER_IDS.lively).map((status) =>
          status === 'COMPLETED' || status === 'FAILED' ? 'ended' : status,
        );
        for (const status of ['CREATED', 'SCHEDULED', 'RUNNING', 'ended']) {
          expect(statuses, `second ${second}`).toContain(status);
        }
      }
    },
  );

  test('completes a run of a lively transfer at least every two seconds', () => {
    const world = createDemoWorld({ now: () => time.now });
    for (let second = 0; second < 300; second += 2) {
      const completed = () =>
        DEMO_TRANSFER_IDS.lively.map((id) => world.latest(DEMO_TEAM_ID, id)?.transfer_runs_completed).join();
      time.now = START + second * SECOND;
      const before = completed();
      time.now += 2 * SECOND;
      expect(completed()).not.toBe(before);
    }
  });

  test('stores none of the thousands of passing backfills, and still answers each', () => {
    const world = createDemoWorld({ now: () => time.now });
    const [lively = ''] = DEMO_TRANSFER_IDS.lively;
    const stored = world.stored;
    const early = world.latest(DEMO_TEAM_ID, lively)?.transfer_backfill_id ?? '';
    time.now = START + 30 * 24 * HOUR;
    const late = world.latest(DEMO_TEAM_ID, lively)?.transfer_backfill_id ?? '';

    expect(BigInt(late) - BigInt(early)).toBe(BigInt((30 * 24 * HOUR) / (2 * MINUTE)));
    expect(world.getBackfill(DEMO_TEAM_ID, early)).toMatchObject({ status: 'COMPLETED' });
    expect(world.getBackfill(DEMO_TEAM_ID, String(BigInt(late) + 1n))).toBeUndefined();
    expect(world.incomplete(DEMO_TEAM_ID).length).toBeLessThan(30);
    expect(world.stored).toBe(stored);
  });

  test('lets a backfill of a lively transfer be cancelled, and the next one follows as planned', () => {
    const world = createDemoWorld({ now: () => time.now });
    const [lively = ''] = DEMO_TRANSFER_IDS.lively;
    const id = world.latest(DEMO_TEAM_ID, lively)?.transfer_backfill_id ?? '';

    expect(world.cancelBackfill(DEMO_TEAM_ID, id)).toMatchObject({ backfill: { status: 'CANCELLED' } });
    time.now += 2 * MINUTE;
    expect(world.getBackfill(DEMO_TEAM_ID, id)).toMatchObject({ status: 'CANCELLED' });
    expect(world.latest(DEMO_TEAM_ID, lively)).toMatchObject({ status: 'CREATED' });
  });

  test('is what a sandbox serves by default', async () => {
    const sandbox = await startSandbox();
    onTestFinished(() => sandbox.close());
    const list = await ask(sandbox, `GET /teams/${DEMO_TEAM_ID}/backfills`);
    expect(list.list.length).toBeGreaterThan(10);
    expect((await ask(sandbox, 'GET /teams/424242/backfills')).status).toBe(200);
    expect((await ask(sandbox, 'GET /teams/424242/backfills', { token: DEMO_TOKENS.viewer })).status).toBe(
      403,
    );
  });
});
