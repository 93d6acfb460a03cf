import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { DEMO_GRAPHIQL, DEMO_OPERATIONS, demoProgress } from '../../src/demo/operations.ts';
import { startGateway } from '../../src/running-gateway.ts';
import { createLog } from '../../src/log.ts';
import { newbornBackfillId } from '../../src/sandbox/world/demo-world.ts';
import { startSandbox } from '../../src/sandbox/server.ts';
import { launchChromium, skipsWithoutChromium } from '../support/chromium.ts';

/**
 * What `npm run demo` starts.
 * @param now the sandbox's clock
 * @returns the URL of the endpoint
 */
async function startDemo(env: Readonly<Record<string, string>> = {}, now = Date.now): Promise<string> {
  const sandbox = await startSandbox({ now });
  const config = loadConfig({ PORT: '0', HOST: '127.0.0.1', SUPERMETRICS_API_URL: sandbox.url, ...env });
  const gateway = await startGateway({
    config,
    log: createLog('silent'),
    graphiqlDefaults: {
      ...DEMO_GRAPHIQL,
      moreTabs: () => [demoProgress(newbornBackfillId(sandbox.world))],
    },
  });
  onTestFinished(async () => {
    await gateway.stop();
    await sandbox.close();
  });
  return `http://localhost:${gateway.port}/graphql`;
}

function browse(url: string): Promise<Response> {
  return fetch(url, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
}

describe.skipIf(skipsWithoutChromium)('GraphiQL in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  /** A page whose every request stays on this machine, and that has nothing to complain of; both hold to the end. */
  async function openGraphiql(...demo: Parameters<typeof startDemo>): Promise<Page> {
    const url = await startDemo(...demo);
    const context = await browser.newContext({
      viewport: { width: 1600, height: 1100 },
      permissions: ['clipboard-write'],
    });
    const requested: string[] = [];
    const complaints: string[] = [];
    context.on('request', (request) => requested.push(request.url()));
    context.on('weberror', (error) => complaints.push(String(error.error())));
    context.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    context.on('page', (page) => page.on('websocket', (socket) => requested.push(socket.url())));
    onTestFinished(async () => {
      await context.close();
      expect(requested).toContain(url);
      expect(requested.filter((each) => !staysHere(each))).toEqual([]);
      expect(complaints).toEqual([]);
    });

    const page = await context.newPage();
    await page.goto(url);
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    return page;
  }

  it('opens with an operation and the headers that it needs', async () => {
    const page = await openGraphiql();
    await eventually(() => shown(page, '.graphiql-query-editor')).toBe(DEMO_GRAPHIQL.query);
    await eventually(() => shown(page, '.graphiql-editor-tool')).toBe(
      JSON.stringify(DEMO_GRAPHIQL.headers, null, 2),
    );
    await eventually(() => page.title()).toBe('Backfill gateway');
  });

  it('shows running, finished and never-run backfills at the press of the button', async () => {
    const page = await openGraphiql();
    await page.getByRole('button', { name: 'Execute query' }).click();
    await eventually(() => shownAnswer(page)).toEqual({
      data: {
        running: latest({ status: 'RUNNING', estimatedEndTime: expect.any(String) as string }),
        everyTwoMinutesANewOne: latest({}),
        finished: latest({ status: 'COMPLETED', progress: 1, estimatedEndTime: null }),
        neverRun: { latestBackfill: null },
      },
      extensions: { upstream: { calls: 4, cacheHits: 0, staleReads: 0, quotaRemaining: 4_996 } },
    });
    await page.screenshot({ path: 'test/artifacts/graphiql.png' });
  });

  it('follows a backfill from its beginning to its end in a second tab, another one after a reload', async () => {
    let now = Date.now();
    const page = await openGraphiql({ SUBSCRIPTION_POLL_MS: '100', CACHE_TTL_MS: '10' }, () => now);
    const status = async (): Promise<unknown> => {
      const answer = (await shownAnswer(page)) as { data?: { backfillUpdated?: { status: string } } };
      return answer.data?.backfillUpdated?.status ?? answer;
    };
    const follow = async (): Promise<string> => {
      await page.getByRole('tab', { name: 'Progress' }).click();
      await eventually(() => shown(page, '.graphiql-query-editor')).toContain('subscription Progress');
      const query = await shown(page, '.graphiql-query-editor');
      const press = (): Promise<void> => page.getByRole('button', { name: 'Execute query' }).click();
      await press();
      await eventually(async () => {
        const current = await status();
        // Of another tab GraphiQL still has the operation's name for a moment, longer than it takes a test to press.
        if (JSON.stringify(current).includes('Cannot infer operation')) await press();
        return current;
      }).toBe('CREATED');
      now += 60_000;
      await eventually(status).toBe('RUNNING');
      await page.screenshot({ path: 'test/artifacts/graphiql-subscription.png' });
      now += 60_000;
      await eventually(status).toBe('COMPLETED');
      // The button runs again instead of stopping: the stream is complete.
      await page.getByRole('button', { name: 'Execute query' }).waitFor();
      return query;
    };
    const first = await follow();
    await page.reload();
    await eventually(() => page.getByRole('tab').count()).toBe(2);
    expect(await follow()).not.toBe(first);
  }, 60_000);

  it('runs a typed operation', async () => {
    const page = await openGraphiql();
    await clearQuery(page);
    await page.keyboard.type('{ transfer(id: 456845) { teamId } }');
    await noticed(page, '{ transfer(id: 456845) { teamId } }');
    await page.keyboard.press('Control+Enter');
    await eventually(() => shownAnswer(page)).toMatchObject({ data: { transfer: { teamId: '936506' } } });
  });

  it('runs each operation that the demo prints, pasted', async () => {
    const page = await openGraphiql();
    // The editors hold no more lines than there is room for, and break those that are too long.
    await page.setViewportSize({ width: 2400, height: 2000 });
    const expected = [
      { data: { transfers: expect.arrayContaining([{ id: '456845', latestBackfill: null }]) as unknown } },
      { data: { backfill: { id: '9223372036854775807', transfer: { id: '9007199254740993' } } } },
      { data: { backfill: null }, errors: [{ extensions: { code: 'NOT_FOUND', retryable: false } }] },
    ];
    expect(expected).toHaveLength(DEMO_OPERATIONS.length);
    for (const [n, operation] of DEMO_OPERATIONS.entries()) {
      await clearQuery(page);
      await paste(page, operation);
      await page.keyboard.press('Control+Enter');
      await eventually(() => shownAnswer(page)).toMatchObject(expected[n] ?? {});
    }
  });

  it('is the same after a reload', async () => {
    const page = await openGraphiql();
    const run = async (): Promise<void> => {
      await page.getByRole('button', { name: 'Execute query' }).click();
      await eventually(() => shownAnswer(page)).toHaveProperty('data.neverRun', { latestBackfill: null });
    };
    await run();
    await page.reload();
    await eventually(() => shown(page, '.graphiql-query-editor')).toBe(DEMO_GRAPHIQL.query);
    expect(await page.getByRole('tab').count()).toBe(2);
    await run();
  });

  it('has the typed operation and headers again after a reload, and stores neither', async () => {
    const page = await openGraphiql();
    const typed = '{ transfer(id: "456845") { id } }';
    await clearQuery(page);
    await page.keyboard.type(typed);
    await noticed(page, typed);
    await page.reload();
    await eventually(() => shown(page, '.graphiql-query-editor')).toBe(typed);
    await eventually(() => page.getByRole('tab').count()).toBe(1);
    await page.getByRole('button', { name: 'Execute query' }).click();
    await eventually(() => shownAnswer(page)).toMatchObject({ data: { transfer: { id: '456845' } } });
    expect(await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])')).toBe(
      '[{},{}]',
    );
  });

  it('explains the schema in words', async () => {
    const page = await openGraphiql();
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    const docs = page.locator('.graphiql-doc-explorer');
    await docs.getByRole('link', { name: 'Query', exact: true }).click();
    await docs.getByText('One backfill by its id, whatever its status.').waitFor();
    await docs.getByRole('link', { name: 'Backfill', exact: true }).first().click();
    await docs.getByText('Where the backfill is in its life cycle.').waitFor();
  });
});

describe('GET /', () => {
  const root = (url: string): Promise<Response> =>
    fetch(new URL('.', url), { redirect: 'manual', headers: { accept: 'text/html' } });

  it('redirects to GraphiQL, below whatever path a proxy serves the gateway at', async () => {
    const { status, headers } = await root(await startDemo());
    expect([302, 307]).toContain(status);
    expect(headers.get('location')).toBe('graphql');
    expect(new URL(headers.get('location') ?? '', 'https://proxy.test/backfills/').href).toBe(
      'https://proxy.test/backfills/graphql',
    );
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-request-id')).not.toBeNull();
  });

  it('is 404 when GRAPHIQL is off, as in production', async () => {
    for (const env of [{ GRAPHIQL: 'false' }, { NODE_ENV: 'production' }]) {
      expect((await root(await startDemo(env))).status).toBe(404);
    }
  });
});

describe('the page of GraphiQL', () => {
  it('repeats nothing of the request', async () => {
    const url = await startDemo();
    const plain = await browse(`${url}?query=plain`);
    const evil = await browse(`${url}?query=</script><script>alert(1)</script>&title=<b>&operationName='"`);
    expect(plain.headers.get('content-type')).toContain('text/html');
    expect((await evil.text()) === (await plain.text())).toBe(true);
  });

  it('is not served when GRAPHIQL is off, as in production', async () => {
    for (const env of [{ GRAPHIQL: 'false' }, { NODE_ENV: 'production' }]) {
      const response = await browse(await startDemo(env));
      expect(response.headers.get('content-type')).toContain('application/json');
      expect(await response.text()).not.toMatch(/graphiql|<html/i);
    }
  });
});

function eventually<T>(look: () => T): ReturnType<typeof expect.poll<T>> {
  return expect.poll(look, { timeout: 10_000 });
}

function staysHere(url: string): boolean {
  const { protocol, hostname } = new URL(url.replace(/^blob:/, ''));
  return protocol === 'data:' || hostname === 'localhost' || hostname === '127.0.0.1';
}

function latest(expected: Readonly<Record<string, unknown>>): unknown {
  return {
    latestBackfill: expect.objectContaining({
      id: expect.any(String) as string,
      status: expect.any(String) as string,
      progress: expect.any(Number) as number,
      transferRunsTotal: expect.any(Number) as number,
      fetchedAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      ...expected,
    }) as unknown,
  };
}

async function clearQuery(page: Page): Promise<void> {
  await page.locator('.graphiql-query-editor .view-lines').click();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
}

async function paste(page: Page, text: string): Promise<void> {
  await page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
  await page.keyboard.press('Control+V');
  await noticed(page, text);
}

/** GraphiQL takes a moment to see what was edited, and then writes it into the page's address. */
async function noticed(page: Page, query: string): Promise<void> {
  await eventually(() => new URL(page.url()).searchParams.get('query')).toBe(query);
}

/** The text of the editor on view in a part of the page; its lines lie in no order of the document's. */
function shown(page: Page, part: string): Promise<string> {
  return page.evaluate<string>(`
    [...document.querySelectorAll('${part} .view-line')]
      .filter((line) => line.checkVisibility())
      .map((line) => ({ top: line.getBoundingClientRect().top, text: line.textContent.replaceAll('\\u00a0', ' ') }))
      .sort((a, b) => a.top - b.top)
      .map(({ text }) => text)
      .join('\\n')
  `);
}

async function shownAnswer(page: Page): Promise<unknown> {
  const text = await shown(page, '.graphiql-response');
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
