import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Handlers } from '../../src/server/listener.ts';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';

/** Serves on a free port of this machine until the test ends. Returns the origin. */
export async function serve(handle: RequestListener, upgrade?: Handlers['upgrade']): Promise<string> {
  const server = createServer(handle);
  const upgraded: Duplex[] = [];
  if (upgrade !== undefined) {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      upgraded.push(socket);
      upgrade(request, socket, head);
    });
  }
  return `http://127.0.0.1:${await listenUntilEnd(server, upgraded)}`;
}

/**
 * Listens on a free port until the test ends.
 * @param taken connections that the server has handed over, which end then too
 * @returns the port
 */
export async function listenUntilEnd(server: Server, taken: readonly Duplex[]): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    for (const socket of taken) socket.destroy();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}
