import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'undici';

/**
 * Ordinary clients at an easy pace, a process of their own. Each has one kept connection and polls its dashboard of ten
 * transfers and a completed backfill. A poll is due 250 to 500 ms after the one before was due, and its time counts from then: a gateway that
 * stands still makes the polls late that it kept from being sent, too.
 */
export type OrdinaryOrder =
  | { readonly order: 'begin'; readonly url: string }
  /** Answered by an {@link OrdinaryReply}. */
  | { readonly order: 'end' };

export interface OrdinaryReply {
  readonly polls: readonly Poll[];
}

export interface Poll {
  /** Milliseconds since the epoch. */
  readonly dueAt: number;
  readonly ms: number;
  /** What is wrong with the answer; absent where it is whole, right and fresh. */
  readonly fault?: string;
}

export const ORDINARY_CLIENTS = 20;
/** Clients that share one service key; each of the others has a key of its own. */
export const SERVICE_KEY_CLIENTS = 6;
const TRANSFERS = 10;
const MIN_PAUSE_MS = 250;
const MAX_PAUSE_MS = 500;
const QUERY = `query Dashboard($ids: [ID!]!, $completed: ID!) {
  backfill(id: $completed) { id status }
  transfers(ids: $ids) { id latestBackfill { id status progress fetchedAt isStale } }
}`;

interface Body {
  readonly data?: {
    readonly backfill: { readonly id: string; readonly status: string } | null;
    readonly transfers: readonly {
      readonly id: string;
      readonly latestBackfill: { readonly id: string; readonly isStale: boolean } | null;
    }[];
  } | null;
  readonly errors?: readonly { readonly extensions: { readonly code: string } }[];
}

function faultOf({ data, errors }: Body, ids: readonly string[], completed: string): string | undefined {
  const [error] = errors ?? [];
  if (error !== undefined) return error.extensions.code;
  const found = data?.transfers ?? [];
  const isRight = data?.backfill?.id === completed && data.backfill.status === 'COMPLETED';
  if (!isRight || !ids.every((id, at) => found[at]?.id === id && found[at].latestBackfill?.id === `9${id}`))
    return 'not what was asked for';
  return found.some(({ latestBackfill }) => latestBackfill?.isStale === true) ? 'stale' : undefined;
}

async function poll(client: Client, number: number): Promise<string | undefined> {
  const shares = number < SERVICE_KEY_CLIENTS;
  const first = 100_000_000_000 + (shares ? 0 : number * TRANSFERS);
  const ids = Array.from({ length: TRANSFERS }, (_, n) => String(first + n));
  const completed = String(90_000_000_000_000 + (shares ? 0 : number));
  try {
    const { statusCode, body } = await client.request({
      method: 'POST',
      path: '/graphql',
      headers: {
        authorization: `Bearer ordinary-${shares ? 'service' : number}`,
        'x-team-id': '1',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ query: QUERY, variables: { ids, completed } }),
    });
    const text = await body.text();
    return statusCode === 200 ? faultOf(JSON.parse(text) as Body, ids, completed) : `status ${statusCode}`;
  } catch (error) {
    return `no answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Returns a function that ends the polls and gives them back once the last one is answered. */
function begin(url: string): () => Promise<OrdinaryReply> {
  const polls: Poll[] = [];
  let ended = false;

  async function live(number: number): Promise<void> {
    const client = new Client(new URL(url).origin, { headersTimeout: 30_000, bodyTimeout: 30_000 });
    let dueAt = Date.now() + Math.random() * MAX_PAUSE_MS;
    for (;;) {
      await sleep(Math.max(0, dueAt - Date.now()));
      // No `while (!ended)`: it changes while this function waits.
      if (isEnded()) break;
      const fault = await poll(client, number);
      polls.push({ dueAt, ms: Date.now() - dueAt, ...(fault === undefined ? {} : { fault }) });
      dueAt += MIN_PAUSE_MS + Math.random() * (MAX_PAUSE_MS - MIN_PAUSE_MS);
    }
    await client.close();
  }
  const isEnded = (): boolean => ended;

  const lives = Array.from({ length: ORDINARY_CLIENTS }, (_, number) => live(number));
  return async () => {
    ended = true;
    await Promise.all(lives);
    return { polls };
  };
}

let end: (() => Promise<OrdinaryReply>) | undefined;

process.on('message', (message: OrdinaryOrder) => {
  if (message.order === 'begin') {
    end = begin(message.url);
    process.send?.('begun');
  } else void end?.().then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
