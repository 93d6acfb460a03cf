import type { ServerResponse } from 'node:http';
import { createTickLimiter } from '../graphql/tick-limiter.ts';

/** About a millisecond of work. */
const PER_TURN = 10;

/**
 * Has the streams of clients that leave end a few in each turn of the event loop. A client, or a proxy, may leave with
 * thousands at once, and the system tells of all of them in one turn. To end one takes a tenth of a millisecond: its
 * operation is abandoned, its share is given back and a line is logged.
 * @returns a function to call with the response of each stream
 */
export function createDepartures(): (response: ServerResponse) => void {
  const turn = createTickLimiter(PER_TURN);

  return (response) => {
    const emit = response.emit.bind(response);
    response.emit = (event: string | symbol, ...args: unknown[]) => {
      const wait = event === 'close' ? turn() : undefined;
      if (wait === undefined) return emit(event, ...args);
      void wait.then(() => emit(event, ...args));
      return true;
    };
  };
}
