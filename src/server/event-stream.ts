import type { ServerResponse } from 'node:http';
import type { ExecutionResult } from 'graphql';
import type { StreamedEvents } from './plugins/request-state.ts';

/** Balancers and proxies close a connection on which nothing is said, some of them after 15 s. */
export const BEAT_MS = 12_000;
/** A comment, which clients pass over. Some browsers do not tell of an answer before a first byte of its body. */
const BEAT = ':\n\n';
const COMPLETE = 'event: complete\ndata:\n\n';

/**
 * Writes the head of a stream, and then each event when it comes, as server-sent events. Yoga would send them through a
 * `Response` with a `ReadableStream`, which take ten kilobytes for each of thousands of streams.
 *
 * The next event is asked for when the network has taken the one before it, so that who reads slowly gets fewer events.
 * A client who leaves ends its subscription.
 * @param head of the answer; its body is not looked at
 * @returns a promise of the end, by whomever; rejects with what the subscription threw
 */
export function sendEvents(
  head: Pick<Response, 'status' | 'headers'>,
  { events, textOf }: StreamedEvents,
  response: ServerResponse,
  beatMs: number,
): Promise<void> {
  if (response.closed) return end(events);
  const headers: string[] = [];
  head.headers.forEach((value, name) => headers.push(name, value));
  // A client that is gone without a word is found out by TCP.
  response.socket?.setTimeout(0).setNoDelay(true).setKeepAlive(true);
  // Given at once, Node does not keep them beside the text that it makes of them.
  response.writeHead(head.status, headers);
  response.write(BEAT);
  return follow(events, textOf, response, setInterval(beat, beatMs, response));
}

/** Apart from {@link sendEvents}: what is in reach here is kept for as long as the stream. */
async function follow(
  events: AsyncIterator<ExecutionResult>,
  textOf: StreamedEvents['textOf'],
  response: ServerResponse,
  beating: NodeJS.Timeout,
): Promise<void> {
  response.once('close', () => {
    clearInterval(beating);
    // Whatever goes wrong at the end of it has nobody left to be told.
    end(events).catch(() => undefined);
  });
  for (;;) {
    const step = await events.next();
    if (response.destroyed) return;
    if (step.done === true) break;
    const { text, giveBack } = textOf(step.value);
    const isTaken = response.write(`event: next\ndata: ${text}\n\n`);
    if (!isTaken) await drained(response);
    giveBack();
  }
  clearInterval(beating);
  response.end(COMPLETE);
}

async function end(events: AsyncIterator<ExecutionResult>): Promise<void> {
  await events.return?.();
}

function beat(response: ServerResponse): void {
  if (!response.writableNeedDrain) response.write(BEAT);
}

/** Fulfilled when the network has taken what was written, but for less than Node's own mark, or when the client has left. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
