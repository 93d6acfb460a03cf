// Subscriptions on one WebSocket, for the recipes of fetch and Relay. It needs graphql-ws.
// In a frontend the import reads 'backfill-gateway-client'.
import { createClient } from 'graphql-ws';
import { ERROR_CODES, type GatewayError, isGatewayError } from '../../src/graphql/error-codes.ts';

export interface Caller {
  /** Of the gateway's endpoint, such as `https://backfills.example/graphql`. */
  readonly url: string;
  /** The token at the moment. It is asked for each request and each socket, so it may change at any time. */
  readonly token: () => string | Promise<string>;
}

export interface Operation {
  readonly query: string;
  readonly variables?: Record<string, unknown>;
}

export interface Event {
  readonly data?: Record<string, unknown> | null | undefined;
  readonly errors?: readonly unknown[] | undefined;
}

export interface Sink {
  next(event: Event): void;
  /** The stream has ended, and asking for it again would not help. */
  error(error: GatewayError | Error): void;
  complete(): void;
}

/** Begins a stream. @returns what ends it */
export type Subscribe = (operation: Operation, sink: Sink) => () => void;

const LONGEST_WAIT_MS = 30_000;

/** All streams share one socket. Each goes on by itself through a restart of the gateway and a change of the token. */
export function createSocket({ url, token }: Caller): Subscribe {
  /** The token of the socket: `connection_init` has it, so a socket cannot change it. */
  let sent: string | undefined;
  const socket = createClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: async () => {
      sent = await token();
      return { Authorization: `Bearer ${sent}` };
    },
    // Both are needed to come back after a restart: without `shouldRetry` it gives up when nobody listens.
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: (attempt) => pause(backoffMs(attempt)),
  });

  /** Waits until the stream may be asked for again. False where that would not help. */
  async function mayGoOn({ extensions }: GatewayError, attempt: number): Promise<boolean> {
    if (extensions.code === 'UNAUTHENTICATED') {
      const refused = sent;
      if ((await token()) === refused) return false;
      // Other streams hold the socket open, and with it the old token.
      if (sent === refused) socket.terminate();
      return true;
    }
    if (!ERROR_CODES[extensions.code].retryable) return false;
    const { retryAfterSeconds } = extensions;
    await pause(retryAfterSeconds === undefined ? backoffMs(attempt) : retryAfterSeconds * 1_000);
    return true;
  }

  return (operation, sink) => {
    let hasLeft = false;
    let attempt = 0;
    let leave = (): void => undefined;

    function listen(): void {
      let isOver = false;
      async function endsWith([error]: readonly unknown[]): Promise<void> {
        if (isOver) return;
        isOver = true;
        if (!isGatewayError(error)) sink.error(new Error('The stream was refused.', { cause: error }));
        else if (!(await mayGoOn(error, attempt++))) sink.error(error);
        else if (!hasLeft) listen();
      }
      leave = socket.subscribe(operation, {
        next(event) {
          // An event with errors and no data is the end of its stream.
          if (event.errors !== undefined && !event.data) void endsWith(event.errors);
          else {
            attempt = 0;
            sink.next(event);
          }
        },
        error: (reason) => void endsWith(Array.isArray(reason) ? reason : [reason]),
        complete: () => {
          if (!isOver) sink.complete();
        },
      });
    }

    listen();
    return () => {
      hasLeft = true;
      leave();
    };
  };
}

/** With some chance in it, so that thousands of pages do not come back at the same moment. */
function backoffMs(attempt: number): number {
  return Math.min(1_000 * 2 ** attempt, LONGEST_WAIT_MS) * (0.5 + Math.random() / 2);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
