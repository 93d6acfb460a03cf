import { connect, type Socket } from 'node:net';

/** One answer; its body is good until the next one arrives. */
export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/**
 * A kept HTTP connection that carries one request at a time. It does for each as little as can be done: with a whole client
 * the load generator, and not the server, would be what limits the fastest ones.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #onAnswer: (answer: Answer) => void;
  readonly #onError: (error: Error) => void;
  readonly #buffer = Buffer.allocUnsafe(64 * 1024);
  #unfinished: Buffer | undefined;
  #closing = false;

  constructor(url: URL, onAnswer: (answer: Answer) => void, onError: (error: Error) => void) {
    this.#onAnswer = onAnswer;
    this.#onError = onError;
    this.#socket = connect({
      host: url.hostname,
      port: Number(url.port),
      noDelay: true,
      onread: {
        buffer: this.#buffer,
        callback: (length) => {
          this.#take(this.#buffer.subarray(0, length));
          return true;
        },
      },
    });
    this.#socket.on('error', onError);
    this.#socket.on('close', () => {
      if (!this.#closing) onError(new Error('the connection was closed'));
    });
  }

  send(request: Buffer): void {
    this.#socket.write(request);
  }

  close(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    const received = this.#unfinished === undefined ? bytes : Buffer.concat([this.#unfinished, bytes]);
    let answer: Answer | undefined;
    try {
      answer = parseAnswer(received);
    } catch (error) {
      this.#onError(error as Error);
      return;
    }
    if (answer === undefined) {
      // The socket will use its buffer again.
      this.#unfinished = received === bytes ? Buffer.from(bytes) : received;
      return;
    }
    this.#unfinished = undefined;
    this.#onAnswer(answer);
  }
}

export function requestBytes(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  method = 'POST',
): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `${method} ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\n${lines.join('')}` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/**
 * @returns undefined while some of the answer is still to come
 * @throws {Error} for what is no answer with a length or in chunks
 */
export function parseAnswer(received: Buffer): Answer | undefined {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const head = received.toString('latin1', 0, headEnd);
  const status = Number(head.slice(9, 12));
  const rest = received.subarray(headEnd + 4);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const expected = Number(length);
    if (rest.length > expected) throw new Error('more came than the answer has');
    return rest.length < expected ? undefined : { status, body: rest };
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) throw new Error('an answer without a length');
  const body = parseChunks(rest);
  return body && { status, body };
}

function parseChunks(received: Buffer): Buffer | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = received.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const length = parseInt(received.toString('latin1', at, lineEnd), 16);
    const start = lineEnd + 2;
    if (received.length < start + length + 2) return undefined;
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(received.subarray(start, start + length));
    at = start + length + 2;
  }
}
