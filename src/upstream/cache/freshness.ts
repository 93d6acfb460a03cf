import type { Governor } from '../quota/governor.ts';

/** For how long answers are given out again, in milliseconds. */
export interface Freshness {
  /** Of what can still change, "there is none" included. */
  readonly changingMs: number;
  /** Of what is as good as final. */
  readonly finalMs: number;
  /** By how much it may be less for one resource than for another: what was read at once is not verified at once. */
  readonly finalSpreadMs: number;
}

export interface FreshnessSettings {
  readonly ttlMs: number;
  readonly finalTtlMs: number;
}

/** Of what a final lifetime is stretched by; as configured it is the same for all. */
const SPREAD_SHARE = 0.25;

/** The lifetimes as configured, stretched so that the hourly quota of the credential lasts. */
export function createFreshness(
  { ttlMs, finalTtlMs }: FreshnessSettings,
  { stretch }: Pick<Governor, 'stretch'>,
): (partition: string) => Freshness {
  return (partition) => {
    const { changing, final } = stretch(partition);
    const changingMs = ttlMs * changing;
    const finalMs = Math.max(changingMs, finalTtlMs * final);
    return { changingMs, finalMs, finalSpreadMs: Math.max(0, finalMs - finalTtlMs) * SPREAD_SHARE };
  };
}
