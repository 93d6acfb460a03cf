import { get, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Kind, parse, TypeInfo, visit, visitWithTypeInfo } from 'graphql';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { DEMO_HEADERS, demoGraphiql, FIRST_TAB } from '../../src/demo/operations.ts';
import { DEFAULT_TABS } from '../../src/server/graphiql-tabs.ts';
import { createGatewaySchema } from '../../src/graphql/schema.ts';
import { startGateway } from '../../src/running-gateway.ts';
import { createLog } from '../../src/log.ts';
import { createDemoWorld } from '../../src/sandbox/world/demo-world.ts';
import { startSandbox } from '../../src/sandbox/server.ts';
import { startStack } from '../harness.ts';
import { launchChromium, skipsWithoutChromium, watch } from '../support/chromium.ts';
import { runShown, shown } from '../support/graphiql.ts';

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
    graphiqlDefaults: demoGraphiql(sandbox.world),
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
  async function openGraphiql(
    url: string | Promise<string> = startDemo(),
    viewport = { width: 1600, height: 1100 },
  ): Promise<Page> {
    url = await url;
    const context = await browser.newContext({
      viewport,
    });
    const { requested, complaints } = watch(context);
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
    await eventually(() => shown(page, '.graphiql-query-editor')).toBe(FIRST_TAB.query);
    await eventually(() => shown(page, '.graphiql-editor-tool')).toBe(JSON.stringify(DEMO_HEADERS, null, 2));
    await eventually(() => page.title()).toBe('Backfill gateway');
  });

  it('shows at the press of the button a row that moves and one that never ran, with the cost in view at 1280×800', async () => {
    let now = Date.now();
    const number = expect.any(Number) as number;
    const page = await openGraphiql(
      startDemo({ CACHE_TTL_MS: '10' }, () => now),
      { width: 1280, height: 800 },
    );
    const run = async (): Promise<number> => {
      await runShown(page);
      // Whole JSON is what all of the answer is in view for.
      await eventually(() => shownAnswer(page)).toEqual({
        data: {
          running: latest({ status: 'RUNNING' }),
          neverRun: { id: '456845', teamId: '936506', latestBackfill: null },
          finished: { id: '12307', teamId: '936506', status: 'COMPLETED', progress: 1 },
        },
        extensions: {
          upstream: expect.objectContaining({ calls: number, quotaRemaining: number }) as unknown,
        },
      });
      const { data } = (await shownAnswer(page)) as {
        readonly data: {
          readonly running: { readonly latestBackfill: { readonly transferRunsCompleted: number } };
        };
      };
      return data.running.latestBackfill.transferRunsCompleted;
    };
    const done = await run();
    await page.screenshot({ path: 'test/artifacts/screenshots/10-graphiql.png' });
    now += 3_000;
    expect(await run()).toBe(done + 3);
  }, 60_000);

  it('follows a backfill from its beginning to its end in a second tab, another one after a reload', async () => {
    let now = Date.now();
    const page = await openGraphiql(
      startDemo({ SUBSCRIPTION_POLL_MS: '100', CACHE_TTL_MS: '10' }, () => now),
    );
    const status = async (): Promise<unknown> => {
      const answer = (await shownAnswer(page)) as { data?: { backfillUpdated?: { status: string } } };
      return answer.data?.backfillUpdated?.status ?? answer;
    };
    const follow = async (): Promise<string> => {
      await openTab(page, 'Progress');
      const query = await shown(page, '.graphiql-query-editor');
      await runShown(page);
      await eventually(status).toBe('CREATED');
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
    await eventually(() => shown(page, '.graphiql-query-editor')).toBe(FIRST_TAB.query);
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

  it('has a tab for the list, for the list as it goes on, and in the demo for create and cancel', async () => {
    const page = await openGraphiql();
    const run = async (tab: string): Promise<void> => {
      await openTab(page, tab);
      await runShown(page);
      await eventually(() => shown(page, '.graphiql-response')).toContain('"data"');
    };
    expect(await tabNames(page)).toEqual(['Backfills', 'List', 'LiveList', 'Progress', 'Create', 'Cancel']);
    await run('List');
    await eventually(() => shown(page, '.graphiql-response')).toContain('"incompleteBackfills"');
    await run('LiveList');
    await eventually(() => shown(page, '.graphiql-response')).toContain('"incompleteBackfillsUpdated"');
    await page.getByRole('button', { name: 'Stop query' }).click();
    await run('Create');
    await eventually(() => shownAnswer(page)).toMatchObject({
      data: { createBackfill: { status: 'CREATED', teamId: '936506', transfer: { id: '456845' } } },
    });
    await run('Cancel');
    await eventually(() => shownAnswer(page)).toMatchObject({
      data: { cancelBackfill: { id: '12344', status: 'CANCELLED' } },
    });
  }, 60_000);

  it('is the same after a reload', async () => {
    const page = await openGraphiql();
    const run = async (): Promise<void> => {
      await runShown(page);
      await eventually(() => shownAnswer(page)).toHaveProperty('data.neverRun.latestBackfill', null);
    };
    await run();
    await page.reload();
    await eventually(() => shown(page, '.graphiql-query-editor')).toBe(FIRST_TAB.query);
    expect(await page.getByRole('tab').count()).toBe(6);
    await run();
  }, 60_000);

  it('has the typed operation again after a reload, before its own tabs, with the headers, and stores nothing', async () => {
    const page = await openGraphiql();
    const typed = '{ transfer(id: "456845") { id } }';
    const own = await tabNames(page);
    await clearQuery(page);
    await page.keyboard.type(typed);
    await noticed(page, typed);
    await page.reload();
    await eventually(() => shown(page, '.graphiql-query-editor')).toBe(typed);
    // What is typed keeps the other tabs, and is before them.
    await eventually(() => tabNames(page)).toEqual(['<untitled>', ...own]);
    await runShown(page);
    await eventually(() => shownAnswer(page)).toMatchObject({ data: { transfer: { id: '456845' } } });
    expect(await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])')).toBe(
      '[{},{}]',
    );
  }, 60_000);

  it('outside the demo says where the token goes to who presses the button at once', async () => {
    const { origin, sandbox } = await startStack();
    const page = await openGraphiql(`${origin.replace('127.0.0.1', 'localhost')}/graphql`);
    await runShown(page);
    // The pane breaks the long line.
    const answer = async (): Promise<string> =>
      (await shown(page, '.graphiql-response')).replaceAll(/\s+/g, ' ');
    await eventually(answer).toContain('"UNAUTHENTICATED"');
    expect(await answer()).toContain('with your token of visible ASCII characters in the place of');
    expect(sandbox.calls.count()).toBe(0);
  });

  it('explains the schema in words', async () => {
    const page = await openGraphiql();
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    const docs = page.locator('.graphiql-doc-explorer');
    for (const said of ['X-Team-Id', 'OUTCOME_UNKNOWN', 'at most 100'])
      await docs.getByText(said).first().waitFor();
    const types = await docs.locator('.graphiql-doc-explorer-type-name').allTextContents();
    const first = types.findIndex((name) => /^_|__/.test(name));
    expect(types.slice(first)).toEqual([
      'federation__FieldSet',
      'link__Import',
      'link__Purpose',
      '_Any',
      '_Entity',
      '_Service',
    ]);
    expect(types.slice(0, first)).toEqual(
      expect.arrayContaining(['Backfill', 'Transfer', 'DateTime']) as unknown,
    );
    await docs.getByRole('link', { name: 'Query', exact: true }).click();
    await docs.getByText('One backfill by its id, whatever its status.').waitFor();
    const fields = await docs.locator('.graphiql-doc-explorer-field-name').allTextContents();
    expect(fields.slice(0, 1)).toEqual(['backfill']);
    expect(fields.slice(-2)).toEqual(['_service', '_entities']);
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

  it('is small, and is not sent again while it is the same', async () => {
    const { origin } = await startStack();
    const first = await browse(`${origin}/graphql`);
    const body = await first.text();
    expect(body.length).toBeLessThan(8_000);
    expect(first.headers.get('cache-control')).toBe('private, no-cache');
    const etag = first.headers.get('etag') ?? '';
    const again = await fetch(`${origin}/graphql`, {
      headers: { accept: 'text/html', 'if-none-match': etag },
    });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  it('asks for no team where the gateway has a default one', async () => {
    const headersWith = async (env: Readonly<Record<string, string>>): Promise<unknown> => {
      const { origin } = await startStack(env);
      const [, given = ''] =
        /const given = (.*);/.exec(await (await browse(`${origin}/graphql`)).text()) ?? [];
      return JSON.parse((JSON.parse(given) as { readonly headers: string }).headers);
    };
    const authorization = { Authorization: 'Bearer <your token>', 'X-Explain-Cost': '1' };
    expect(await headersWith({})).toEqual({ ...authorization, 'X-Team-Id': '<your team>' });
    expect(await headersWith({ SUPERMETRICS_TEAM_ID: '7' })).toEqual(authorization);
  });

  it('is not served when GRAPHIQL is off, as in production', async () => {
    for (const env of [{ GRAPHIQL: 'false' }, { NODE_ENV: 'production' }]) {
      const response = await browse(await startDemo(env));
      expect(response.headers.get('content-type')).toContain('application/json');
      expect(await response.text()).not.toMatch(/graphiql|<html/i);
    }
  });
});

describe('the script of GraphiQL', () => {
  /** Node's fetch would decompress it. */
  const ask = (url: string, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => get(`${url}?graphiql.js`, { headers }, resolve).on('error', reject));

  it('is sent in the encoding that the browser takes best, and not again while it is the same', async () => {
    const url = await startDemo();
    const texts = [];
    for (const [accepted, encoding, most] of [
      ['gzip, deflate, br, zstd', 'br', 2_200_000],
      ['gzip;q=0.5, br;q=0', 'gzip', 2_600_000],
      ['', undefined, 9_300_000],
    ] as const) {
      const answer = await ask(url, { 'accept-encoding': accepted });
      const body = await buffer(answer);
      expect(answer.headers['content-encoding']).toBe(encoding);
      expect(body.length).toBeLessThan(most);
      expect(answer.headers).toMatchObject({
        'cache-control': 'private, no-cache',
        'content-type': 'text/javascript; charset=utf-8',
        vary: 'Accept-Encoding',
        'x-content-type-options': 'nosniff',
      });
      const again = await ask(url, {
        'accept-encoding': accepted,
        'if-none-match': answer.headers.etag ?? '',
      });
      expect([again.statusCode, (await buffer(again)).length]).toEqual([304, 0]);
      // As a proxy sends it on that has compressed the answer itself.
      const weakened = `"other", W/${answer.headers.etag ?? ''}`;
      const proxied = await ask(url, { 'accept-encoding': accepted, 'if-none-match': weakened });
      expect([proxied.statusCode, (await buffer(proxied)).length]).toEqual([304, 0]);
      const decode = { br: brotliDecompressSync, gzip: gunzipSync, undefined: (same: Buffer) => same };
      texts.push(decode[encoding ?? 'undefined'](body));
    }
    expect(texts[0]?.equals(texts[1] ?? Buffer.alloc(0))).toBe(true);
    expect(texts[1]?.equals(texts[2] ?? Buffer.alloc(0))).toBe(true);
  });

  it('is not there when GRAPHIQL is off, as in production', async () => {
    const answer = await ask(await startDemo({ NODE_ENV: 'production' }), {});
    expect(answer.headers['content-type']).toContain('application/json');
    answer.resume();
  });
});

describe('each operation of GraphiQL', () => {
  const schema = createGatewaySchema();
  const tabs = [...demoGraphiql(createDemoWorld()).tabs(), ...DEFAULT_TABS].map(
    ({ query }) => [/(?:query|mutation|subscription) (\w+)/.exec(query)?.[1], query] as const,
  );

  it.each(tabs)('%s has comments that a screen of 1280 pixels shows whole', (_name, query) => {
    expect(query.split('\n').filter((line) => line.startsWith('#') && line.length > 50)).toEqual([]);
  });

  it.each(tabs)('%s selects id and teamId of every backfill and transfer', (_name, query) => {
    const types = new TypeInfo(schema);
    let checked = 0;
    visit(
      parse(query),
      visitWithTypeInfo(types, {
        SelectionSet({ selections }) {
          if (!['Backfill', 'Transfer'].includes(types.getParentType()?.name ?? '')) return;
          // A selection that is one fragment has what the fragment has, which is visited too.
          if (selections.every(({ kind }) => kind === Kind.FRAGMENT_SPREAD)) return;
          checked += 1;
          const names = selections.map((one) => (one.kind === Kind.FIELD ? one.name.value : ''));
          expect(names).toEqual(expect.arrayContaining(['id', 'teamId']) as unknown);
        },
      }),
    );
    expect(checked).toBeGreaterThan(0);
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
    id: '456801',
    teamId: '936506',
    latestBackfill: {
      id: '12345',
      teamId: '936506',
      progress: expect.any(Number) as number,
      transferRunsCompleted: expect.any(Number) as number,
      fetchedAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      ...expected,
    },
  };
}

/** GraphiQL forgets a tab that was clicked while it was still starting, so it is clicked until it is on view. */
async function openTab(page: Page, name: string): Promise<void> {
  // Under the mouse the tab is named after its cross as well.
  const tab = page.getByRole('tab').filter({ hasText: new RegExp(`^${name}`) });
  await expect
    .poll(
      async () => {
        await tab.click();
        return shown(page, '.graphiql-query-editor');
      },
      { timeout: 20_000, interval: 500 },
    )
    .toContain(` ${name} {`);
}

async function tabNames(page: Page): Promise<readonly string[]> {
  // The cross that closes a tab is a picture with a title.
  return (await page.getByRole('tab').allTextContents()).map((text) => text.replace('wze icon', ''));
}

async function clearQuery(page: Page): Promise<void> {
  await page.locator('.graphiql-query-editor .view-lines').click();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
}

/** GraphiQL takes a moment to see what was edited, and then writes it into the page's address. */
async function noticed(page: Page, query: string): Promise<void> {
  await eventually(() => new URL(page.url()).searchParams.get('query')).toBe(query);
}

async function shownAnswer(page: Page): Promise<unknown> {
  const text = await shown(page, '.graphiql-response');
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
