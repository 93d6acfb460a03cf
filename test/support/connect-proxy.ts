import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { listenUntilEnd } from './serve.ts';

export interface ConnectProxy {
  readonly port: number;
  /** The requests for a tunnel, oldest first. */
  readonly tunnels: readonly IncomingMessage[];
  /** Changes what it does with a request for a tunnel; at first it makes one. */
  answer(how: (socket: Duplex) => void): void;
}

/** A proxy that makes tunnels, until the test ends. Anything but CONNECT is refused with 405. */
export async function startConnectProxy(): Promise<ConnectProxy> {
  const tunnels: IncomingMessage[] = [];
  const ends: Duplex[] = [];
  let how: ((socket: Duplex) => void) | undefined;
  const server = createServer((_request, response) => void response.writeHead(405).end());
  server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    tunnels.push(request);
    ends.push(socket.on('error', () => undefined));
    if (how !== undefined) {
      how(socket);
      return;
    }
    const [host = '', port = ''] = request.url?.split(/:(?=\d+$)/) ?? [];
    const onward: Socket = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    ends.push(onward.on('error', () => socket.destroy()).on('close', () => socket.destroy()));
    socket.on('close', () => onward.destroy());
  });
  return {
    port: await listenUntilEnd(server, ends),
    tunnels,
    answer(next) {
      how = next;
    },
  };
}
