import { fileURLToPath } from 'node:url';
import type { Browser, ConsoleMessage, Page } from 'playwright-core';
import { build, type Plugin, type Rolldown } from 'vite';
import { expect, onTestFinished } from 'vitest';
import type { Stack } from '../harness.ts';
import type { Rows } from './frontend.ts';
import { serve } from './serve.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A page of another origin that runs a recipe in a browser. */
export interface RecipePage {
  readonly page: Page;
  /** What the token getter of the page gives from now on. */
  setToken(token: string): void;
  /** What a place shows now; undefined before it showed anything. */
  shown(place: string): string | undefined;
  /** All that a place has shown, each once in a row. */
  history(place: string): readonly string[];
  /** Does what a user does there. @returns what came of it */
  act(action: string, ...args: readonly string[]): Promise<string>;
  /** Lets time pass for the gateway and for the page, some seconds at a time, until a place shows this. */
  untilShown(place: string, text: string): Promise<void>;
  /** Lets so many seconds pass for the gateway and for the page. */
  pass(seconds: number): Promise<void>;
}

export interface RecipePageOptions {
  /** The script as `bundle` returns it. */
  readonly script: string;
  readonly token: string;
  readonly pages: readonly Rows[];
  readonly pollMs: number;
}

/** The test's functions in the page, and the page's in the test. */
interface PageGlobals {
  readonly recipe: {
    readonly actions: Readonly<Record<string, (...args: readonly string[]) => Promise<string>>>;
  };
}

/**
 * Bundles `test/client/<name>.page.ts` as Vite does for a frontend. The build is one for development, whose libraries
 * warn of what is wrong.
 */
export async function bundle(name: string): Promise<string> {
  const start = `
    import start from ${JSON.stringify(`${ROOT}test/client/${name}.page.ts`)};
    const { settings, currentToken: token, showInTest: show } = globalThis;
    globalThis.recipe = { actions: start({ ...settings, token, show }) };
  `;
  const entry: Plugin = {
    name: 'recipe-page',
    resolveId: (id) => (id === 'recipe-page' ? id : null),
    load: (id) => (id === 'recipe-page' ? start : null),
  };
  const built = await build({
    root: ROOT,
    configFile: false,
    mode: 'development',
    logLevel: 'warn',
    plugins: [entry],
    build: {
      write: false,
      minify: false,
      modulePreload: false,
      rolldownOptions: { input: 'recipe-page', output: { codeSplitting: false } },
    },
  });
  const [output] = [built].flat() as readonly Rolldown.RolldownOutput[];
  const [chunk] = output?.output ?? [];
  if (chunk === undefined) throw new Error(`nothing was built of ${name}`);
  return chunk.code;
}

/** The browser's own words about a connection that failed, which restarts and outages are about. */
const OF_CONNECTIONS = /^Failed to load resource|^WebSocket connection to/;

/**
 * Opens a page of an origin of its own that asks the gateway. The test fails if a script of the page throws or warns.
 */
export async function openRecipePage(
  browser: Browser,
  stack: Stack,
  { script, token: first, pages, pollMs }: RecipePageOptions,
): Promise<RecipePage> {
  const origin = await serve((request, response) => {
    const isScript = request.url === '/page.js';
    const type = isScript ? 'text/javascript' : 'text/html';
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8` });
    response.end(
      isScript
        ? script
        : '<!doctype html><title>A frontend</title><script src="/page.js" type="module"></script>',
    );
  });
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => void complaints.push(...complaintsOf(message)));
  onTestFinished(async () => {
    await page.close();
    expect(complaints).toEqual([]);
  });

  let token = first;
  const places = new Map<string, string[]>();
  await page.exposeFunction('currentToken', () => token);
  await page.exposeFunction('showInTest', (place: string, text: string) => {
    const texts = places.get(place) ?? [];
    if (texts.at(-1) !== text) places.set(place, [...texts, text]);
  });
  await page.addInitScript((settings) => Object.assign(globalThis, { settings }), {
    url: `${stack.origin}/graphql`,
    pages,
    pollMs,
  });
  await page.clock.install();
  await page.goto(origin.replace('127.0.0.1', 'localhost'));

  const shown = (place: string): string | undefined => places.get(place)?.at(-1);
  async function pass(seconds: number): Promise<void> {
    stack.clock.advance(seconds * 1_000);
    await page.clock.fastForward(seconds * 1_000);
  }
  return {
    page,
    setToken: (next) => void (token = next),
    shown,
    history: (place) => places.get(place) ?? [],
    act: (action, ...args) =>
      page.evaluate(
        ([name, given]) => {
          const { actions } = (globalThis as unknown as PageGlobals).recipe;
          const act = actions[name];
          if (act === undefined) throw new Error(`The page has no action ${name}.`);
          return act(...given);
        },
        [action, args] as const,
      ),
    pass,
    async untilShown(place, text) {
      const look = async (): Promise<string | undefined> => {
        if (shown(place) !== text) await pass(1);
        return shown(place);
      };
      await expect.poll(look, { timeout: 15_000, interval: 100 }).toBe(text);
    },
  };
}

function complaintsOf(message: ConsoleMessage): readonly string[] {
  const text = message.text();
  const isComplaint = ['warning', 'error'].includes(message.type()) && !OF_CONNECTIONS.test(text);
  return isComplaint ? [text] : [];
}
