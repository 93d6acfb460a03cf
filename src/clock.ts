/** Where time comes from; tests bring their own. */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch: for what people read. */
  now(): number;
  /** Milliseconds that only ever grow: for ages, lifetimes and durations. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
