import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { handleProtocols, type Server } from 'graphql-ws';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { Crowd } from '../crowd.ts';
import type { Log } from '../log.ts';
import type { Shares, ShareSize } from '../shares.ts';
import { readableBy } from './cors.ts';
import { faultOf } from './front-door.ts';
import type { OpenStreams } from './open-streams.ts';
import { isOwnOrigin, listOrigins } from './origin.ts';
import { requestIdFrom } from './plugins/request-state.ts';
import { refuseSocket } from './refusals.ts';
import { MAX_BODY_BYTES } from './request-bodies.ts';
import { createIntake, type Intake } from './socket-intake.ts';
import { createPlaces, type Holder } from './socket-places.ts';
import { sendText } from './socket-sending.ts';
import { beginSocket, type SocketFacts } from './websocket-operations.ts';

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface WebSockets {
  readonly upgrade: UpgradeListener;
  /** Refuses new sockets. The open ones end with the other connections of `OpenStreams`. */
  close(): void;
}

export interface WebSocketsOptions {
  readonly operations: Server<SocketFacts>;
  /** Of the bytes of answers that have been made and not yet handed to the network. */
  readonly unsentAnswers: Shares;
  /** Of open sockets. */
  readonly open: Shares;
  /** Whether the REST API has accepted the caller. */
  readonly isAccepted: (caller: string) => boolean;
  readonly streams: OpenStreams;
  readonly log: Log;
  /** The origins of pages that may open a socket whose credential comes by header. */
  readonly corsOrigins?: readonly string[];
  /** Milliseconds between two pings, each of which finds the sockets that left the last one unanswered. */
  readonly pingMs?: number;
}

/** As many as there may be streams, see `STREAMS` of backfill-updates.ts. */
export const SOCKETS: ShareSize = { total: 10_000, timesFree: 1 };
/** For the answer to a close, where the rest of what the client sends is not read any more. */
const CLOSE_MS = 1_000;

const INTERNAL_ERROR = 4500;
const GOING_AWAY = 1001;
const TOO_LARGE = 1009;
const TRY_AGAIN_LATER = 1013;

/** `ws` keeps each piece of an unfinished message in an object of its own. Clients send a message in one frame. */
const OPTIONS: ServerOptions & { readonly maxFragments: number; readonly maxBufferedChunks: number } = {
  noServer: true,
  clientTracking: false,
  maxPayload: MAX_BODY_BYTES,
  maxFragments: 256,
  maxBufferedChunks: 1_024,
  handleProtocols,
};

interface State {
  readonly socket: WebSocket;
  readonly facts: SocketFacts;
  /** Gives its place back; may be called again. */
  leave: () => void;
  readonly intake: Intake;
  /** Number of messages still worked on; an operation's is done when its last result is sent. */
  underWay: number;
  /** Whether the client has answered the last ping. */
  alive: boolean;
  /** Whether it closes as soon as nothing but streams is under way. What comes now is left for the next gateway. */
  ending: boolean;
}

/**
 * GraphQL over WebSocket, at the path of the endpoint. graphql-ws has a server for `ws` too, but that one writes
 * clients' mistakes to the console, and its end does not let operations finish.
 */
export function createWebSockets({
  operations,
  unsentAnswers,
  open,
  isAccepted,
  streams,
  log,
  corsOrigins = [],
  pingMs = 12_000,
}: WebSocketsOptions): WebSockets {
  const sockets = new Crowd<State>();
  const places = createPlaces(open, isAccepted);
  const isListed = listOrigins(corsOrigins);
  const headersFor = readableBy(corsOrigins);
  const server = new WebSocketServer(OPTIONS);
  // The answers of `ws` itself would have no security headers.
  server.on('wsClientError', (_error: Error, socket: Duplex, request: IncomingMessage) =>
    refuse(request, socket, 400, { 'Sec-WebSocket-Version': '13' }),
  );
  const pinging = setInterval(pingAll, pingMs).unref();
  let closing = false;

  function refuse(
    { headers }: IncomingMessage,
    socket: Duplex,
    status: number,
    more?: Readonly<Record<string, string>>,
  ): void {
    const requestId = requestIdFrom(headers);
    refuseSocket(socket, status, { ...headersFor(headers.origin), ...more, 'X-Request-Id': requestId });
  }

  function pingAll(): void {
    for (const state of sockets) {
      const { socket } = state;
      if (state.alive && !state.intake.isStuck()) socket.ping();
      else socket.terminate();
      state.alive = false;
    }
  }

  function serve(
    socket: WebSocket,
    connection: Duplex,
    begun: Omit<SocketFacts, 'moveTo'>,
    leave: () => void,
  ): void {
    const facts: SocketFacts = Object.assign(begun, {
      moveTo(caller: string): boolean {
        state.leave();
        const place = places.take(caller);
        if (place === undefined) {
          socket.close(TRY_AGAIN_LATER, 'Too many sockets of this caller are open');
          return false;
        }
        state.leave = place;
        facts.caller = caller;
        return true;
      },
    });
    const intake = createIntake(socket, connection, facts, () => {
      state.ending = true;
      end(socket, TOO_LARGE, 'Too much before connection_init was acknowledged');
    });
    const state: State = { socket, facts, leave, intake, underWay: 0, alive: true, ending: false };
    const place = sockets.join(state);
    const holder: Holder = {
      get caller() {
        return facts.caller;
      },
      get isIdle() {
        return state.underWay === 0;
      },
      giveUp() {
        state.leave();
        state.ending = true;
        end(socket, TRY_AGAIN_LATER, 'Too many sockets are open');
      },
    };
    const forget = places.add(holder);
    const closed = operations.opened(
      {
        protocol: socket.protocol,
        async send(text) {
          await sendText(socket, text, unsentAnswers, facts.caller);
          closeIfDone(socket, state);
        },
        close: (code, reason) => socket.close(code, reason),
        onMessage(listener) {
          socket.on('message', (data: Buffer) => {
            if (state.ending) return;
            state.underWay++;
            void listener(data.toString('utf8'))
              .catch((err: unknown) => {
                log.error({ err }, 'bug');
                socket.close(INTERNAL_ERROR, 'Internal server error');
              })
              .finally(() => {
                state.underWay--;
                closeIfDone(socket, state);
              });
          });
        },
      },
      facts,
    );
    const left = streams.add(
      'websocket',
      () => {
        state.ending = true;
        closeIfDone(socket, state);
      },
      () => facts.streams,
    );
    socket.on('pong', () => {
      state.alive = true;
    });
    // No handling needed: `ws` closes a socket whose client broke the protocol, sent too much, or is gone.
    socket.on('error', ({ message }) => log.debug({ reason: message }, 'socket failed'));
    socket.once('close', (code, reason) => {
      sockets.leave(place);
      forget();
      state.leave();
      left();
      void closed(code, reason.toString('utf8'));
    });
  }

  return {
    upgrade(request, socket, head) {
      socket.on('error', () => socket.destroy());
      const { origin, host, authorization } = request.headers;
      const fault = faultOf(request);
      const [path] = (request.url ?? '').split('?');
      const isForeign = authorization !== undefined && !isOwnOrigin(origin, host, isListed);
      if (fault !== undefined) refuse(request, socket, fault.status);
      else if (path !== '/graphql') refuse(request, socket, 404);
      else if (isForeign) refuse(request, socket, 403);
      else {
        // The listeners of the socket keep what a function here closes over, which therefore may not be the request.
        const facts = beginSocket(request.headers);
        const leave = closing ? undefined : places.take(facts.caller);
        if (leave === undefined) {
          refuse(request, socket, 503, { 'Retry-After': '1' });
          return;
        }
        socket.once('close', leave);
        server.handleUpgrade(request, socket, head, (opened) => serve(opened, socket, facts, leave));
      }
    },

    close() {
      closing = true;
      clearInterval(pinging);
    },
  };
}

/** Closes a socket from which nothing more is taken into memory. */
function end(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason);
  socket.pause();
  setTimeout(() => socket.terminate(), CLOSE_MS).unref();
}

/** Streams send no `complete` then, so that clients subscribe again as soon as they have another socket. */
function closeIfDone(socket: WebSocket, { ending, underWay, facts }: State): void {
  if (ending && underWay <= facts.streams) socket.close(GOING_AWAY, 'Going away');
}
