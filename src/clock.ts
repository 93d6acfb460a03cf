/**
 * The source of time; tests bring their own. Timers that belong to a real socket (deadlines of calls, waiting for a slot,
 * pings, retry delays) run on real time instead, because the sockets do.
 */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch, for times that people read. */
  now(): number;
  /** Milliseconds that never go back, for ages, lifetimes and durations. */
  monotonic(): number;
  /**
   * Calls back once after so many milliseconds. The timer does not keep the process alive.
   * @returns a function that cancels the timer
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
