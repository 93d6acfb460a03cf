import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { requestIdFrom } from './plugins/request-state.ts';
import { refuseSocket } from './refusals.ts';

/** Answers in the place of Node, whose own answers have no security headers, what never becomes a request. */
export function refuseTheUnreadable(server: Server): void {
  const latest = new WeakMap<Duplex, ServerResponse>();
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    latest.set(request.socket, response);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // In the midst of an answer the bytes of another one would pass for its rest.
    const response = latest.get(socket);
    const isAnswering = response?.headersSent === true && !response.writableFinished;
    if (socket.writable && !isAnswering) {
      const status = STATUS_BY_ERROR[error.code ?? ''] ?? 400;
      refuseSocket(socket, status, response === undefined ? {} : headersOf(response));
    } else socket.destroy();
  });
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => socket.destroy());
    refuseSocket(socket, 405, { Allow: 'GET, HEAD, POST', 'X-Request-Id': requestIdFrom(request.headers) });
  });
}

/** What the answer to a request whose body cannot be read has in any case; nothing once it has been answered. */
function headersOf(response: ServerResponse): Readonly<Record<string, string>> {
  if (response.headersSent) return {};
  const headers = Object.entries(response.getHeaders()).filter(
    ([name]) => name === 'vary' || name.startsWith('access-control-'),
  );
  return {
    ...Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
    'X-Request-Id': requestIdFrom(response.req.headers),
  };
}

const STATUS_BY_ERROR: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};
