import { createRequest, Client as UrqlClient, fetchExchange } from '@urql/core';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { startSandbox } from '../../src/sandbox/server.ts';
import { createWorld, type World } from '../../src/sandbox/world/world.ts';
import {
  buildGateway,
  type BuiltGateway,
  freePort,
  type GatewayProcess,
  runBuilt,
  type RunOptions,
} from '../support/built-gateway.ts';
import { composeByGuild } from '../support/compose.ts';
import { startHiveGateway, startHiveGatewayOverWebSocket, type StartRouter } from '../support/routers.ts';

let built: BuiltGateway;
beforeAll(async () => {
  built = await buildGateway();
}, 180_000);
afterAll(() => built.remove());

const HEADERS = { Authorization: 'Bearer sandbox-full', 'X-Team-Id': '1' };

interface Restarts {
  readonly world: World;
  /** A running backfill, of which so many runs are done. */
  readonly id: string;
  done(runs: number): void;
  start(options?: Partial<RunOptions>): Promise<GatewayProcess>;
}

/** Gateways that follow one another on the same port unless told otherwise. */
async function restarts(): Promise<Restarts> {
  const world = createWorld();
  const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
  onTestFinished(() => sandbox.close());
  const usual = await freePort();
  return {
    world,
    id,
    done: (runs) => world.set(id, { transfer_runs_total: 200, transfer_runs_completed: runs }),
    start: ({ port = usual, env = {}, command } = {}) =>
      runBuilt(built, {
        port,
        env: { SUPERMETRICS_API_URL: sandbox.url, SUBSCRIPTION_POLL_MS: '100', ...env },
        ...(command && { command }),
      }),
  };
}

async function stop({ child, exited }: GatewayProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  child.kill(signal);
  expect(await exited).toBe(0);
}

const subscription = (id: string): string => `subscription { backfillUpdated(id: "${id}") { transferRunsCompleted } }`;

/** Subscribes; calls `seen` with the runs that each event says are done, and `over` when the client gives up. */
type Follow = (url: string, query: string, seen: (runs: unknown) => void, over: (why: unknown) => void) => void;

interface Event {
  readonly data?: unknown;
}
const runsOf = ({ data }: Event): unknown =>
  (data as { backfillUpdated: { transferRunsCompleted: unknown } } | null | undefined)?.backfillUpdated
    .transferRunsCompleted;

/** As the README says. */
const overGraphqlWs: Follow = (url, query, seen, over) => {
  const client = createWsClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: HEADERS,
    webSocketImpl: WebSocket,
  });
  onTestFinished(() => void client.dispose());
  const sink = { next: (event: Event) => seen(runsOf(event)), error: over, complete: () => over('complete') };
  client.subscribe({ query }, sink);
};

const overGraphqlSse: Follow = (url, query, seen, over) => {
  const client = createSseClient({ url, headers: HEADERS });
  onTestFinished(() => client.dispose());
  const sink = { next: (event: Event) => seen(runsOf(event)), error: over, complete: () => over('complete') };
  client.subscribe({ query }, sink);
};

/** urql tells of a lost connection and leaves it to its user, or to an exchange, to subscribe again. */
const overUrql: Follow = (url, query, seen, over) => {
  const client = new UrqlClient({
    url,
    exchanges: [fetchExchange],
    fetchSubscriptions: true,
    fetchOptions: { headers: HEADERS },
    preferGetMethod: false,
  });
  let stopped = false;
  onTestFinished(() => {
    stopped = true;
  });
  function subscribe(): void {
    let lost = false;
    const { unsubscribe } = client
      .executeSubscription(createRequest(query, {}))
      .subscribe(({ data, error, hasNext }) => {
        if (error?.networkError !== undefined) {
          lost = true;
          if (!stopped) setTimeout(subscribe, 250);
        } else if (data !== undefined) seen(runsOf({ data }));
        if (!hasNext && !lost) over(error ?? 'complete');
      });
    onTestFinished(unsubscribe);
  }
  subscribe();
};

/** Clients talk SSE to the router, whatever the router talks to the gateway. */
const throughHive =
  (start: StartRouter): Follow =>
  (url, query, seen, over) => {
    void (async () => {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: '{ _service { sdl } }' }),
      });
      const { data } = (await answer.json()) as { data: { _service: { sdl: string } } };
      const { supergraph = '' } = composeByGuild([{ name: 'backfills', url, sdl: data._service.sdl }]);
      overGraphqlSse(await start(supergraph), query, seen, over);
    })().catch(over);
  };

/** Hive takes a lost event stream for an error of the subscription, which its client has to answer by another one. */
const throughHiveOverSse: Follow = (url, query, seen, over) => {
  let router = '';
  let failed = false;
  const onEvent = (runs: unknown): void => {
    failed = runs === undefined;
    if (!failed) seen(runs);
  };
  const onEnd = (why: unknown): void => {
    if (failed) setTimeout(subscribe, 500);
    else over(why);
  };
  const subscribe = (): void => overGraphqlSse(router, query, onEvent, onEnd);
  const start: StartRouter = async (supergraph) => (router = await startHiveGateway(supergraph));
  throughHive(start)(url, query, onEvent, onEnd);
};

describe.each<[name: string, follow: Follow]>([
  ['graphql-ws', overGraphqlWs],
  ['graphql-sse', overGraphqlSse],
  ["urql's own fetch", overUrql],
  ['Hive Gateway over SSE', throughHiveOverSse],
  ['Hive Gateway over WebSocket', throughHive(startHiveGatewayOverWebSocket)],
])('a stream of %s', (_name, follow) => {
  it('goes on by itself after the gateway was stopped and started again', async () => {
    const { id, done, start } = await restarts();
    done(1);
    const first = await start();
    const seen: unknown[] = [];
    const over: unknown[] = [];
    follow(`${first.origin}/graphql`, subscription(id), (runs) => seen.push(runs), (why) => over.push(why));
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([1]);

    await stop(first);
    done(2);
    await start();
    await expect.poll(() => [seen.at(-1), over], { timeout: 15_000 }).toEqual([2, []]);
    done(3);
    await expect.poll(() => [seen.at(-1), over], { timeout: 5_000 }).toEqual([3, []]);
  }, 60_000);
});
