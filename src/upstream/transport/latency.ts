/**
 * Estimates how long the upstream takes to answer, as TCP does for its retransmissions (RFC 6298). Times are in
 * milliseconds.
 */
export interface Latency {
  /** Records how long an answer took. */
  observe(milliseconds: number): void;
  /** The time that few answers exceed: the mean and twice the mean deviation. 0 before anything was observed. */
  usual(): number;
  /** The time after which an answer is unusually late: the mean and four times the mean deviation. */
  unusual(): number;
}

const MEAN_GAIN = 1 / 8;
const DEVIATION_GAIN = 1 / 4;
const USUAL_DEVIATIONS = 2;
const UNUSUAL_DEVIATIONS = 4;

/**
 * @param least `unusual` is never less, so that what is usually fast may have a hiccup
 * @param most `unusual` is never more, and is so before anything was observed
 */
export function createLatency(least: number, most: number): Latency {
  let mean: number | undefined;
  let deviation = 0;

  return {
    observe(milliseconds) {
      if (mean === undefined) {
        mean = milliseconds;
        deviation = milliseconds / 2;
        return;
      }
      deviation += DEVIATION_GAIN * (Math.abs(milliseconds - mean) - deviation);
      mean += MEAN_GAIN * (milliseconds - mean);
    },
    usual: () => (mean ?? 0) + USUAL_DEVIATIONS * deviation,
    unusual: () =>
      mean === undefined ? most : Math.min(most, Math.max(least, mean + UNUSUAL_DEVIATIONS * deviation)),
  };
}
