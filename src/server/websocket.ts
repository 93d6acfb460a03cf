import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { handleProtocols, type Server } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Log } from '../log.ts';
import { MAX_BODY_BYTES } from './plugins/body-limit.ts';
import type { SocketFacts } from './websocket-operations.ts';

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface WebSockets {
  readonly upgrade: UpgradeListener;
  /** Takes no more sockets, and closes each when nothing is under way on it. */
  close(): void;
}

export interface WebSocketsOptions {
  readonly operations: Server<SocketFacts>;
  readonly log: Log;
  readonly maxSockets?: number;
  /** Between two looks at whether a socket's other end is still there. */
  readonly pingMs?: number;
}

/** As many as there may be streams. */
const MAX_SOCKETS = 10_000;
/** What may wait to be sent to one client; who sends on without reading is not read from either. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

const INTERNAL_ERROR = 4500;
const GOING_AWAY = 1001;

interface State {
  /** Messages whose work is not done: an operation's is done when its last result is sent. */
  underWay: number;
  /** Whether it has answered the last ping. */
  alive: boolean;
}

/**
 * GraphQL over WebSocket, at the path of the endpoint. graphql-ws brings a server for `ws` as well, but that writes
 * whatever clients do wrong to the console, and has no end that lets operations finish.
 *
 * `Origin` is not looked at. A page of another site may open a socket from a browser, but has nothing to say on it:
 * there are no cookies here, browsers add no bearer token, and who knows one needs no browser to use it.
 */
export function createWebSockets({
  operations,
  log,
  maxSockets = MAX_SOCKETS,
  pingMs = 12_000,
}: WebSocketsOptions): WebSockets {
  const sockets = new Map<WebSocket, State>();
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_BODY_BYTES,
    handleProtocols,
  });
  const pinging = setInterval(pingAll, pingMs).unref();
  let closing = false;

  function pingAll(): void {
    for (const [socket, state] of sockets) {
      if (state.alive) socket.ping();
      else socket.terminate();
      state.alive = false;
    }
  }

  function serve(socket: WebSocket, request: IncomingMessage): void {
    const state: State = { underWay: 0, alive: true };
    sockets.set(socket, state);
    const closed = operations.opened(
      {
        protocol: socket.protocol,
        send: (text) => send(socket, text),
        close: (code, reason) => socket.close(code, reason),
        onMessage(listener) {
          socket.on('message', (data: Buffer) => {
            state.underWay++;
            void listener(data.toString('utf8'))
              .catch((err: unknown) => {
                log.error({ err }, 'bug');
                socket.close(INTERNAL_ERROR, 'Internal server error');
              })
              .finally(() => {
                state.underWay--;
                if (closing && state.underWay === 0) socket.close(GOING_AWAY, 'Going away');
              });
          });
        },
      },
      { request },
    );
    socket.on('pong', () => {
      state.alive = true;
    });
    // It is closed by itself then: the other end broke the protocol, sent too much, or is gone.
    socket.on('error', ({ message }) => log.debug({ reason: message }, 'socket failed'));
    socket.once('close', (code, reason) => {
      sockets.delete(socket);
      void closed(code, reason.toString('utf8'));
    });
  }

  return {
    upgrade(request, socket, head) {
      socket.on('error', () => socket.destroy());
      const [path] = (request.url ?? '').split('?');
      if (path !== '/graphql') refuse(socket, '404 Not Found');
      else if (closing || sockets.size >= maxSockets) refuse(socket, '503 Service Unavailable');
      else server.handleUpgrade(request, socket, head, serve);
    },

    close() {
      closing = true;
      clearInterval(pinging);
      for (const [socket, { underWay }] of sockets) {
        if (underWay === 0) socket.close(GOING_AWAY, 'Going away');
      }
    },
  };
}

/** Fulfilled when it is on its way, which a slow client decides, or when there is nobody to send it to. */
function send(socket: WebSocket, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState !== socket.OPEN) {
      resolve();
      return;
    }
    socket.send(text, () => {
      if (socket.isPaused && socket.bufferedAmount < MAX_BUFFERED_BYTES) socket.resume();
      resolve();
    });
    if (socket.bufferedAmount >= MAX_BUFFERED_BYTES) socket.pause();
  });
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}
