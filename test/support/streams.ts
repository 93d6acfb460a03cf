import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient, type Client } from 'graphql-ws';
import { expect, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { createLatch, type GraphqlError, type Stack, TEAM, TOKEN } from '../harness.ts';

/** One event of a subscription, as it came. */
export interface StreamEvent {
  readonly data?: unknown;
  readonly errors?: readonly GraphqlError[];
}

/** A subscription that a client follows. */
export interface Stream {
  readonly events: readonly StreamEvent[];
  /** Fulfilled when the server has completed it. */
  readonly completed: Promise<void>;
  /** Unsubscribes, as a client does. */
  leave(): void;
  /** Lets a slow client start to read. */
  read?(): void;
}

export interface StreamOptions {
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Null sends none. */
  readonly token?: string | null;
  readonly team?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Reads nothing from the open connection until `read`. */
  readonly slow?: boolean;
}

export type Subscribe = (origin: string, query: string, options?: StreamOptions) => Stream;

export function callerOf({ token = TOKEN, team = TEAM }: StreamOptions): Record<string, string> {
  return {
    ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
    ...(team === null ? {} : { 'X-Team-Id': team }),
  };
}

interface Sink {
  next(event: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

function follow(subscribe: (sink: Sink) => () => void): Stream {
  const events: StreamEvent[] = [];
  let leave = (): void => undefined;
  const completed = new Promise<void>((resolve, reject) => {
    leave = subscribe({
      next: (event) => void events.push(event as StreamEvent),
      error: (error) => {
        // An array of errors is a result. Everything else is a lost connection.
        if (Array.isArray(error)) events.push({ errors: error as readonly GraphqlError[] });
        else reject(error instanceof Error ? error : new Error(JSON.stringify(error)));
        resolve();
      },
      complete: resolve,
    });
  });
  completed.catch(() => undefined);
  onTestFinished(() => leave());
  return { events, completed, leave: () => leave() };
}

/** Each subscription has a connection of its own. */
export const overSse: Subscribe = (origin, query, options = {}) => {
  const toRead = createLatch();
  const stream = follow((sink) => {
    const client = createSseClient({
      url: `${origin}/graphql`,
      retryAttempts: 0,
      headers: { ...callerOf(options), ...options.headers },
      async fetchFn(url: string, init: RequestInit) {
        const response = await fetch(url, init);
        if (options.slow === true) await toRead.opened;
        return response;
      },
    });
    return client.subscribe({ query, ...(options.variables && { variables: options.variables }) }, sink);
  });
  return { ...stream, read: toRead.open };
};

/** Each subscription has a socket of its own. The caller is in `connection_init`, as browsers have to send it. */
export const overWebSocket: Subscribe = (origin, query, options = {}) => {
  const sockets: WebSocket[] = [];
  const client = openSocket(origin, callerOf(options), options.headers, (socket) => {
    sockets.push(socket);
    if (options.slow === true) socket.pause();
  });
  return {
    ...followOver(client, query, options.variables),
    read: () => sockets.forEach((socket) => socket.resume()),
  };
};

export function openSocket(
  origin: string,
  connectionParams: Record<string, unknown>,
  headers: Readonly<Record<string, string>> = {},
  onConnected?: (socket: WebSocket) => void,
): Client {
  const client = createWsClient({
    url: `${origin.replace(/^http/, 'ws')}/graphql`,
    retryAttempts: 0,
    connectionParams,
    on: { connected: (socket) => onConnected?.(socket as WebSocket) },
    webSocketImpl: class extends WebSocket {
      constructor(url: string, protocols: string) {
        super(url, protocols, { headers });
      }
    },
  });
  onTestFinished(() => void client.dispose());
  return client;
}

export function followOver(
  client: Client,
  query: string,
  variables?: Readonly<Record<string, unknown>>,
): Stream {
  return follow((sink) => client.subscribe({ query, ...(variables && { variables }) }, sink));
}

/** A busy machine takes its time to send a thousand events. */
const PATIENT = { timeout: 15_000 };

/** Waits until the next poll is scheduled, moves the clock to it and lets it finish. */
export async function nextPoll({ clock }: Stack, milliseconds = 2_000, groups = 1): Promise<void> {
  await expect.poll(() => clock.waiting, PATIENT).toBe(groups);
  clock.advance(milliseconds);
  await expect.poll(() => clock.waiting, PATIENT).toBe(groups);
}

/**
 * The same for a poll that makes a call, one of a single credential and team. The list has timers of its own while it is
 * read.
 */
export async function nextCallingPoll({ clock, sandbox }: Stack, milliseconds = 2_000): Promise<void> {
  const { calls } = sandbox;
  let before = -1;
  const isIdle = (): boolean => calls.count() > before && calls.inFlight === 0 && clock.waiting === 1;
  await expect.poll(isIdle, PATIENT).toBe(true);
  before = calls.count();
  clock.advance(milliseconds);
  await expect.poll(isIdle, PATIENT).toBe(true);
}
