import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Crowd } from '../crowd.ts';

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

interface Watched {
  readonly socket: Socket;
  /** At the last look, if bytes were waiting then. */
  before: Progress | undefined;
}

/** The share of the time limit by which a connection may be found late. */
const SWEEPS_PER_LIMIT = 4;

/**
 * Cuts off each connection, a WebSocket included, that has bytes waiting and has moved none for so long: its client
 * does not read, and what waits takes memory. A connection with nothing to send is left alone.
 */
export function cutOffStalledAnswers(server: Server, afterMs: number): void {
  const all = new Crowd<Watched>();
  server.on('connection', (socket: Socket) => {
    const place = all.join({ socket, before: undefined });
    socket.once('close', () => all.leave(place));
  });

  const sweeping = setInterval(() => {
    const now = performance.now();
    for (const watched of all) {
      const { socket, before } = watched;
      const sent = socket.writableLength === 0 ? undefined : bytesSent(socket);
      if (sent === undefined) watched.before = undefined;
      else if (sent !== before?.sent) watched.before = { sent, since: now };
      else if (now - before.since >= afterMs) socket.destroy();
    }
  }, afterMs / SWEEPS_PER_LIMIT).unref();
  server.once('close', () => clearInterval(sweeping));
}

function bytesSent(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { readonly _handle?: Handle | null };
  return handle ? handle.bytesWritten - handle.writeQueueSize : undefined;
}
