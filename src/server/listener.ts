import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Listener {
  readonly port: number;
  /**
   * Stops accepting, lets requests under way finish, and cuts off what is left after the grace period.
   * @returns whether everything finished by itself
   */
  close(graceMs: number): Promise<boolean>;
}

/** Who is slower than this in sending what is waited for, or never sends it, is cut off; in milliseconds. */
export interface ListenerLimits {
  readonly headersTimeout: number;
  /** Headers and body together. */
  readonly requestTimeout: number;
  readonly connectionsCheckingInterval: number;
  /** Between an answer and the next request. */
  readonly keepAliveTimeout: number;
}

const LIMITS: ListenerLimits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
  // Longer than load balancers keep theirs (60 s is usual), so that none sends into a connection just closed.
  keepAliveTimeout: 65_000,
};

/** Connections that may wait to be accepted: a fleet that comes back all at once should not find a closed door. */
const BACKLOG = 4_096;

/** Rejects with the system's error, such as `EADDRINUSE`, when it cannot listen. */
export async function listen(
  handle: RequestListener,
  port: number,
  host: string,
  limits: ListenerLimits = LIMITS,
): Promise<Listener> {
  const silent = new Set<Socket>();
  let closing = false;
  const server = createServer(limits, (request, response) => {
    silent.delete(request.socket);
    response.once('close', () => {
      // A connection kept alive past the last answer would hold the process for its idle time.
      if (closing) server.closeIdleConnections();
    });
    if (closing) response.setHeader('Connection', 'close');
    handle(request, response);
  });
  // Node takes connections that have not sent a request yet for busy ones.
  server.on('connection', (socket: Socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  await listening(server, port, host);

  return {
    port: portOf(server.address()),
    close(graceMs) {
      closing = true;
      return new Promise((resolve) => {
        let finished = true;
        const cutOff = setTimeout(() => {
          finished = false;
          server.closeAllConnections();
        }, graceMs);
        server.close(() => {
          clearTimeout(cutOff);
          resolve(finished);
        });
        server.closeIdleConnections();
        for (const socket of silent) socket.destroy();
      });
    },
  };
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
