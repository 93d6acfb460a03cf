import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Listener {
  readonly port: number;
  /**
   * Stops accepting, lets requests under way finish, and cuts off what is left after the grace period.
   * @returns whether everything finished by itself
   */
  close(graceMs: number): Promise<boolean>;
}

/** Rejects with the system's error, such as `EADDRINUSE`, when it cannot listen. */
export async function listen(handle: RequestListener, port: number, host: string): Promise<Listener> {
  let closing = false;
  const server = createServer((request, response) => {
    response.once('close', () => {
      // A connection kept alive past the last answer would hold the process for its idle time.
      if (closing) server.closeIdleConnections();
    });
    if (closing) response.setHeader('Connection', 'close');
    handle(request, response);
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
      });
    },
  };
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
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
