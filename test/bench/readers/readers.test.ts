import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { serve } from '../../support/serve.ts';
import { createLivingWorld, type LivingWorld, type RowState, type WorldPlan } from '../living-world.ts';
import { startWorker } from '../processes.ts';
import type { ReadersOrder, ReadersResult } from './readers.ts';

const PLAN: Omit<WorldPlan, 'startsAt'> = {
  seed: 3,
  quietMs: 1_500,
  changingMs: 1_500,
  firstTransferId: 7_000,
  transfers: 6,
  running: 4,
  changeEveryMs: 500,
  endShare: 0.1,
};

/** What a server shows of a transfer whose state is this one. */
type Shows = (state: RowState, states: readonly RowState[]) => RowState;

const truly: Shows = (state) => state;

/** Answers polls and streams of a living world. */
class Server {
  readonly #world: LivingWorld;
  readonly #shows: Shows;

  constructor(world: LivingWorld, shows: Shows) {
    this.#world = world;
    this.#shows = shows;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) body += chunk;
    const { variables } = JSON.parse(body) as {
      readonly variables: { readonly id?: string; readonly ids?: readonly string[] };
    };
    if (variables.id !== undefined) {
      this.#stream(Number(variables.id), response);
      return;
    }
    const transfers = (variables.ids ?? []).map((id) => {
      const row = this.#world.rows.find(({ transferId }) => String(transferId) === id);
      const state = this.#world.latest(Number(id), Date.now());
      return { id, latestBackfill: row && state && wire(this.#shows(state, row.states)) };
    });
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ data: { transfers } }));
  }

  #stream(backfillId: number, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let shown: RowState | undefined;
    const look = (): void => {
      const state = this.#world.backfill(backfillId, Date.now())?.state;
      if (state === shown || state === undefined) return;
      shown = state;
      const data = JSON.stringify({ data: { backfillUpdated: wire(state) } });
      response.write(`event: next\ndata: ${data}\n\n`);
      if (state.status === 'COMPLETED') response.end('event: complete\ndata:\n\n');
    };
    look();
    const timer = setInterval(look, 20);
    response.on('close', () => clearInterval(timer));
  }
}

function wire({ backfillId, status, version }: RowState) {
  return { id: String(backfillId), status, transferRunsCompleted: version };
}

/** The readers are a process of their own, which is why the world has real time; it lasts for three seconds of it. */
async function read(shows: Shows, streams = 0): Promise<ReadersResult & { readonly changes: number }> {
  const world: WorldPlan = { ...PLAN, startsAt: Date.now() + 3_000 };
  const living = createLivingWorld(world);
  const server = new Server(living, shows);
  const url = `${await serve((request, response) => void server.handle(request, response))}/graphql`;
  const readers = startWorker<ReadersOrder, ReadersResult>('readers/readers.ts');
  onTestFinished(() => readers.stop());
  const order = { url, world, pollers: 3, rows: PLAN.transfers, pollMs: 200, credentials: 2, tailMs: 1_000 };
  const result = await readers.ask({ ...order, streams });
  return { ...result, changes: living.rows.flatMap(({ states }) => states.slice(1)).length };
}

it('readers of a server that is always right see every change and find no fault', async () => {
  const { changes, polled, streamed, ...result } = await read(truly, 8);
  expect(result).toMatchObject({ failed: 0, wrong: 0, older: 0, never: 0, refused: 0, reasons: [] });
  expect(changes).toBeGreaterThan(4);
  expect(polled.count).toBeGreaterThan(0);
  // Each poller shows every transfer; one that came late found some changes made.
  expect(polled.count).toBeLessThanOrEqual(3 * changes);
  expect(polled.p50).toBeGreaterThan(0);
  expect(streamed.count).toBeGreaterThan(0);
  expect(result.answers.count).toBeGreaterThan(0);
});

const LIES: Readonly<Record<string, readonly ['never' | 'older' | 'wrong', Shows]>> = {
  'keeps what it read first': ['never', (state, states) => states[0] ?? state],
  'forgets a change now and then': [
    'older',
    (state, states) => states[state.version - (Date.now() % 2)] ?? state,
  ],
  'tells what is still to come': ['wrong', (state, states) => states[state.version + 1] ?? state],
  'mixes rows up': ['wrong', (state) => ({ ...state, backfillId: state.backfillId + 1 })],
};

it('readers count each fault of a server as what it is', async () => {
  const found = await Promise.all(
    Object.entries(LIES).map(async ([what, [fault, shows]]) => {
      const result = await read(shows);
      return [what, fault, result[fault] > 0, result.reasons.length > 0 || fault === 'never'];
    }),
  );
  expect(found).toEqual(Object.entries(LIES).map(([what, [fault]]) => [what, fault, true, true]));
}, 40_000);
