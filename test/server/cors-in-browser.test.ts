import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startStack, TEAM, TOKEN } from '../harness.ts';
import { launchChromium, skipsWithoutChromium } from '../support/chromium.ts';
import { serve } from '../support/serve.ts';

/** What the libraries of an ordinary frontend add to each request. */
const ADDED = {
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'vendor=1',
  baggage: 'sentry-environment=production',
  'sentry-trace': '4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1',
  'apollographql-client-name': 'dashboard',
  'apollographql-client-version': '1.2.3',
  'x-explain-cost': '1',
};
const CALLER = { authorization: `Bearer ${TOKEN}`, 'x-team-id': TEAM, ...ADDED };

describe.skipIf(skipsWithoutChromium)('a page of another port in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  /** A frontend's page on a port of its own. */
  async function openPage(
    host: 'localhost' | '127.0.0.1',
    headers: Record<string, string> = {},
  ): Promise<Page> {
    const origin = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html', ...headers }).end('<title>A frontend</title>');
    });
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await page.goto(origin.replace('127.0.0.1', host));
    return page;
  }

  interface Seen {
    readonly status: number;
    readonly requestId: string | null;
    readonly text: string;
  }

  /** Fetches as the page's scripts would. @returns what they see, or the browser's refusal */
  function fetchIn(page: Page, url: string, init: Readonly<Record<string, unknown>>): Promise<Seen | string> {
    return page.evaluate(
      async ([to, options]) => {
        try {
          const response = await fetch(to, options);
          const requestId = response.headers.get('x-request-id');
          return { status: response.status, requestId, text: await response.text() };
        } catch (error) {
          return String(error);
        }
      },
      [url, init] as const,
    );
  }

  const ask = (query: string, headers: Readonly<Record<string, string>> = {}) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...CALLER, ...headers },
    body: JSON.stringify({ query }),
  });
  const REFUSED = 'TypeError: Failed to fetch';

  it('asks with every header that its libraries add, and reads answers and refusals, if it is listed', async () => {
    const { origin, world } = await startStack({ CORS_ORIGINS: 'http://localhost:*' });
    const id = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const page = await openPage('localhost');
    const url = `${origin}/graphql`;
    expect(await fetchIn(page, url, ask(`{ backfill(id: "${id}") { status } }`))).toMatchObject({
      status: 200,
      requestId: expect.any(String),
      text: expect.stringContaining('COMPLETED'),
    });
    const stream = ask(`subscription { backfillUpdated(id: "${id}") { status } }`, {
      accept: 'text/event-stream',
    });
    expect(await fetchIn(page, url, stream)).toMatchObject({
      status: 200,
      text: expect.stringContaining('event: complete'),
    });
    for (const [path, init, status] of [
      ['/nowhere', {}, 404],
      ['/graphql', { ...ask('{'), body: '{' }, 400],
      ['/graphql', { ...ask('{'), body: 'x'.repeat(262_145) }, 413],
      ['/graphql', { ...ask('{'), method: 'PUT' }, 'PUT'],
      ['/ready', {}, 200],
    ] as const) {
      const seen = await fetchIn(page, origin + path, init);
      // The browser itself refuses a method that no preflight grants.
      expect(seen).toEqual(status === 'PUT' ? REFUSED : expect.objectContaining({ status }));
    }
  });

  it.each([
    ['it is not listed', '127.0.0.1', {}],
    [
      'it is in a sandbox, so that its origin is "null"',
      'localhost',
      { 'content-security-policy': 'sandbox allow-scripts' },
    ],
  ] as const)('reads nothing and asks nothing if %s', async (_name, host, headers) => {
    const { origin, sandbox, world } = await startStack({ CORS_ORIGINS: 'http://localhost:*' });
    const id = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const page = await openPage(host, headers);
    expect(await fetchIn(page, `${origin}/graphql`, ask(`{ backfill(id: "${id}") { status } }`))).toBe(
      REFUSED,
    );
    expect(await fetchIn(page, `${origin}/health`, {})).toBe(REFUSED);
    expect(sandbox.calls.count()).toBe(0);
  });

  it('sends no cookie', async () => {
    const { origin } = await startStack({ CORS_ORIGINS: 'http://localhost:*' });
    const page = await openPage('localhost');
    const withCookies = { ...ask('{ __typename }'), credentials: 'include' };
    expect(await fetchIn(page, `${origin}/graphql`, withCookies)).toBe(REFUSED);
  });
});
