import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'undici';

/** The payloads of the `next` events in what has arrived of a stream, whatever the pieces that it arrived in. */
export class SseParser {
  #rest = '';

  /** @returns the data of each `next` event that this piece completes */
  feed(text: string): readonly string[] {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    return blocks.flatMap((block) => {
      const lines = block.split('\n');
      const values = (field: string): readonly string[] =>
        lines
          .filter((line) => line.startsWith(`${field}:`))
          .map((line) => line.slice(field.length + 1).trim());
      return values('event').at(-1) === 'next' ? [values('data').join('\n')] : [];
    });
  }
}

export interface StreamOrder {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** A stream that is turned away is opened again until then, in epoch milliseconds. */
  readonly openUntil: number;
}

export interface StreamListener {
  onRefused(): void;
  onEvent(data: string): void;
  /** It ended, with the last chunk or without. */
  onEnd(reason: string): void;
}

const AGAIN_MS = 1_000;

/** A subscription over SSE on a connection of its own. @returns what closes it */
export function openStream(order: StreamOrder, listener: StreamListener): () => void {
  const { origin, pathname } = new URL(order.url);
  const client = new Client(origin, { bodyTimeout: 0 });
  let closed = false;
  const read = async (): Promise<string> => {
    for (;;) {
      const { statusCode, body } = await client.request({
        method: 'POST',
        path: pathname,
        headers: { ...order.headers, accept: 'text/event-stream' },
        body: order.body,
      });
      if (statusCode !== 200) {
        const text = await body.text();
        if (Date.now() > order.openUntil) return `status ${statusCode}: ${text.slice(0, 200)}`;
        listener.onRefused();
        await sleep(AGAIN_MS);
        continue;
      }
      const parser = new SseParser();
      for await (const chunk of body.setEncoding('utf8') as AsyncIterable<string>)
        for (const data of parser.feed(chunk)) listener.onEvent(data);
      return 'the stream ended';
    }
  };
  read()
    .catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
    .then((reason) => {
      if (!closed) listener.onEnd(reason);
    })
    .catch(() => undefined);
  return () => {
    closed = true;
    client.destroy().catch(() => undefined);
  };
}
