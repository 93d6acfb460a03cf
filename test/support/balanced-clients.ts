import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { Agent, request as send } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import { Agent as FetchAgent, fetch as fetchByUndici } from 'undici';
import { WebSocket } from 'ws';
import type { Balancer } from './balancers.ts';

const CALLER = { authorization: 'Bearer sandbox-full', 'x-team-id': '1' };

/** Clients of a balancer who poll and who follow a backfill, each from an address of its own. */
export interface BalancedClients {
  /** How often a poll ended in which way; an answer that is as it has to be is `ok`. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** How long each poll took, in milliseconds. */
  readonly pollTimes: readonly number[];
  /** The runs done that each stream has been told last. */
  readonly latest: readonly unknown[];
  /** Why streams ended for good, which none has to. */
  readonly over: readonly unknown[];
  /** The moments at which clients of streams connected again, by `performance.now()`. */
  readonly reconnects: readonly number[];
  /** Fulfilled when all have left. */
  stop(): Promise<void>;
}

export interface Crowd {
  /** Half of them over HTTP/1.1, half over HTTP/2, each with a kept connection of its own. */
  readonly pollers: number;
  readonly pollMs: number;
  /** One half over SSE, of which every second one over HTTP/2, and one half over WebSocket. */
  readonly streams: number;
  readonly backfillId: string;
}

/** How to reach the balancer from one of the addresses of this machine. */
export interface Way {
  readonly ca: Buffer;
  readonly servername: string;
  readonly localAddress: string;
}

/** Balancers tell clients by their addresses. */
export function wayTo({ ca }: Balancer, n: number): Way {
  return { ca, servername: 'localhost', localAddress: `127.0.${1 + Math.floor(n / 200)}.${1 + (n % 200)}` };
}

export function startClients(
  balancer: Balancer,
  { pollers, pollMs, streams, backfillId }: Crowd,
): BalancedClients {
  const authority = `127.0.0.1:${balancer.port}`;
  const outcomes = new Map<string, number>();
  const pollTimes: number[] = [];
  const latest = Array.from<unknown>({ length: streams });
  const over: unknown[] = [];
  const reconnects: number[] = [];
  const leaving: (() => unknown)[] = [];
  let stopped = false;

  const polled = JSON.stringify({ query: `{ backfill(id: "${backfillId}") { status } }` });
  async function poll(n: number): Promise<void> {
    const client = (n % 2 === 0 ? overHttp1 : overHttp2)(authority, wayTo(balancer, n));
    await pause((pollMs * n) / pollers);
    while (!stopped) {
      const askedAt = performance.now();
      const outcome = await client.ask(polled).then(outcomeOf, String);
      pollTimes.push(performance.now() - askedAt);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      await pause(pollMs);
    }
    client.close();
  }

  const query = `subscription { backfillUpdated(id: "${backfillId}") { transferRunsCompleted } }`;
  function follow(n: number): void {
    let connections = 0;
    const stream: Stream = {
      query,
      connecting: () => {
        if (connections++ > 0) reconnects.push(performance.now());
      },
      sink: {
        next: ({ data }) => (latest[n] = data?.backfillUpdated.transferRunsCompleted),
        error: (error) => over.push(error),
        complete: () => {
          if (!stopped) over.push('complete');
        },
      },
    };
    const subscribe = n % 2 === 0 ? overWebSocket : overSse(n % 4 === 1);
    leaving.push(subscribe(authority, wayTo(balancer, pollers + n), stream));
  }

  const polling = Array.from({ length: pollers }, (_, n) => poll(n));
  for (let n = 0; n < streams; n++) follow(n);

  return {
    outcomes,
    pollTimes,
    latest,
    over,
    reconnects,
    async stop() {
      stopped = true;
      await Promise.all([...polling, ...leaving.map((leave) => leave())]);
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

function outcomeOf({ status, body }: Answer): string {
  const isRight = status === 200 && body === '{"data":{"backfill":{"status":"RUNNING"}}}';
  return isRight ? 'ok' : `${status} ${body.slice(0, 200).replaceAll(/\s+/g, ' ')}`;
}

/** A client with one kept connection. Rejects where it gets no answer. */
export interface Poller {
  ask(body: string): Promise<Answer>;
  close(): void;
}

export function overHttp1(authority: string, way: Way): Poller {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...way });
  return {
    async ask(body) {
      const headers = {
        ...CALLER,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      };
      const asked = send(`https://${authority}/graphql`, { method: 'POST', agent, headers }).end(body);
      const [answer] = (await once(asked, 'response')) as [
        NodeJS.ReadableStream & { readonly statusCode: number },
      ];
      return { status: answer.statusCode, body: await text(answer) };
    },
    close: () => agent.destroy(),
  };
}

/** As browsers do, it opens another connection when the balancer is about to close the one that it has. */
export function overHttp2(authority: string, way: Way): Poller {
  let session: ClientHttp2Session | undefined;
  return {
    async ask(body) {
      if (session === undefined || session.closed || session.destroyed) {
        session = connectHttp2(`https://${authority}`, way);
        session.on('error', () => undefined);
      }
      const headers = {
        ':method': 'POST',
        ':path': '/graphql',
        ...CALLER,
        'content-type': 'application/json',
      };
      const stream = session.request(headers).end(body);
      const [answer] = (await once(stream, 'response')) as [{ readonly ':status': number }];
      return { status: answer[':status'], body: await text(stream) };
    },
    close: () => session?.destroy(),
  };
}

export interface Event {
  readonly data?: { readonly backfillUpdated: { readonly transferRunsCompleted: unknown } } | null;
}

export interface Stream {
  readonly query: string;
  /** Told of each attempt to connect. */
  readonly connecting: () => void;
  readonly sink: { next(event: Event): void; error(error: unknown): void; complete(): void };
}

/** Clients as the README shows them. @returns what ends the stream and its connection */
export type Subscribe = (authority: string, way: Way, stream: Stream) => () => unknown;

export const overSse =
  (allowH2: boolean): Subscribe =>
  (authority, way, { query, connecting, sink }) => {
    const dispatcher = new FetchAgent({ allowH2, connect: { ...way } });
    const client = createSseClient({
      url: `https://${authority}/graphql`,
      headers: CALLER,
      retryAttempts: Infinity,
      fetchFn(url: string, init: object) {
        connecting();
        return fetchByUndici(url, { ...init, dispatcher });
      },
    });
    const leave = client.subscribe({ query }, sink);
    return () => {
      leave();
      return dispatcher.destroy();
    };
  };

export const overWebSocket: Subscribe = (authority, way, { query, connecting, sink }) => {
  const client = createWsClient({
    url: `wss://${authority}/graphql`,
    connectionParams: CALLER,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    webSocketImpl: class extends WebSocket {
      constructor(url: string, protocols: string) {
        connecting();
        super(url, protocols, { ...way });
      }
    },
  });
  client.subscribe({ query }, sink);
  return () => client.dispose();
};
