import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { handleProtocols, type Server } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { MAX_ANSWER } from '../graphql/answer-budget.ts';
import type { Log } from '../log.ts';
import { faultOf } from './front-door.ts';
import { requestIdFrom } from './plugins/request-state.ts';
import { refuseSocket } from './refusals.ts';
import type { UnsentAnswers } from './plugins/unsent-answers.ts';
import { MAX_BODY_BYTES } from './request-bodies.ts';
import type { SocketFacts } from './websocket-operations.ts';

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface WebSockets {
  readonly upgrade: UpgradeListener;
  /** Refuses new sockets, and closes each open one as soon as nothing is under way on it. */
  close(): void;
}

export interface WebSocketsOptions {
  readonly operations: Server<SocketFacts>;
  readonly unsentAnswers: UnsentAnswers;
  readonly log: Log;
  readonly maxSockets?: number;
  /** Milliseconds between two pings, each of which finds the sockets that left the last one unanswered. */
  readonly pingMs?: number;
}

/** As many as there may be streams, see `MAX_STREAMS` of backfill-updates.ts. */
const MAX_SOCKETS = 10_000;
/** The most bytes that may wait to be sent to one client; beyond them the gateway stops reading from it. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/** The largest answer, with the type and the id of its message. */
const MAX_TEXT_BYTES = MAX_ANSWER.bytes + MAX_BODY_BYTES;

const INTERNAL_ERROR = 4500;
const GOING_AWAY = 1001;
const TOO_LARGE = 1009;
const TRY_AGAIN_LATER = 1013;

interface State {
  /** Number of messages still worked on; an operation's is done when its last result is sent. */
  underWay: number;
  /** Whether the client has answered the last ping. */
  alive: boolean;
}

/**
 * GraphQL over WebSocket, at the path of the endpoint. graphql-ws has a server for `ws` too, but that one writes
 * clients' mistakes to the console, and its end does not let operations finish.
 *
 * `Origin` is not checked. A page of another site may open a socket from a browser, but gains nothing: there are no
 * cookies here, browsers add no bearer token, and whoever knows a token needs no browser to use it.
 */
export function createWebSockets({
  operations,
  unsentAnswers,
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
  // The answers of `ws` itself would have no security headers.
  server.on('wsClientError', (_error: Error, socket: Duplex, request: IncomingMessage) =>
    refuse(request, socket, 400, { 'Sec-WebSocket-Version': '13' }),
  );
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
        send: (text) => send(socket, text, unsentAnswers),
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
    // No handling needed: `ws` closes a socket whose client broke the protocol, sent too much, or is gone.
    socket.on('error', ({ message }) => log.debug({ reason: message }, 'socket failed'));
    socket.once('close', (code, reason) => {
      sockets.delete(socket);
      void closed(code, reason.toString('utf8'));
    });
  }

  return {
    upgrade(request, socket, head) {
      socket.on('error', () => socket.destroy());
      const fault = faultOf(request);
      const [path] = (request.url ?? '').split('?');
      if (fault !== undefined) refuse(request, socket, fault.status);
      else if (path !== '/graphql') refuse(request, socket, 404);
      else if (closing || sockets.size >= maxSockets) refuse(request, socket, 503);
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

/**
 * Resolves when the text has been handed to the network, which a slow client delays, or when the socket is closed. A
 * text for which there is no room closes the socket: clients open it again and subscribe again by themselves.
 */
function send(socket: WebSocket, text: string, unsentAnswers: UnsentAnswers): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState !== socket.OPEN) {
      resolve();
      return;
    }
    const bytes = Buffer.byteLength(text);
    if (bytes > MAX_TEXT_BYTES) {
      socket.close(TOO_LARGE, 'The answer is too large');
      resolve();
      return;
    }
    const giveBack = unsentAnswers.take(bytes);
    if (giveBack === undefined) {
      socket.close(TRY_AGAIN_LATER, 'Too many answers wait to be read');
      resolve();
      return;
    }
    socket.send(text, () => {
      giveBack();
      if (socket.isPaused && socket.bufferedAmount < MAX_BUFFERED_BYTES) socket.resume();
      resolve();
    });
    if (socket.bufferedAmount >= MAX_BUFFERED_BYTES) socket.pause();
  });
}

function refuse(
  { headers }: IncomingMessage,
  socket: Duplex,
  status: number,
  more: Readonly<Record<string, string>> = {},
): void {
  refuseSocket(socket, status, { ...more, 'X-Request-Id': requestIdFrom(headers) });
}
