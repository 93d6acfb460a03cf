import { setTimeout as sleep } from 'node:timers/promises';
import { createLivingWorld, lastVersionOfFirst, type LivingWorld, type WorldPlan } from '../living-world.ts';
import { seededRandom, someOf } from '../random.ts';
import { type Spread, spreadOf } from '../statistics.ts';
import { atItsMoments, type Asked, OpenLoopClient } from './open-loop.ts';
import { Sightings, type Shown } from './sightings.ts';
import { openStream } from './sse-stream.ts';

/**
 * Readers of a living world, a process of its own. Pollers ask for dashboards at their moments, and streams watch one
 * backfill each. They know the plan of the world, so each value that they are shown is held against it, and timed.
 */
export interface ReadersOrder {
  readonly url: string;
  readonly world: WorldPlan;
  readonly pollers: number;
  /** Transfers of each dashboard, drawn at random. */
  readonly rows: number;
  readonly pollMs: number;
  readonly streams: number;
  /** How many the readers share, in turn. */
  readonly credentials: number;
  /** How long after the last change a reader may still learn of it. */
  readonly tailMs: number;
}

export interface ReadersResult {
  readonly polls: number;
  /** From a change to its arrival, for each change and each reader that shows its row, in milliseconds. */
  readonly polled: Spread;
  readonly streamed: Spread;
  /** From the moment at which a poll was due to its answer, while there are changes. */
  readonly answers: Spread;
  /** How late polls were sent: more than some milliseconds, and the machine was too busy for the figures to count. */
  readonly late: Spread;
  /** Share of a core that the readers used while there were changes. */
  readonly readersBusy: number;
  /** Streams that were turned away while they were opened, and came again. */
  readonly refused: number;
  /** Polls with no answer or an error, and streams that ended before their backfill. */
  readonly failed: number;
  readonly wrong: number;
  readonly older: number;
  /** Changes that a reader still had not seen after the tail. */
  readonly never: number;
  /** The first few faults, in words. */
  readonly reasons: readonly string[];
}

const TEAM = '7';
const FIRST_POLL_MS = 300;
const POLL_QUERY =
  'query Rows($ids: [ID!]!) { transfers(ids: $ids) { id latestBackfill { id status transferRunsCompleted } } }';
const STREAM_QUERY =
  'subscription Row($id: ID!) { backfillUpdated(id: $id) { id status transferRunsCompleted } }';

interface WireShown {
  readonly id: string;
  readonly status: string;
  readonly transferRunsCompleted: number;
}

type Fault = 'failed' | 'wrong' | 'older';

class Readers {
  readonly #order: ReadersOrder;
  readonly #world: LivingWorld;
  readonly #faults: Record<Fault, number> = { failed: 0, wrong: 0, older: 0 };
  readonly #reasons: string[] = [];
  readonly #polled: number[] = [];
  readonly #streamed: number[] = [];
  readonly #answers: number[] = [];
  readonly #late: number[] = [];
  readonly #sightings: Sightings[] = [];
  readonly #closing: (() => void)[] = [];
  #pollsUntil = Infinity;
  #polls = 0;
  #underWay = 0;
  #refused = 0;

  constructor(order: ReadersOrder) {
    this.#order = order;
    this.#world = createLivingWorld(order.world);
  }

  async run(): Promise<ReadersResult> {
    const { changesFrom, changesUntil } = this.#world;
    this.#startPollers();
    await this.#openStreams();
    await sleep(changesFrom - Date.now());
    const cpuBefore = process.cpuUsage();
    await sleep(changesUntil - Date.now());
    const { user, system } = process.cpuUsage(cpuBefore);
    const tailEnds = Date.now() + this.#order.tailMs;
    while (this.#unseen() > 0 && Date.now() < tailEnds) await sleep(200);
    this.#pollsUntil = 0;
    while (this.#underWay > 0) await sleep(50);
    for (const close of this.#closing) close();
    return {
      polls: this.#polls,
      polled: spreadOf(this.#polled),
      streamed: spreadOf(this.#streamed),
      answers: spreadOf(this.#answers),
      late: spreadOf(this.#late),
      readersBusy: (user + system) / 1000 / (changesUntil - changesFrom),
      refused: this.#refused,
      ...this.#faults,
      never: this.#unseen(),
      reasons: this.#reasons,
    };
  }

  #startPollers(): void {
    const { url, pollers, rows, pollMs, world } = this.#order;
    const random = seededRandom(world.seed + 1);
    for (let n = 0; n < pollers; n++) {
      const own = someOf(this.#world.rows, rows, random);
      const ids = own.map(({ transferId }) => String(transferId));
      const body = JSON.stringify({ query: POLL_QUERY, variables: { ids } });
      const client = new OpenLoopClient(url, this.#headersOf(n), body);
      this.#closing.push(() => client.close());
      const shown = own.map((row) => this.#watch(row, row.states.length - 1, this.#polled));
      const firstAt = world.startsAt + FIRST_POLL_MS + (n * pollMs) / pollers;
      void atItsMoments({ firstAt, everyMs: pollMs, until: () => this.#pollsUntil }, (asked) => {
        void this.#poll(client, ids, shown, asked);
      });
    }
  }

  async #poll(
    client: OpenLoopClient,
    ids: readonly string[],
    shown: readonly Sightings[],
    { scheduledAt, sentAt }: Asked,
  ): Promise<void> {
    const known = shown.map(({ seen }) => seen);
    this.#polls++;
    this.#underWay++;
    const { status, text } = await client.ask();
    this.#underWay--;
    const now = Date.now();
    if (scheduledAt >= this.#world.changesFrom && scheduledAt < this.#world.changesUntil) {
      this.#late.push(sentAt - scheduledAt);
      this.#answers.push(now - scheduledAt);
    }
    const transfers = transfersIn(status, text);
    if (transfers?.length !== ids.length) {
      this.#fault('failed', `a poll: status ${status}: ${text.slice(0, 300)}`);
      return;
    }
    transfers.forEach(({ id, latestBackfill }, n) => {
      const own = shown[n];
      if (own === undefined) return;
      if (id !== ids[n] || latestBackfill === null)
        this.#fault('wrong', `a poll of ${ids[n] ?? ''}: ${JSON.stringify({ id, latestBackfill })}`);
      else this.#take(own, latestBackfill, now, known[n] ?? -1, 'a poll');
    });
  }

  /** All are open after half of the time without changes, so that the opening of streams is over when those begin. */
  async #openStreams(): Promise<void> {
    const { streams, world } = this.#order;
    const from = world.startsAt + FIRST_POLL_MS;
    const forMs = Math.max(0, world.quietMs / 2 - FIRST_POLL_MS);
    for (let n = 0; n < streams; n++) {
      const wait = from + (n / streams) * forMs - Date.now();
      if (wait > 0) await sleep(wait);
      this.#openStream(n);
    }
  }

  #openStream(n: number): void {
    const { url, world } = this.#order;
    const row = this.#world.rows[n % world.running];
    if (row === undefined) return;
    const lastVersion = lastVersionOfFirst(row);
    const shown = this.#watch(row, lastVersion, this.#streamed);
    const [{ backfillId }] = row.states;
    let isOver = false;
    const close = openStream(
      {
        url,
        headers: this.#headersOf(n),
        body: JSON.stringify({ query: STREAM_QUERY, variables: { id: String(backfillId) } }),
        openUntil: this.#world.changesFrom,
      },
      {
        onRefused: () => this.#refused++,
        onEvent: (data) => {
          const backfill = backfillIn(data);
          if (backfill === undefined) {
            this.#fault('failed', `a stream: ${data.slice(0, 300)}`);
            return;
          }
          isOver = backfill.status === 'COMPLETED';
          this.#take(shown, backfill, Date.now(), shown.seen, 'a stream');
        },
        onEnd: (reason) => {
          if (!isOver) this.#fault('failed', `a stream of ${backfillId} ended before it: ${reason}`);
        },
      },
    );
    this.#closing.push(close);
  }

  #headersOf(n: number): Readonly<Record<string, string>> {
    const { credentials, world } = this.#order;
    return {
      // Nobody has met it in another run.
      authorization: `Bearer reader-${world.firstTransferId}-${n % credentials}`,
      'x-team-id': TEAM,
      'content-type': 'application/json',
      accept: 'application/json',
    };
  }

  #watch(row: LivingWorld['rows'][number], lastVersion: number, delays: number[]): Sightings {
    const sightings = new Sightings(row, {
      lastVersion,
      from: this.#world.changesFrom,
      until: this.#world.changesUntil,
      onDelay: (ms) => delays.push(ms),
    });
    this.#sightings.push(sightings);
    return sightings;
  }

  #take(own: Sightings, wire: WireShown, now: number, known: number, by: string): void {
    const shown: Shown = { id: wire.id, status: wire.status, version: wire.transferRunsCompleted };
    const verdict = own.take(shown, now, known);
    if (verdict === 'wrong' || verdict === 'older')
      this.#fault(verdict, `${by}: ${JSON.stringify(shown)} at ${now} after version ${known}`);
  }

  #fault(kind: Fault, reason: string): void {
    this.#faults[kind]++;
    if (this.#reasons.length < 10) this.#reasons.push(`${kind}: ${reason}`);
  }

  #unseen(): number {
    return this.#sightings.reduce((total, { unseen }) => total + unseen, 0);
  }
}

interface WireTransfer {
  readonly id: string;
  readonly latestBackfill: WireShown | null;
}

function transfersIn(status: number, text: string): readonly WireTransfer[] | undefined {
  if (status !== 200) return undefined;
  try {
    const answer = JSON.parse(text) as {
      readonly data?: { readonly transfers?: readonly WireTransfer[] };
      readonly errors?: unknown;
    };
    return answer.errors === undefined ? answer.data?.transfers : undefined;
  } catch {
    return undefined;
  }
}

function backfillIn(data: string): WireShown | undefined {
  try {
    const event = JSON.parse(data) as {
      readonly data?: { readonly backfillUpdated?: WireShown | null } | null;
      readonly errors?: unknown;
    };
    return event.errors === undefined ? (event.data?.backfillUpdated ?? undefined) : undefined;
  } catch {
    return undefined;
  }
}

process.on('message', (order: ReadersOrder) => {
  void new Readers(order).run().then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit());
