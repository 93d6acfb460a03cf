import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Stands between a client and a server, until the test ends. */
export interface TcpProxy {
  readonly port: number;
  /** How long each way takes from now on, in milliseconds. */
  delayMs: number;
  /** What is answered to everything in the place of the server's answers. */
  nonsense: string | undefined;
  /** Breaks every connection. */
  cut(): void;
}

export async function startTcpProxy(to: URL): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(to.port), to.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket.on('error', () => socket.destroy()));
      socket.on('close', () => sockets.delete(socket));
    }
    pass(client, upstream, () => undefined);
    pass(upstream, client, () => proxy.nonsense);
  });

  function pass(from: Socket, onto: Socket, instead: () => string | undefined): void {
    from.on('data', (chunk: Buffer) => {
      const bytes = instead() ?? chunk;
      if (proxy.delayMs === 0) onto.write(bytes);
      else setTimeout(() => onto.write(bytes), proxy.delayMs);
    });
    from.on('close', () => onto.destroy());
  }

  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const proxy: TcpProxy = {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    delayMs: 0,
    nonsense: undefined,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
  onTestFinished(async () => {
    proxy.cut();
    await new Promise((resolve) => server.close(resolve));
  });
  return proxy;
}
