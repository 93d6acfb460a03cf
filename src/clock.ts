/** Where time comes from; tests bring their own. */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch: for what people read. */
  now(): number;
  /** Milliseconds that only ever grow: for ages, lifetimes and durations. */
  monotonic(): number;
  /**
   * Calls back once after so many milliseconds, and keeps no process alive for it.
   * @returns what cancels it
   */
  after(milliseconds: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds).unref();
    return () => {
      clearTimeout(timer);
    };
  },
};
