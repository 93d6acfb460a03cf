import { describe, expect, it } from 'vitest';
import { callsInAnHour, memoryOf, offBy } from './formulas.ts';

it('memory is that of the gateway alone and of each thing that it holds', () => {
  const costs = { baseMiB: 100, eachKiB: { sse: 64, webSocket: 32, credentials: 16, kept: 2 } };
  const nothing = { sse: 0, webSocket: 0, credentials: 0, kept: 0 };
  expect(memoryOf(nothing, costs)).toBe(100);
  expect(memoryOf({ sse: 1_024, webSocket: 2_048, credentials: 64, kept: 512 }, costs)).toBe(
    100 + 64 + 64 + 1 + 1,
  );
});

describe('the calls of an hour', () => {
  const fleet = { dashboards: 200, pollSeconds: 2, transfers: 200 };

  it('are those of the list and of each transfer where the quota suffices', () => {
    const { calls, stretch } = callsInAnHour({ ...fleet, quota: 20_000 });
    expect(stretch).toBe(1);
    expect(calls).toBeCloseTo(200 + 3_600 / 2.01 + 200 * 60, 0);
  });

  it('fit into 95 % of the quota where it does not, and data grow older', () => {
    const { calls, stretch } = callsInAnHour({ ...fleet, quota: 5_000 });
    expect(calls).toBeLessThanOrEqual(4_750);
    expect(calls).toBeGreaterThan(4_700);
    expect(stretch).toBeCloseTo(1.83, 1);
  });

  it('exceed a quota that not even the greatest stretch fits', () => {
    expect(callsInAnHour({ ...fleet, quota: 100 })).toMatchObject({ stretch: 30 });
  });

  it('of one dashboard alone are half as many for the list, since its second poll finds what the first brought', () => {
    const alone = callsInAnHour({ dashboards: 1, pollSeconds: 2, transfers: 50, quota: 20_000 });
    expect(alone.calls).toBe(50 + 900 + 3_000);
  });
});

it('a prediction is off by a share of what was found', () => {
  expect([offBy(75, 100), offBy(125, 100), offBy(100, 100)]).toEqual([0.25, 0.25, 0]);
});
