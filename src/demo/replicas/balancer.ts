import { once } from 'node:events';
import {
  Agent,
  type IncomingMessage,
  request as send,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { listen } from '../listen.ts';

/** What a replica was given. */
export interface Traffic {
  /** Answers of `/graphql`. */
  readonly requests: number;
  /** WebSockets that are open. */
  readonly sockets: number;
}

export interface Balancer {
  readonly port: number;
  /** By replica. */
  traffic(): readonly Traffic[];
  /** Ends what is open. */
  close(): Promise<void>;
}

export interface BalancerOptions {
  /** The ports of the replicas on 127.0.0.1. */
  readonly replicas: readonly number[];
  /** The address on which it listens. */
  readonly host: string;
  /** Its own port; the first that is free. */
  readonly ports: readonly number[];
  /** What it answers itself, by path. */
  readonly own: ReadonlyMap<string, RequestListener>;
}

interface Backend {
  readonly port: number;
  requests: number;
  sockets: number;
}

const LOCAL = '127.0.0.1';
const GRAPHQL = /^\/graphql(?:\?|$)/;

/**
 * Starts a load balancer that gives each request to the next replica, and each WebSocket to the one with the fewest. It
 * passes streams on as they come, never sends a request twice, and takes no replica out.
 * @throws the system's error, such as `EADDRINUSE`, when no port can be had
 */
export async function startBalancer({ replicas, host, ports, own }: BalancerOptions): Promise<Balancer> {
  const backends = replicas.map((port): Backend => ({ port, requests: 0, sockets: 0 }));
  const agent = new Agent({ keepAlive: true });
  const tunnels = new Set<Duplex>();
  let turn = 0;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const mine = own.get(request.url ?? '');
    if (mine !== undefined) {
      mine(request, response);
      return;
    }
    const backend = backends[turn++ % backends.length];
    if (backend === undefined) response.writeHead(502).end();
    else forward(backend, request, response);
  }

  function forward(backend: Backend, request: IncomingMessage, response: ServerResponse): void {
    const { method, url: path = '/', headers } = request;
    // Connections to the replicas are the balancer's own.
    const { connection: _connection, ...passed } = headers;
    const target = { host: LOCAL, port: backend.port, agent, method, path, headers: passed };
    const onward = send(target, (answered) => {
      if (GRAPHQL.test(path)) backend.requests++;
      const { connection: _theirs, 'keep-alive': _keepAlive, ...given } = answered.headers;
      response.writeHead(answered.statusCode ?? 502, given);
      // A stream may have nothing to say yet.
      response.flushHeaders();
      answered.once('error', () => response.destroy());
      answered.pipe(response);
    });
    onward.once('error', () => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    });
    response.once('close', () => {
      if (!response.writableFinished) onward.destroy();
    });
    request.pipe(onward);
  }

  function tunnel(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const [backend] = backends.toSorted((one, other) => one.sockets - other.sockets);
    if (backend === undefined) {
      socket.destroy();
      return;
    }
    backend.sockets++;
    const onward = connect({ port: backend.port, host: LOCAL, noDelay: true }, () => {
      onward.write(headOf(request));
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.once('close', () => backend.sockets--);
    for (const [end, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      tunnels.add(end);
      end.on('error', () => other.destroy());
      end.on('close', () => {
        tunnels.delete(end);
        other.destroy();
      });
    }
  }

  const server = (await listen(answer, host, ports)).on('upgrade', tunnel);
  return {
    port: (server.address() as AddressInfo).port,
    traffic: () => backends.map(({ requests, sockets }) => ({ requests, sockets })),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      for (const end of tunnels) end.destroy();
      agent.destroy();
      await closed;
    },
  };
}

/** The request as it came, up to its empty line. */
function headOf({ method = 'GET', url = '/', rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let n = 0; n + 1 < rawHeaders.length; n += 2)
    lines.push(`${rawHeaders[n] ?? ''}: ${rawHeaders[n + 1] ?? ''}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
