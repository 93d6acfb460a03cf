import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { ReplicaTold, ReplicasTold } from '../page/settings.ts';
import type { Balancer } from './balancer.ts';
import type { Redis } from './redis.ts';

/** Where the page asks how the replicas stand, and pauses Redis. The balancer answers it, so that no replica does. */
export const CONTROL_PATH = '/demo/replicas';

export interface ControlDeps {
  readonly redis: Redis;
  /** The ports of the replicas on 127.0.0.1. */
  readonly ports: readonly number[];
  readonly traffic: Balancer['traffic'];
}

const MAX_BODY_BYTES = 1_024;

/**
 * Tells how the replicas stand, and pauses or resumes Redis at PUT. Pages of other origins can do neither: they are given
 * no CORS headers.
 */
export function createControl({ redis, ports, traffic }: ControlDeps): RequestListener {
  async function tell(): Promise<ReplicasTold> {
    const known = await Promise.all(ports.map(readMetrics));
    const given = traffic();
    const replicas = ports.map((port, n): ReplicaTold => ({
      port,
      requests: given[n]?.requests ?? 0,
      sockets: given[n]?.sockets ?? 0,
      calls: sumOf(known[n], /^backfill_gateway_upstream_calls_total\b.* (\d+)$/gm),
      shared: sumOf(known[n], /^backfill_gateway_shared_reads_total\{result="(?:hit|waited)"\} (\d+)$/gm),
      isSharing: sumOf(known[n], /^backfill_gateway_shared_store_up (\d+)$/gm) === 1,
    }));
    return { redis: redis.state, replicas };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '' } = request;
    if (method !== 'GET' && method !== 'PUT') {
      send(response, 405, { error: 'Ask with GET, set with PUT.' }, { Allow: 'GET, PUT' });
      return;
    }
    if (method === 'PUT') {
      const wanted = wantedIn(await bodyOf(request));
      if (wanted === undefined) {
        send(response, 400, { error: 'The body must be {"redis": "paused"} or {"redis": "running"}.' });
        return;
      }
      if (wanted === 'paused') redis.pause();
      else redis.resume();
    }
    send(response, 200, await tell());
  }

  return (request, response) => {
    // Either end may leave meanwhile.
    answer(request, response).catch(() => response.destroy());
  };
}

/** Whether each replica says that it shares. */
export async function allShare(ports: readonly number[]): Promise<boolean> {
  const known = await Promise.all(ports.map(readMetrics));
  return known.every((text) => text.includes('\nbackfill_gateway_shared_store_up 1\n'));
}

async function readMetrics(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  return response.text();
}

function sumOf(text = '', series: RegExp): number {
  return [...text.matchAll(series)].reduce((sum, [, value]) => sum + Number(value), 0);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request as AsyncIterable<Buffer>)
    if (text.length < MAX_BODY_BYTES) text += chunk.toString();
  return text;
}

function wantedIn(body: string): 'paused' | 'running' | undefined {
  try {
    const value: unknown = JSON.parse(body);
    const wanted = typeof value === 'object' && value !== null && 'redis' in value ? value.redis : undefined;
    return wanted === 'paused' || wanted === 'running' ? wanted : undefined;
  } catch {
    return undefined;
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response
    .writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers })
    .end(`${JSON.stringify(body)}\n`);
}
