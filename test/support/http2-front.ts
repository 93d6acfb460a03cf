import { once } from 'node:events';
import { request as send } from 'node:http';
import { createSecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { makeCertificate } from './certificate.ts';

/** Headers of HTTP/1.1 that HTTP/2 forbids. */
const OF_CONNECTIONS: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding']);

/**
 * A proxy that speaks HTTP/2 with clients, as load balancers do, and HTTP/1.1 with `target`, until the test ends.
 * @returns its origin, whose certificate nobody trusts
 */
export async function startHttp2Front(target: string): Promise<string> {
  const server = createSecureServer(makeCertificate(), (request, response) => {
    const headers = Object.entries(request.headers).filter(([name]) => !name.startsWith(':'));
    const { method } = request;
    const onward = send(
      new URL(request.url, target),
      { method, headers: Object.fromEntries(headers) },
      (answer) => {
        const kept = Object.entries(answer.headers).filter(([name]) => !OF_CONNECTIONS.has(name));
        response.writeHead(answer.statusCode ?? 502, Object.fromEntries(kept));
        answer.pipe(response);
      },
    );
    // The target must notice a client that leaves a stream.
    response.on('close', () => onward.destroy());
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session: ServerHttp2Session) => void sessions.add(session));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    const closed = once(server, 'close');
    server.close();
    for (const session of sessions) session.destroy();
    await closed;
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
