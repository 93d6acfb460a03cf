import type { Clock } from '../clock.ts';
import { Crowd } from '../crowd.ts';
import type { Transport } from '../metric-labels.ts';

/** The connections that carry streams, over both transports, which a shutdown breaks off. */
export interface OpenStreams {
  /**
   * @param end breaks the connection off, in a way that its client takes for a lost connection and connects again
   * @param size the number of streams on the connection at this moment
   * @returns a function to call when the connection is closed
   */
  add(over: Transport, end: () => void, size?: () => number): () => void;
  /** The number of streams at this moment. */
  byTransport(): Readonly<Record<Transport, number>>;
  /** Ends up to {@link AT_ONCE} streams at once, and more spread evenly over so many milliseconds. */
  endAll(withinMs: number): void;
  readonly isEnding: boolean;
}

/** The number of streams whose clients may all come back in the same moment. */
const AT_ONCE = 200;
const STEP_MS = 50;
/** For the first state of a stream whose start was under way, so that its client has one until it is back. */
const FIRST_STATE_MS = 100;

interface Connection {
  readonly over: Transport;
  readonly end: () => void;
  readonly size: () => number;
  isOpen: boolean;
}

export function createOpenStreams(clock: Clock): OpenStreams {
  const connections = new Crowd<Connection>();
  let isEnding = false;

  /** A connection without a stream counts too, since its client comes back as well. */
  function weigh({ size }: Connection): number {
    return Math.max(1, size());
  }

  return {
    add(over, end, size = () => 1) {
      const connection: Connection = { over, end, size, isOpen: true };
      const place = connections.join(connection);
      if (isEnding) clock.after(FIRST_STATE_MS, end);
      return () => {
        connection.isOpen = false;
        connections.leave(place);
      };
    },

    byTransport() {
      const streams = { sse: 0, websocket: 0 };
      for (const { over, size } of connections) streams[over] += size();
      return streams;
    },

    endAll(withinMs) {
      isEnding = true;
      const waiting = [...connections];
      const beyond = Math.max(0, waiting.reduce((sum, each) => sum + weigh(each), 0) - AT_ONCE);
      const beganAt = clock.monotonic();
      let ended = 0;

      function step(): void {
        const share = withinMs === 0 ? 1 : Math.min(1, (clock.monotonic() - beganAt) / withinMs);
        const due = share === 1 ? Infinity : AT_ONCE + beyond * share;
        while (ended < due) {
          const next = waiting.shift();
          if (next === undefined) break;
          // Those that have left by themselves made room for nobody: their clients may come back too.
          ended += weigh(next);
          if (next.isOpen) next.end();
        }
        if (waiting.length > 0) clock.after(STEP_MS, step);
      }
      step();
    },

    get isEnding() {
      return isEnding;
    },
  };
}
