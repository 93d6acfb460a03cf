import { HOUR_MS, SECOND_MS } from './world/calendar.ts';

export type QuotaVerdict =
  | { readonly kind: 'allowed'; readonly remaining: number }
  | { readonly kind: 'spent'; readonly retryAfterSeconds: number };

export interface Quota {
  readonly limit: number;
  /** Counts one call of the token, unless the quota of its hour is spent. */
  take(token: string): QuotaVerdict;
}

/**
 * Counts calls per token in a fixed window: an hour that begins with the token's first call, or with its first call
 * after the last window. Refused calls are not counted.
 * @param now epoch milliseconds
 */
export function createQuota({ limit, now }: { readonly limit: number; readonly now: () => number }): Quota {
  const windows = new Map<string, { readonly since: number; used: number }>();

  return {
    limit,
    take(token) {
      const at = now();
      let window = windows.get(token);
      if (window === undefined || at >= window.since + HOUR_MS) {
        window = { since: at, used: 0 };
        windows.set(token, window);
      }
      if (window.used >= limit) {
        const seconds = Math.ceil((window.since + HOUR_MS - at) / SECOND_MS);
        return { kind: 'spent', retryAfterSeconds: Math.max(1, seconds) };
      }
      window.used += 1;
      return { kind: 'allowed', remaining: limit - window.used };
    },
  };
}
