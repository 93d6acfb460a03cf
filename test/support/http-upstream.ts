import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface HttpUpstream {
  readonly port: number;
  /** The connection of each request, oldest first. */
  readonly carriers: readonly Socket[];
  /** Takes no new connection any more. */
  stopListening(): void;
}

/** Listens until the test ends. `nth` is 0 for the first request on a connection. */
export async function listenOn(
  at: { readonly host?: string; readonly port?: number },
  answer: (response: ServerResponse, nth: number, request: IncomingMessage) => void,
): Promise<HttpUpstream> {
  const carriers: Socket[] = [];
  const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    const { socket } = request;
    const nth = carriers.filter((one) => one === socket).length;
    if (nth === 0) socket.on('error', () => undefined);
    carriers.push(socket);
    answer(response, nth, request);
  });
  server.listen(at.port ?? 0, at.host ?? '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  return {
    port: (server.address() as AddressInfo).port,
    carriers,
    stopListening: () => void server.close(),
  };
}
