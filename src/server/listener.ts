import {
  createServer,
  IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Crowd } from '../crowd.ts';
import { cutOffStalledAnswers } from './stalled-answers.ts';
import { refuseTheUnreadable } from './unreadable-requests.ts';

/** Handlers of what comes in on the port. */
export interface Handlers {
  readonly handle: RequestListener;
  /** Told of each accepted connection. */
  readonly connected?: () => void;
  /** Takes over a connection that asks to become a WebSocket. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export interface Listener {
  readonly port: number;
  /** From now on each answer says `Connection: close`. New connections and requests are still taken. */
  drain(): void;
  /**
   * Stops accepting, lets requests under way finish, and cuts off what is left after the grace period. Idle connections
   * stay open for a twentieth of it, and are told to close by the answer to what comes on them.
   * @returns whether everything finished by itself
   */
  close(graceMs: number): Promise<boolean>;
}

/** Timeouts in milliseconds, after which the connection of a slow or silent client is closed. */
export interface ListenerLimits {
  readonly headersTimeout: number;
  /** Headers and body together. */
  readonly requestTimeout: number;
  readonly connectionsCheckingInterval: number;
  /** From an answer to the next request. */
  readonly keepAliveTimeout: number;
  /** Without a byte of an answer moved, while some wait. */
  readonly stalledAnswerTimeout: number;
}

const LIMITS: ListenerLimits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
  // Longer than the usual 60 s of load balancers, so that none sends into a connection that was just closed.
  keepAliveTimeout: 65_000,
  stalledAnswerTimeout: 20_000,
};

/** The share of the grace period for those who have connected and wait until they are accepted. */
const ACCEPT_SHARE = 1 / 4;
/** The share of it for requests that clients send on idle connections before they know of its end. */
const IDLE_SHARE = 1 / 20;

/**
 * Connections that may wait to be accepted: enough for a fleet of clients that reconnects all at once, and no more than are
 * accepted in the ten seconds for which clients wait. Beyond that a busy gateway would accept only those who have gone.
 */
const BACKLOG = 2_048;

/** @throws the system's error, such as `EADDRINUSE`, when it cannot listen */
export async function listen(
  { handle, connected, upgrade }: Handlers,
  port: number,
  host: string,
  given: Partial<ListenerLimits> = {},
): Promise<Listener> {
  const sockets = new Crowd<Socket>();
  /** The sockets on which a request has come. */
  const spoken = new WeakSet<Duplex>();
  const unanswered = new Crowd<ServerResponse>();
  let draining = false;
  let idleMayStay = true;
  let closesIdle: NodeJS.Immediate | undefined;
  // Node would answer a missing `Host` itself, without the security headers; the front door does it.
  const limits = { ...LIMITS, ...given };
  const options = { ...limits, requireHostHeader: false, IncomingMessage: WebSocketsOnly };
  const server = createServer(options, (request, response) => {
    begin(request, response);
    handle(request, response);
  });
  function begin(request: IncomingMessage, response: ServerResponse): void {
    spoken.add(request.socket);
    const place = unanswered.join(response);
    response.once('close', () => {
      unanswered.leave(place);
      // A connection kept alive after the last answer would keep the process running for `keepAliveTimeout`.
      if (!idleMayStay) closeIdleOnce();
    });
    if (draining) response.setHeader('Connection', 'close');
  }
  /** Node walks through all connections for it, and thousands of streams may end in one turn of the event loop. */
  function closeIdleOnce(): void {
    closesIdle ??= setImmediate(() => {
      closesIdle = undefined;
      server.closeIdleConnections();
    });
  }
  function drain(): void {
    draining = true;
    for (const response of unanswered) if (!response.headersSent) response.setHeader('Connection', 'close');
  }
  refuseTheUnreadable(server);
  cutOffStalledAnswers(server, limits.stalledAnswerTimeout);
  // Node would refuse any other expectation than "100-continue" itself; the front door does it.
  server.on('checkExpectation', (request, response) => void server.emit('request', request, response));
  server.on('connection', (socket: Socket) => {
    connected?.();
    const place = sockets.join(socket);
    socket.once('close', () => sockets.leave(place));
  });
  if (upgrade !== undefined) {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      spoken.add(socket);
      upgrade(request, socket, head);
    });
  }
  await listening(server, port, host);

  return {
    port: portOf(server.address()),
    drain,
    close(graceMs) {
      drain();
      return new Promise((resolve) => {
        let finished = true;
        let idle: NodeJS.Timeout | undefined;
        const cutOff = setTimeout(() => {
          finished = false;
          // Upgraded ones too, which Node no longer knows.
          for (const socket of sockets) socket.destroy();
        }, graceMs);
        function endIdle(): void {
          // Requests that have arrived are read first.
          setImmediate(() => {
            idleMayStay = false;
            server.closeIdleConnections();
            // Node takes those for busy.
            for (const socket of sockets) if (!spoken.has(socket)) socket.destroy();
          });
        }
        acceptTheWaiting(server, graceMs * ACCEPT_SHARE, () => {
          idle = setTimeout(endIdle, graceMs * IDLE_SHARE);
          stopAccepting(server, whenClosed);
        });
        function whenClosed(): void {
          clearTimeout(idle);
          clearTimeout(cutOff);
          resolve(finished);
        }
      });
    },
  };
}

/** So short that hardly anybody can have connected since the turn began. */
const SHORT_TURN_MS = 0.2;

/**
 * Waits until all are accepted to whom the system has said that they are connected. They may have sent a request, and
 * the system resets them when nobody listens any more. Node accepts one in each turn of the event loop.
 * @param withinMs the longest time for it: where clients come faster than they are accepted, some always wait
 */
function acceptTheWaiting(server: Server, withinMs: number, next: () => void): void {
  const beganAt = performance.now();
  let turnBeganAt = beganAt;
  let accepted = true;
  function count(): void {
    accepted = true;
  }
  function turn(): void {
    const now = performance.now();
    const someMayWait = accepted || now - turnBeganAt > SHORT_TURN_MS;
    if (someMayWait && now - beganAt < withinMs) {
      accepted = false;
      turnBeganAt = now;
      setImmediate(turn);
    } else {
      server.off('connection', count);
      next();
    }
  }
  server.on('connection', count);
  turn();
}

/**
 * Closes the server as a server of TCP. As a server of HTTP it would cut off idle connections at once, and with them
 * requests that are on their way.
 */
function stopAccepting(server: Server, whenClosed: () => void): void {
  NetServer.prototype.close.call(server, () => {
    // Ends Node's timer that looks for slow connections.
    server.close();
    whenClosed();
  });
}

/**
 * Some clients, Java's among them, offer with each request to go on in HTTP/2. As soon as there is an `upgrade`
 * listener, Node sends every such request there instead of to the `request` listener. It reads this property to decide.
 */
class WebSocketsOnly extends IncomingMessage {
  // Not #private: the base constructor calls the setter before this class has fields.
  private asksForUpgrade = false;

  get upgrade(): boolean {
    if (this.method === 'CONNECT') return this.asksForUpgrade;
    return this.asksForUpgrade && this.headers.upgrade?.toLowerCase() === 'websocket';
  }

  set upgrade(asks: boolean) {
    this.asksForUpgrade = asks;
  }
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === 'string')
    throw new Error('the server does not listen on a TCP port');
  return address.port;
}
