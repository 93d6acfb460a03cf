/** A token bucket of retries, so that retries never multiply the load on an upstream that is in trouble. */
export interface RetryBudget {
  /** Adds a call's share of a retry. */
  earn(): void;
  /** Takes one retry, where there is one. */
  take(): boolean;
}

/** Retries that one call earns: a tenth of recent calls may be retried. */
const EARNED_PER_CALL = 0.1;
/** The most retries that a quiet time can save up. */
const MAX_SAVED = 10;

export function createRetryBudget(): RetryBudget {
  let saved = 1;

  return {
    earn() {
      saved = Math.min(MAX_SAVED, saved + EARNED_PER_CALL);
    },
    take() {
      if (saved < 1) return false;
      saved--;
      return true;
    },
  };
}
