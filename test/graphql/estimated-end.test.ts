import { describe, expect, it } from 'vitest';
import { estimateEndTime } from '../../src/graphql/resolvers/progress.ts';
import { isResourceId } from '../../src/ids.ts';
import type { BackfillSnapshot } from '../../src/upstream/cache/snapshots.ts';
import { placeholderFor } from '../../src/upstream/reads/estimate.ts';
import { startStack } from '../harness.ts';

const START = '2026-03-02T10:00:00Z';

async function endTimes(msPerRun: number, runs: number, everyMs: number): Promise<(string | null)[]> {
  const { world, clock, query } = await startStack();
  const id = world.addBackfill({ transferId: '5', scheduleDelayMs: 0, startDelayMs: 0, msPerRun, runs });
  const seen: (string | null)[] = [];
  for (let n = 0; n < 2_000; n++) {
    const { data } = await query(`{ backfill(id: "${id}") { status estimatedEndTime } }`);
    const { status, estimatedEndTime } = (
      data as { backfill: { status: string; estimatedEndTime: string | null } }
    ).backfill;
    if (status !== 'RUNNING') return seen;
    if (estimatedEndTime !== null) {
      expect(Date.parse(estimatedEndTime)).toBeGreaterThanOrEqual(clock.now());
    }
    seen.push(estimatedEndTime);
    clock.advance(everyMs);
  }
  throw new Error('the backfill does not end');
}

describe('estimatedEndTime of a backfill at an even pace', () => {
  it('is null until a run is done, then near the true end, and hardly ever changes', async () => {
    const seen = await endTimes(7_000, 60, 2_001);
    const known = seen.filter((time) => time !== null);
    expect(seen.slice(0, 4)).toEqual([null, null, null, null]);
    expect(known).toHaveLength(seen.length - 4);
    const truth = Date.parse('2026-03-02T10:07:00Z');
    for (const [n, time] of known.entries()) {
      const leftMs = truth - Date.parse(START) - n * 2_001;
      // After a tenth of the runs the error is at most a seventh of the remaining time plus a poll or two.
      if (n > 20) expect(Math.abs(Date.parse(time) - truth)).toBeLessThan(leftMs / 7 + 4_000);
    }
    const changes = known.filter((time, n) => n > 20 && time !== known[n - 1]);
    expect(changes.length).toBeLessThan(known.length / 5);
  });

  it('does not move while a run is in progress', async () => {
    const seen = await endTimes(60_000, 10, 5_000);
    // Twelve polls lie between the first completed run and the next.
    const [first, ...next] = seen.slice(12, 23);
    expect(first).toMatch(/^2026-03-02T10:10/);
    expect(new Set(next)).toEqual(new Set([first]));
  });
});

describe('estimateEndTime', () => {
  const start = Date.parse(START);
  const running = (done: number, total: number, progressedAt: number): BackfillSnapshot => {
    const id = '1';
    if (!isResourceId(id)) throw new Error('1 is an id');
    const snapshot = placeholderFor({ kind: 'backfill', teamId: id, id });
    return {
      ...snapshot,
      progressedAt,
      record: {
        ...snapshot.record,
        status: 'RUNNING',
        start_time: START,
        transfer_runs_total: total,
        transfer_runs_completed: done,
      },
    };
  };

  it('moves on once the estimated end has passed without another completed run', () => {
    const stuck = running(9, 10, start + 90_000);
    expect(estimateEndTime(stuck, start + 91_000)).toBe('2026-03-02T10:01:40Z');
    expect(estimateEndTime(stuck, start + 180_000)).toBe('2026-03-02T10:03:20Z');
  });

  it.each([
    ['nothing is done', running(0, 10, start + 1_000)],
    ['it is not known of how many', running(3, 0, start + 1_000)],
    ['it would be after the year 9999', running(1, 1_000_000_000, start + 1_000_000)],
    ['it would be after all time', running(1, 2_147_483_647, start + 1_000_000_000)],
    ['it began in our future', running(3, 10, start - 1_000)],
  ])('is null where %s', (_why, snapshot) => {
    expect(estimateEndTime(snapshot, start + 2_000)).toBeNull();
  });

  it('may be in the year 9999', () => {
    const slow = running(1, 1_000_000_000, start + 250_000);
    expect(estimateEndTime(slow, start + 250_000)).toMatch(/^99\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  it('is now if every run is done and the backfill is still RUNNING', () => {
    expect(estimateEndTime(running(10, 10, start + 60_000), start + 70_000)).toBe('2026-03-02T10:01:10Z');
  });
});
