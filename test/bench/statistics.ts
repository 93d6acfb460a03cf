/** The figure that this share of the values does not exceed, or undefined where there are none. */
export function percentile(values: readonly number[], share: number): number | undefined {
  return ofSorted(
    [...values].sort((a, b) => a - b),
    share,
  );
}

function ofSorted(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** The middle value, or the mean of the two in the middle; NaN where there are none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * Standard deviation of the sample in proportion to its mean: how much a figure changes from round to round.
 * Undefined for fewer than two values, and where their mean is 0.
 */
export function coefficientOfVariation(values: readonly number[]): number | undefined {
  const mean = sum(values) / values.length;
  if (values.length < 2 || mean === 0) return undefined;
  const variance = sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1);
  return Math.sqrt(variance) / mean;
}

/** How times are spread, in milliseconds. All but the count are NaN where there are none. */
export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => ofSorted(sorted, share) ?? NaN;
  return {
    count: sorted.length,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    p999: at(0.999),
    max: at(1),
  };
}
