/** The bytes of answers that have been made and not yet handed to the network, of all clients together. */
export interface UnsentAnswers {
  /**
   * Makes room for an answer.
   * @returns a function that gives the room back, and may be called again; undefined where there is none
   */
  take(bytes: number): (() => void) | undefined;
  readonly bytes: number;
}

const MAX_BYTES = 64 * 1024 * 1024;
/** An answer that is no larger may take what is left. */
const SMALL_BYTES = 64 * 1024;
/** The share that larger answers leave to small ones. */
const RESERVE = 1 / 8;

/**
 * Bounds what clients that do not read can hold. A larger answer may take half of what is free beside the reserve, so a
 * few clients with large answers cannot use everything up, and ordinary answers, which are small, nearly always pass.
 */
export function createUnsentAnswers(maxBytes = MAX_BYTES): UnsentAnswers {
  const reserve = maxBytes * RESERVE;
  let taken = 0;

  return {
    take(bytes) {
      const free = maxBytes - taken;
      if (bytes > (bytes <= SMALL_BYTES ? free : (free - reserve) / 2)) return undefined;
      taken += bytes;
      let isTaken = true;
      return () => {
        if (isTaken) taken -= bytes;
        isTaken = false;
      };
    },

    get bytes() {
      return taken;
    },
  };
}
