import { Agent, request as send } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

/** A client that follows one backfill for as long as it is let. */
export interface Follower {
  leave(): void;
}

/** Fulfilled with the first event. */
export type Follow = (url: string, backfillId: string, onEvent: () => void) => Promise<Follower>;

const AT_ONCE = 100;
const ATTEMPTS = 20;

/** Follows the backfills in turn with so many streams, a hundred of which begin at a time. */
export async function followMany(
  follow: Follow,
  {
    url,
    ids,
    count,
    onEvent,
  }: {
    readonly url: string;
    readonly ids: readonly string[];
    readonly count: number;
    readonly onEvent: () => void;
  },
): Promise<readonly Follower[]> {
  const followers: Follower[] = [];
  for (let n = 0; n < count; n += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - n) }, (_, m) =>
      persistently(() => follow(url, ids[(n + m) % ids.length] ?? '', onEvent), ATTEMPTS),
    );
    followers.push(...(await Promise.all(some)));
  }
  return followers;
}

/** As clients do: on a busy machine the gateway turns some away for a second. */
async function persistently<Value>(attempt: () => Promise<Value>, attempts: number): Promise<Value> {
  try {
    return await attempt();
  } catch (error) {
    if (attempts === 1) throw error;
    await sleep(1_000);
    return persistently(attempt, attempts - 1);
  }
}

const CALLER = { Authorization: 'Bearer sandbox-full', 'X-Team-Id': '1' };

const query = (id: string): string =>
  `subscription { backfillUpdated(id: "${id}") { status progress transferRunsCompleted estimatedEndTime fetchedAt } }`;

const agent = new Agent({ maxSockets: Infinity });

export const followOverSse: Follow = (url, id, onEvent) =>
  new Promise((resolve, reject) => {
    const headers = { ...CALLER, 'Content-Type': 'application/json', Accept: 'text/event-stream' };
    const request = send(url, { method: 'POST', headers, agent }, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        reject(new Error(`status ${response.statusCode ?? 0}`));
        return;
      }
      response.setEncoding('utf8').on('data', (text: string) => {
        for (let at = text.indexOf('event: next'); at >= 0; at = text.indexOf('event: next', at + 1))
          onEvent();
        if (text.includes('event: next')) resolve({ leave: () => request.destroy() });
      });
      response.on('error', () => undefined);
    });
    request.on('error', reject).end(JSON.stringify({ query: query(id) }));
  });

/** With a socket of its own, which costs most. */
export const followOverWebSocket: Follow = (url, id, onEvent) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), 'graphql-transport-ws');
    socket.on('error', reject);
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: CALLER })));
    socket.on('message', (data: Buffer) => {
      const { type } = JSON.parse(data.toString('utf8')) as { readonly type: string };
      if (type === 'connection_ack') {
        socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query: query(id) } }));
      } else if (type === 'next') {
        onEvent();
        resolve({ leave: () => socket.terminate() });
      } else {
        socket.terminate();
        reject(new Error(data.toString('utf8')));
      }
    });
  });
