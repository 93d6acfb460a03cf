import { describe, expect, it } from 'vitest';
import { ratioWithinRounds, type Sample, toTables } from './samples.ts';
import { coefficientOfVariation, median, percentile, spreadOf } from './statistics.ts';

const hundred = Array.from({ length: 100 }, (_, n) => 100 - n);

describe('statistics of the bench', () => {
  it('have the median between the two values in the middle', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 7])).toBe(6);
    expect(median([])).toBeNaN();
  });

  it('have percentiles that are values which were measured, in whatever order these came', () => {
    expect([0, 0.5, 0.99, 1].map((share) => percentile(hundred, share))).toEqual([1, 51, 100, 100]);
    expect(percentile([], 0.5)).toBeUndefined();
    expect(percentile([9, 100, 20], 1)).toBe(100);
  });

  it('tell how values are spread, and of none only that there are none', () => {
    const thousand = Array.from({ length: 1_000 }, (_, n) => n);
    expect(spreadOf(thousand)).toEqual({ count: 1_000, p50: 500, p95: 950, p99: 990, p999: 999, max: 999 });
    expect(spreadOf([])).toEqual({ count: 0, p50: NaN, p95: NaN, p99: NaN, p999: NaN, max: NaN });
  });

  it('tell by the coefficient of variation how much values differ, whatever their unit', () => {
    expect(coefficientOfVariation([5, 5, 5])).toBe(0);
    expect(coefficientOfVariation([8, 10, 12])).toBeCloseTo(0.2);
    expect(coefficientOfVariation([8_000, 10_000, 12_000])).toBeCloseTo(0.2);
    expect(coefficientOfVariation([1])).toBeUndefined();
  });
});

function sample(contestant: string, round: number, perSecond: number, more: Partial<Sample> = {}): Sample {
  return { of: 'W1', contestant, round, figures: { perSecond, failed: round }, ...more };
}

/** A machine that is ten times as fast in the second round. */
const SAMPLES = [
  sample('ours', 1, 200),
  sample('base', 1, 100),
  sample('ours', 2, 3_000),
  sample('base', 2, 1_000),
  sample('ours', 3, 400),
  sample('base', 3, 100),
  sample('ours', 4, 1, { fault: 'wrong answer,\nstatus 500' }),
  sample('base', 4, 100),
];

describe('the tables of the bench', () => {
  it('compare within a round, so that a machine whose speed changes does not change a ratio', () => {
    expect(ratioWithinRounds(SAMPLES, 'perSecond', 'ours', 'base')).toBe(3);
  });

  it('leave out what was not right, and say why', () => {
    const text = toTables(SAMPLES, [
      [
        { kind: 'varying', figure: 'perSecond', title: 'requests/s', show: String },
        { kind: 'ratio', figure: 'perSecond', title: '× base', base: 'base' },
        { kind: 'ratio', figure: 'perSecond', title: '× none', base: 'not measured' },
        { kind: 'median', figure: 'unknown', title: 'unknown', show: String },
        { kind: 'sums', figures: ['failed'], title: 'failed' },
      ],
    ]);
    expect(text).toBe(
      [
        '### W1',
        '',
        '|  | requests/s | × base | failed |',
        '| --- | ---: | ---: | ---: |',
        '| ours | 400 ± 130 % | 3 | 6 |',
        '| base | 100 ± 138 % | 1 | 10 |',
        '',
        '- ours, round 4, does not count: wrong answer, status 500',
      ].join('\n'),
    );
  });
});
