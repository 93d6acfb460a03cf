import { Agent, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';
import { serve } from './serve.ts';

const HEALTH_MS = 100;

interface Backend {
  readonly port: number;
  readonly agent: Agent;
  healthy: boolean;
}

/**
 * A load balancer as there are many: it keeps connections to its backends, asks each for `/ready`, and takes one out that
 * says 503 or does not answer. It never sends a request twice.
 * @returns its origin
 */
export async function startBalancer(ports: readonly number[]): Promise<string> {
  const backends: readonly Backend[] = ports.map((port) => ({
    port,
    agent: new Agent({ keepAlive: true }),
    healthy: true,
  }));
  let turn = 0;

  function next(): Backend | undefined {
    const healthy = backends.filter(({ healthy }) => healthy);
    return healthy[turn++ % healthy.length];
  }

  function forward(request: IncomingMessage, response: ServerResponse): void {
    const backend = next();
    if (backend === undefined) {
      response.writeHead(502).end();
      return;
    }
    const { method, url: path, headers } = request;
    const { port, agent } = backend;
    // Connections to the backend are the balancer's own.
    const { connection: _connection, ...passed } = headers;
    const onward = send({ host: '127.0.0.1', port, agent, method, path, headers: passed }, (answer) => {
      const { connection: _theirs, 'keep-alive': _keepAlive, ...given } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, given);
      answer.pipe(response);
      answer.once('error', () => response.destroy());
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
    const backend = next();
    if (backend === undefined) {
      socket.destroy();
      return;
    }
    const onward = connect(backend.port, '127.0.0.1', () => {
      const lines = [`GET ${request.url ?? ''} HTTP/1.1`];
      for (let n = 0; n < request.rawHeaders.length; n += 2)
        lines.push(`${request.rawHeaders[n] ?? ''}: ${request.rawHeaders[n + 1] ?? ''}`);
      onward.write(`${lines.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    for (const [end, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      end.on('error', () => other.destroy()).on('close', () => other.destroy());
    }
  }

  const checking = setInterval(() => {
    for (const backend of backends) {
      const { port } = backend;
      const asked = send({ host: '127.0.0.1', port, path: '/ready', agent: false }, (answer) => {
        answer.resume();
        backend.healthy = answer.statusCode === 200;
      });
      asked.once('error', () => (backend.healthy = false)).end();
    }
  }, HEALTH_MS);
  onTestFinished(() => {
    clearInterval(checking);
    for (const { agent } of backends) agent.destroy();
  });
  return serve(forward, tunnel);
}
