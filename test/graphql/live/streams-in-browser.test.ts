import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type * as GraphqlSse from 'graphql-sse';
import type * as GraphqlWs from 'graphql-ws';
import type { Browser } from 'playwright-core';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Stack, startStack, TEAM, TOKEN } from '../../harness.ts';
import { hasOpenssl } from '../../support/certificate.ts';
import { launchChromium, skipsWithoutChromium } from '../../support/chromium.ts';
import { startHttp2Front } from '../../support/http2-front.ts';
import { serve } from '../../support/serve.ts';
import { nextCallingPoll } from '../../support/streams.ts';

const CALLER = { Authorization: `Bearer ${TOKEN}`, 'X-Team-Id': TEAM };
const PAGE =
  'subscription ($ids: [ID!]!) { backfillsUpdated(ids: $ids) { id status transferRunsCompleted } }';

const builtForBrowsers = (name: string): string =>
  join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'umd', `${name}.js`);

/** What the scripts of a tab find. */
interface TabScope {
  readonly graphqlSse: typeof GraphqlSse;
  readonly graphqlWs: typeof GraphqlWs;
  seen(stream: number, data: unknown): void;
  stop0(): void;
}

interface Asked {
  readonly data: unknown;
  readonly milliseconds: number;
}

interface Tab {
  /** Subscribes, as the page's scripts would. @returns the data of the events so far */
  follow(
    transport: 'SSE' | 'WebSocket',
    query: string,
    variables: Readonly<Record<string, unknown>>,
  ): Promise<readonly unknown[]>;
  ask(query: string): Promise<Asked>;
  /** Ends the first stream of the browser, which must be one of this tab. */
  leaveFirst(): Promise<void>;
}

/** Running backfills with the ids 11, 12, … */
function addRunning({ world }: Stack, count: number): string[] {
  return Array.from({ length: count }, (_, n) => {
    const id = world.addBackfill({ id: String(11 + n), transferId: String(100 + n), status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 0 });
    return id;
  });
}

// Over HTTP/1.1 the tabs of a browser have six connections to an origin together, and an event stream takes one.
describe.skipIf(skipsWithoutChromium)('a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  /** @returns a function that opens a tab with a frontend; the tabs share the connections of one browser */
  async function openBrowser(origin: string): Promise<() => Promise<Tab>> {
    const url = `${origin}/graphql`;
    const frontend = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<title>A frontend</title>');
    });
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    onTestFinished(() => context.close());
    const events: unknown[][] = [];
    await context.exposeFunction('seen', (stream: number, data: unknown) => void events[stream]?.push(data));

    return async () => {
      const tab = await context.newPage();
      await tab.goto(frontend.replace('127.0.0.1', 'localhost'));
      for (const name of ['graphql-sse', 'graphql-ws'])
        await tab.addScriptTag({ path: builtForBrowsers(name) });
      return {
        async follow(transport, query, variables) {
          const seen: unknown[] = [];
          const stream = events.push(seen) - 1;
          await tab.evaluate(
            (of) => {
              const scope = globalThis as unknown as TabScope;
              const payload = { query: of.query, variables: of.variables };
              const sink = {
                next: ({ data }: { readonly data?: unknown }) => scope.seen(of.stream, data),
                error: (error: unknown) => scope.seen(of.stream, String(error)),
                complete: () => undefined,
              };
              const stop =
                of.transport === 'SSE'
                  ? scope.graphqlSse
                      .createClient({ url: of.url, headers: of.caller, retryAttempts: 0 })
                      .subscribe(payload, sink)
                  : scope.graphqlWs
                      .createClient({
                        url: of.url.replace('http', 'ws'),
                        connectionParams: of.caller,
                        retryAttempts: 0,
                      })
                      .subscribe(payload, sink);
              Object.assign(globalThis, { [`stop${of.stream}`]: stop });
            },
            { url, transport, query, variables, stream, caller: CALLER },
          );
          return seen;
        },

        ask: (query) =>
          tab.evaluate(
            async (of) => {
              const begun = performance.now();
              const response = await fetch(of.url, {
                method: 'POST',
                headers: { 'content-type': 'application/json', ...of.caller },
                body: JSON.stringify({ query: of.query }),
              });
              const { data } = (await response.json()) as { data: unknown };
              return { data, milliseconds: performance.now() - begun };
            },
            { url, query, caller: CALLER },
          ),

        leaveFirst: () => tab.evaluate(() => (globalThis as unknown as TabScope).stop0()),
      };
    };
  }

  it.each([
    [5, 'SSE', 'HTTP/1.1'],
    [6, 'WebSocket', 'HTTP/1.1'],
    ...(hasOpenssl ? [[6, 'SSE', 'HTTP/2'] as const] : []),
  ] as const)(
    'follows a page of 100 running backfills in %i tabs over %s and %s, and queries beside them take milliseconds',
    async (tabs, transport, protocol) => {
      const stack = await startStack({ CORS_ORIGINS: 'http://localhost:*' });
      const { world, sandbox, origin } = stack;
      const ids = addRunning(stack, 100);
      const openTab = await openBrowser(protocol === 'HTTP/2' ? await startHttp2Front(origin) : origin);
      const opened: Tab[] = [];
      const streams: (readonly unknown[])[] = [];
      for (let n = 0; n < tabs; n++) {
        const tab = await openTab();
        opened.push(tab);
        streams.push(await tab.follow(transport, PAGE, { ids }));
      }
      const asked: Asked[] = [];
      const rowsOfEvent = (runs: number) => ({
        backfillsUpdated: ids.map((id) => ({ id, status: 'RUNNING', transferRunsCompleted: runs })),
      });
      for (let runs = 0; runs <= 3; runs++) {
        for (const id of ids) world.set(id, { transfer_runs_completed: runs });
        if (runs > 0) await nextCallingPoll(stack);
        await expect
          .poll(() => streams.map((events) => events.length), { timeout: 10_000 })
          .toEqual(streams.map(() => runs + 1));
        for (const tab of opened)
          asked.push(await tab.ask('{ backfill(id: "11") { transferRunsCompleted } }'));
        expect(asked.at(-1)?.data).toEqual({ backfill: { transferRunsCompleted: runs } });
      }
      for (const events of streams) expect(events).toEqual([0, 1, 2, 3].map(rowsOfEvent));
      expect(sandbox.calls.count()).toBe(4);
      const median = asked.map(({ milliseconds }) => milliseconds).toSorted((a, b) => a - b)[
        asked.length / 2
      ];
      expect(median).toBeLessThan(100);
    },
  );

  it('has no connection left for a query where each of six rows has a stream of its own', async () => {
    const stack = await startStack({ CORS_ORIGINS: 'http://localhost:*' });
    const { world, logLines } = stack;
    const ids = addRunning(stack, 6);
    const tab = await (await openBrowser(stack.origin))();
    const row = 'subscription ($id: ID!) { backfillUpdated(id: $id) { transferRunsCompleted } }';
    const streams: (readonly unknown[])[] = [];
    for (const id of ids) streams.push(await tab.follow('SSE', row, { id }));
    const haveAll = (count: number) =>
      expect.poll(() => streams.map((events) => events.length)).toEqual(ids.map(() => count));
    await haveAll(1);
    const answer = tab.ask('query Beside { backfill(id: "11") { transferRunsCompleted } }');
    for (let runs = 1; runs <= 3; runs++) {
      for (const id of ids) world.set(id, { transfer_runs_completed: runs });
      await nextCallingPoll(stack);
      await haveAll(1 + runs);
    }
    const arrived = () => logLines.filter(({ operationName }) => operationName === 'Beside');
    expect(arrived()).toEqual([]);
    await tab.leaveFirst();
    expect((await answer).data).toEqual({ backfill: { transferRunsCompleted: 3 } });
    expect(arrived()).toHaveLength(1);
  });
});
