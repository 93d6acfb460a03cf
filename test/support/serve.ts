import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
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
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    for (const socket of upgraded) socket.destroy();
    await closed;
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
