import type { Governor } from '../quota/governor.ts';

/** Freshness lifetimes (RFC 9111) of what one credential reads, in milliseconds. */
export interface Freshness {
  /** Lifetime of whatever can still change, "there is none" included. */
  readonly changingMs: number;
  /** Lifetime of whatever is as good as final. */
  readonly finalMs: number;
  /**
   * By how much the final lifetime may be shorter for one resource than for another, so that resources which were read
   * together do not fall due together.
   */
  readonly finalSpreadMs: number;
}

/** Settings in milliseconds. */
export interface FreshnessSettings {
  /** `CACHE_TTL_MS` */
  readonly ttlMs: number;
  /** `CACHE_FINAL_TTL_MS` */
  readonly finalTtlMs: number;
}

/** @returns the present lifetimes of a credential, named by its id */
export type FreshnessOf = (credentialId: string) => Freshness;

/** The spread, as a share of what the stretch adds to the final lifetime. Unstretched lifetimes have none. */
const SPREAD_SHARE = 0.25;

/** Multiplies the configured lifetimes by the credential's stretch, so that its hourly quota lasts. */
export function createFreshness(
  { ttlMs, finalTtlMs }: FreshnessSettings,
  { stretch }: Pick<Governor, 'stretch'>,
): FreshnessOf {
  return (credentialId) => {
    const { changing, final } = stretch(credentialId);
    const changingMs = ttlMs * changing;
    const finalMs = Math.max(changingMs, finalTtlMs * final);
    return { changingMs, finalMs, finalSpreadMs: Math.max(0, finalMs - finalTtlMs) * SPREAD_SHARE };
  };
}
