import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'undici';

/**
 * Ordinary clients at an easy pace, a process of their own. Each has one kept connection and polls its dashboard of ten
 * transfers and a completed backfill. A poll's time counts from when it is due: a gateway that stands still makes the
 * polls late that it kept from being sent, too.
 */
export type OrdinaryOrder =
  | ({ readonly order: 'begin'; readonly url: string } & Pace)
  /** Answered by an {@link OrdinaryReply}. */
  | { readonly order: 'end' };

export interface Pace {
  /** How many share one service key; each of the others has a key of its own. */
  readonly sharingKey: number;
  /** Milliseconds from when a poll is due to when the next one is. */
  readonly pauseMs: readonly [min: number, max: number];
  /** Each so many polls a client opens a stream beside, and leaves with its first event; never where it is not given. */
  readonly pollsPerStream?: number;
}

export interface OrdinaryReply {
  readonly polls: readonly Poll[];
}

export interface Poll {
  /** Milliseconds since the epoch. */
  readonly dueAt: number;
  readonly ms: number;
  /** What is wrong with the answer; absent where it is whole, right and fresh. */
  readonly fault?: string;
  /** Whether it is a stream; its time is that until the first event. */
  readonly isStream: boolean;
}

export const ORDINARY_CLIENTS = 20;
const TRANSFERS = 10;
const TIMEOUTS = { headersTimeout: 30_000, bodyTimeout: 30_000 };
const QUERY = `query Dashboard($ids: [ID!]!, $completed: ID!) {
  backfill(id: $completed) { id status }
  transfers(ids: $ids) { id latestBackfill { id status progress fetchedAt isStale } }
}`;

const SUBSCRIPTION = 'subscription Follow($id: ID!) { backfillUpdated(id: $id) { id status isStale } }';

/** Who a client is, and what it shows. */
interface Identity {
  readonly headers: Readonly<Record<string, string>>;
  readonly ids: readonly string[];
  readonly completed: string;
}

function identityOf(number: number, { sharingKey }: Pace): Identity {
  const shares = number < sharingKey;
  const first = 100_000_000_000 + (shares ? 0 : number * TRANSFERS);
  return {
    headers: {
      authorization: `Bearer ordinary-${shares ? 'service' : number}`,
      'x-team-id': '1',
      'content-type': 'application/json',
    },
    ids: Array.from({ length: TRANSFERS }, (_, n) => String(first + n)),
    completed: String(90_000_000_000_000 + (shares ? 0 : number)),
  };
}

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

async function poll(client: Client, { headers, ids, completed }: Identity): Promise<string | undefined> {
  try {
    const { statusCode, body } = await client.request({
      method: 'POST',
      path: '/graphql',
      headers,
      body: JSON.stringify({ query: QUERY, variables: { ids, completed } }),
    });
    const text = await body.text();
    return statusCode === 200 ? faultOf(JSON.parse(text) as Body, ids, completed) : `status ${statusCode}`;
  } catch (error) {
    return noAnswer(error);
  }
}

/** Opens a stream on a connection of its own, and leaves with its first event. */
async function follow(origin: string, { headers, ids: [id = ''] }: Identity): Promise<string | undefined> {
  const client = new Client(origin, TIMEOUTS);
  try {
    const { statusCode, body } = await client.request({
      method: 'POST',
      path: '/graphql',
      headers: { ...headers, accept: 'text/event-stream' },
      body: JSON.stringify({ query: SUBSCRIPTION, variables: { id: `9${id}` } }),
    });
    if (statusCode !== 200) return `stream: status ${statusCode}`;
    let text = '';
    for await (const chunk of body as AsyncIterable<Buffer>) {
      text += chunk.toString();
      if (/^data: .*\n/m.test(text)) break;
    }
    const [, code] = /"code":"(\w+)"/.exec(text) ?? [];
    if (code !== undefined) return `stream: ${code}`;
    return text.includes(`"id":"9${id}"`) ? undefined : 'stream: not what was asked for';
  } catch (error) {
    return `stream: ${noAnswer(error)}`;
  } finally {
    await client.destroy();
  }
}

function noAnswer(error: unknown): string {
  return `no answer: ${error instanceof Error ? error.message : String(error)}`;
}

/** Returns a function that ends the polls and gives them back once the last one is answered. */
function begin(url: string, pace: Pace): () => Promise<OrdinaryReply> {
  const polls: Poll[] = [];
  let ended = false;
  const { origin } = new URL(url);
  const {
    pauseMs: [minMs, maxMs],
    pollsPerStream = Infinity,
  } = pace;

  async function note(
    isStream: boolean,
    dueAt: number,
    answered: Promise<string | undefined>,
  ): Promise<void> {
    const fault = await answered;
    polls.push({ dueAt, ms: Date.now() - dueAt, isStream, ...(fault === undefined ? {} : { fault }) });
  }

  async function live(number: number): Promise<void> {
    const identity = identityOf(number, pace);
    const client = new Client(origin, TIMEOUTS);
    const streams: Promise<void>[] = [];
    let dueAt = Date.now() + Math.random() * maxMs;
    for (let n = number; ; n++) {
      await sleep(Math.max(0, dueAt - Date.now()));
      // No `while (!ended)`: it changes while this function waits.
      if (isEnded()) break;
      if (n % pollsPerStream === 0) streams.push(note(true, dueAt, follow(origin, identity)));
      await note(false, dueAt, poll(client, identity));
      dueAt += minMs + Math.random() * (maxMs - minMs);
    }
    await Promise.all([client.close(), ...streams]);
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
    end = begin(message.url, message);
    process.send?.('begun');
  } else void end?.().then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
