import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { RunningGateway } from '../../src/running-gateway.ts';
import { envelope } from '../../src/sandbox/faults.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { createWorld } from '../../src/sandbox/world/world.ts';

/** Teams, each of which the REST API answers in its own way once there are faults. */
const TEAMS = {
  well: '1',
  reset: '2',
  hanging: '3',
  senseless: '4',
  forbidden: '5',
  limited: '6',
  failing: '7',
} as const;
const TOKEN = 'sandbox-full';
const FAILING = ['fails-1', 'fails-2', 'fails-3'] as const;

const PAGE = `{ transfers(ids: [5, 6, 7, 8]) { latestBackfill { status } } incompleteBackfills { isPartial } }`;

/** Requests and streams that move every metric, over a REST API that is well at first. */
export interface Traffic {
  readonly sandbox: Sandbox;
  /** Reads, a write, and streams over both transports that complete, fail and are left. */
  ordinary(gateway: RunningGateway): Promise<void>;
  addFaults(): void;
  /** What each fault costs, and more requests than one caller's share. The common circuit is open at the end. */
  troubled(gateway: RunningGateway): Promise<void>;
}

export async function startTraffic(): Promise<Traffic> {
  const world = createWorld();
  for (const token of [...FAILING, 'limited']) world.addToken(token, { teams: 'all', permissions: 'edit' });
  for (const teamId of Object.values(TEAMS)) world.addBackfill({ transferId: '5', teamId });
  const running = world.addBackfill({ transferId: '6', status: 'RUNNING' });
  const completed = world.addBackfill({ transferId: '7', status: 'COMPLETED' });
  world.addTransfer(TEAMS.well, '9');
  const sandbox = await startSandbox({ world, hourlyQuota: Infinity });

  return {
    sandbox,

    async ordinary(gateway) {
      for (let n = 0; n < 5; n++) await Promise.all([ask(gateway, PAGE), ask(gateway, PAGE)]);
      const range = 'rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-02"';
      await ask(gateway, `mutation { createBackfill(input: { transferId: 9, ${range} }) { id } }`);
      for (const follow of [overSse, overWebSocket]) {
        for (const id of [completed, '404']) await follow(gateway, id, 'to its end');
        await follow(gateway, running, 'one event');
      }
    },

    addFaults() {
      for (const [teamId, answer] of [
        [TEAMS.reset, { kind: 'reset', at: 'before-headers' }],
        [TEAMS.hanging, { kind: 'hang' }],
        [TEAMS.senseless, { kind: 'raw', bytes: '{}' }],
        [TEAMS.forbidden, refusal(403)],
        [TEAMS.limited, refusal(429, { 'retry-after': '60' })],
        [TEAMS.failing, refusal(500)],
      ] as const) {
        sandbox.faults.add({ when: { teamId }, times: Infinity, answer });
      }
    },

    async troubled(gateway) {
      const read = (token: string, team: string): Promise<void> =>
        ask(gateway, '{ transfer(id: 5) { latestBackfill { status } } }', { token, team });
      await Promise.all([
        read(TOKEN, TEAMS.reset),
        read(TOKEN, TEAMS.senseless),
        read(TOKEN, TEAMS.forbidden),
        read('unknown', TEAMS.well),
        ...Array.from({ length: 60 }, () => read(TOKEN, TEAMS.hanging)),
      ]);
      for (const team of [TEAMS.limited, TEAMS.limited]) await read('limited', team);
      const rows = `{ backfills(ids: [${Array.from({ length: 12 }, (_, n) => 100 + n).join()}]) { id } }`;
      for (const token of FAILING) await ask(gateway, rows, { token, team: TEAMS.failing });
      // What is known is stale now, and all else is refused.
      for (let n = 0; n < 5; n++) await ask(gateway, PAGE);
    },
  };
}

function refusal(status: number, headers: Readonly<Record<string, string>> = {}) {
  return { kind: 'status', status, headers, body: envelope('TROUBLE', 'In trouble.') } as const;
}

interface By {
  readonly token?: string;
  readonly team?: string;
}

function headersOf({ token = TOKEN, team = TEAMS.well }: By = {}): Record<string, string> {
  return { authorization: `Bearer ${token}`, 'x-team-id': team };
}

async function ask({ port }: RunningGateway, query: string, by?: By): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headersOf(by) },
    body: JSON.stringify({ query }),
  });
  await response.arrayBuffer();
}

type Until = 'to its end' | 'one event';

const subscription = (id: string): string => `subscription { backfillUpdated(id: ${id}) { status } }`;

async function overSse({ port }: RunningGateway, id: string, until: Until): Promise<void> {
  const leaving = new AbortController();
  const { body } = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headersOf() },
    body: JSON.stringify({ query: subscription(id) }),
    signal: leaving.signal,
  });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const step = await reader?.read();
    if (step?.done !== false) return;
    if (until === 'one event' && step.value.includes('event: next')) break;
  }
  leaving.abort();
}

async function overWebSocket({ port }: RunningGateway, id: string, until: Until): Promise<void> {
  const client = createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: headersOf(),
  });
  const events = client.iterate({ query: subscription(id) });
  // An error before the first event ends the stream too.
  await events.next().catch(() => undefined);
  if (until === 'to its end') await events.next().catch(() => undefined);
  await client.dispose();
}
