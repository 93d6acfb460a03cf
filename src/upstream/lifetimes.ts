import type { Governor } from './governor.ts';

/** For how long answers are given out again, in milliseconds. */
export interface Lifetimes {
  /** Of what can still change, "there is none" included. */
  readonly changingMs: number;
  /** Of what is as good as final. */
  readonly finalMs: number;
}

export interface LifetimeSettings {
  readonly ttlMs: number;
  readonly finalTtlMs: number;
}

/** The lifetimes as configured, stretched so that the hourly quota of the credential lasts. */
export function createLifetimes(
  { ttlMs, finalTtlMs }: LifetimeSettings,
  { stretch }: Pick<Governor, 'stretch'>,
): (partition: string) => Lifetimes {
  return (partition) => {
    const { changing, final } = stretch(partition);
    const changingMs = ttlMs * changing;
    return { changingMs, finalMs: Math.max(changingMs, finalTtlMs * final) };
  };
}
