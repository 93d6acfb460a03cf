import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** What Node keeps below a socket. It is not public, but nothing public tells how much of a large write has left. */
interface Handle {
  readonly bytesWritten: number;
  /** Bytes of these that the network has not taken yet. */
  readonly writeQueueSize: number;
}

interface Progress {
  /** Bytes that the network has taken. */
  readonly sent: number;
  /** Monotonic milliseconds. */
  readonly since: number;
}

/** The share of the time limit by which a connection may be found late. */
const SWEEPS_PER_LIMIT = 4;

/**
 * Cuts off each connection, a WebSocket included, that has bytes waiting and has moved none for so long: its client
 * does not read, and what waits takes memory. A connection with nothing to send is left alone.
 */
export function cutOffStalledAnswers(server: Server, afterMs: number): void {
  const sockets = new Map<Socket, Progress | undefined>();
  server.on('connection', (socket: Socket) => {
    sockets.set(socket, undefined);
    socket.once('close', () => sockets.delete(socket));
  });

  const sweeping = setInterval(() => {
    const now = performance.now();
    for (const [socket, before] of sockets) {
      const sent = socket.writableLength === 0 ? undefined : bytesSent(socket);
      if (sent === undefined) {
        if (before !== undefined) sockets.set(socket, undefined);
      } else if (sent !== before?.sent) {
        sockets.set(socket, { sent, since: now });
      } else if (now - before.since >= afterMs) {
        socket.destroy();
      }
    }
  }, afterMs / SWEEPS_PER_LIMIT).unref();
  server.once('close', () => clearInterval(sweeping));
}

function bytesSent(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { readonly _handle?: Handle | null };
  return handle ? handle.bytesWritten - handle.writeQueueSize : undefined;
}
