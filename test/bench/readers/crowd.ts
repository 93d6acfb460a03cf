import { seededRandom, someOf } from '../random.ts';
import { dashboardBody, expectedDashboard, headersOf, isRight } from '../speed/workloads.ts';
import { type Spread, spreadOf } from '../statistics.ts';
import { type Asked, atItsMoments, OpenLoopClient } from './open-loop.ts';

/**
 * A crowd that comes and goes, a process of its own: in each phase so many clients ask for a dashboard of their own at
 * their moments. Who stays from one phase to the next keeps its connection.
 */
export interface CrowdOrder {
  readonly url: string;
  readonly phases: readonly Phase[];
  readonly everyMs: number;
  /** Transfers of each dashboard, and of how many they are drawn. */
  readonly rows: number;
  readonly transfers: number;
  readonly firstTransferId: number;
}

export interface Phase {
  readonly clients: number;
  readonly seconds: number;
}

export interface PhaseResult {
  readonly clients: number;
  /** From the moment at which a request was due to its answer. */
  readonly answers: Spread;
  /** How late requests were sent. */
  readonly late: Spread;
  readonly failed: number;
  readonly reason: string | undefined;
}

interface Client {
  readonly body: string;
  readonly expected: Buffer;
  readonly offsetMs: number;
  connection: OpenLoopClient | undefined;
  /** Fulfilled once nothing that it asked for is under way. */
  answered: Promise<unknown>;
}

const SEED = 7;

/** What happens to the requests of one phase. An answer belongs to the phase in which it was due. */
class Tally {
  readonly #clients: number;
  readonly #answers: number[] = [];
  readonly #late: number[] = [];
  #failed = 0;
  #reason: string | undefined;

  constructor(clients: number) {
    this.#clients = clients;
  }

  async ask(client: Client, connection: OpenLoopClient, { scheduledAt, sentAt }: Asked): Promise<void> {
    this.#late.push(sentAt - scheduledAt);
    const { status, text } = await connection.ask();
    this.#answers.push(Date.now() - scheduledAt);
    if (status === 200 && isRight(Buffer.from(text), client.expected)) return;
    this.#failed++;
    this.#reason ??= `status ${status}: ${text.slice(0, 300)}`;
  }

  result(): PhaseResult {
    return {
      clients: this.#clients,
      answers: spreadOf(this.#answers),
      late: spreadOf(this.#late),
      failed: this.#failed,
      reason: this.#reason,
    };
  }
}

async function run(order: CrowdOrder): Promise<readonly PhaseResult[]> {
  const clients = planClients(order);
  const tallies: Tally[] = [];
  let startsAt = Date.now() + 200;
  for (const [index, { clients: count, seconds }] of order.phases.entries()) {
    const tally = new Tally(count);
    tallies.push(tally);
    const endsAt = startsAt + seconds * 1000;
    const moments = { everyMs: order.everyMs, until: () => endsAt };
    await Promise.all(
      clients.slice(0, count).map((client) => {
        const connection = (client.connection ??= new OpenLoopClient(order.url, headersOf(0), client.body));
        return atItsMoments({ ...moments, firstAt: startsAt + client.offsetMs }, (asked) => {
          client.answered = Promise.all([client.answered, tally.ask(client, connection, asked)]);
        });
      }),
    );
    const staying = order.phases[index + 1]?.clients ?? 0;
    for (const client of clients.slice(staying, count)) leave(client);
    startsAt = endsAt;
  }
  await Promise.all(clients.map(({ answered }) => answered));
  return tallies.map((tally) => tally.result());
}

/** Who leaves waits for its last answer. */
function leave(client: Client): void {
  const { connection } = client;
  client.connection = undefined;
  client.answered = client.answered.then(() => connection?.close());
}

function planClients({ phases, rows, transfers, firstTransferId, everyMs }: CrowdOrder): readonly Client[] {
  const random = seededRandom(SEED);
  const all = Array.from({ length: transfers }, (_, n) => String(firstTransferId + n));
  const most = Math.max(...phases.map(({ clients }) => clients));
  return Array.from({ length: most }, () => {
    const ids = someOf(all, rows, random);
    return {
      body: dashboardBody(ids),
      expected: Buffer.from(expectedDashboard(ids)),
      offsetMs: random() * everyMs,
      connection: undefined,
      answered: Promise.resolve(),
    };
  });
}

process.on('message', (order: CrowdOrder) => {
  void run(order).then((results) => process.send?.(results));
});
process.on('disconnect', () => process.exit());
