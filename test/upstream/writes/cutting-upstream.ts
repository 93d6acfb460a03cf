import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Where a connection breaks off: after so many bytes of its request, or of its response. */
export interface Cut {
  readonly after: 'request' | 'response';
  readonly bytes: number;
  /** By a reset, or as an ordinary end. */
  readonly by: 'reset' | 'end';
}

export interface CuttingUpstream {
  readonly origin: string;
  /** The method and path of each request of which a byte was read, oldest first. */
  readonly requests: readonly string[];
  /** How the next writes go; undefined for a whole answer. Reads are always answered. */
  cut: Cut | undefined;
}

/**
 * An upstream over TCP that breaks off the connections of writes at any byte.
 * @param respond the whole response to a request, by its method and path
 */
export async function cuttingUpstream(respond: (request: string) => string): Promise<CuttingUpstream> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    let text = '';
    let isNoted = false;
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const first = /^(\S+ \S+) HTTP/.exec(text)?.[1] ?? text.slice(0, 4);
      if (!isNoted) requests.push(first);
      isNoted = true;
      const { cut } = upstream;
      const isWrite = !first.startsWith('GET');
      if (isWrite && cut?.after === 'request' && text.length >= cut.bytes) breakOff(socket, cut);
      else if (isWhole(text)) {
        const response = respond(first);
        text = '';
        isNoted = false;
        if (!isWrite || cut === undefined) socket.write(response);
        else socket.write(response.slice(0, cut.bytes), () => breakOff(socket, cut));
      }
    });
    // Nothing has to be read for a cut before the first byte.
    if (upstream.cut?.after === 'request' && upstream.cut.bytes === 0) breakOff(socket, upstream.cut);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const upstream: CuttingUpstream = { origin: `http://127.0.0.1:${port}`, requests, cut: undefined };
  return upstream;
}

function breakOff(socket: Socket, { by }: Cut): void {
  if (by === 'reset') socket.resetAndDestroy();
  else socket.end(() => socket.destroy());
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0);
  return text.length >= end + 4 + length;
}
