import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config.ts';
import { demoPage } from '../../src/demo/demo-page.ts';
import { createLog } from '../../src/log.ts';
import { type RunningGateway, startGateway } from '../../src/running-gateway.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import type { TroubleName } from '../../src/sandbox/trouble.ts';
import { watch } from '../support/chromium.ts';

/** The page of a demo of its own, on a world whose clock the test moves. */
export interface OpenPage {
  readonly page: Page;
  readonly url: string;
  readonly sandbox: Sandbox;
  /** Moves on the clocks of the world, the gateway and the page. Timers go on in real time. */
  advance(milliseconds: number): Promise<void>;
  /** Chooses a trouble in the panel, as people do. */
  choose(trouble: TroubleName): Promise<void>;
  liveRow(backfillId: string): Locator;
  transferRow(transferId: string): Locator;
  readonly weather: Locator;
  /** Ends the gateway, and starts another one at the same port when called. */
  stopGateway(): Promise<() => Promise<void>>;
}

export interface DemoOptions {
  readonly browser: Browser;
  readonly context?: BrowserContextOptions;
  /** Lets time pass quickly; without it all settings are those of the demo. */
  readonly quick?: boolean;
  /** Of complaints in the console that the test itself provokes. */
  readonly expected?: RegExp;
}

const QUICK = {
  SUBSCRIPTION_POLL_MS: '100',
  CACHE_TTL_MS: '50',
  STALE_AFTER_MS: '300',
  UPSTREAM_TIMEOUT_MS: '1500',
  UPSTREAM_HOURLY_QUOTA: '1000000000',
};

/** How long things may take on a busy machine. */
export const PATIENCE = { timeout: 15_000 };

export async function openPage({
  browser,
  context: contextOptions = {},
  quick = true,
  expected,
}: DemoOptions): Promise<OpenPage> {
  let ahead = 0;
  const sandbox = await startSandbox({
    now: () => Date.now() + ahead,
    ...(quick ? { hourlyQuota: 1_000_000_000, troubleTimes: { slowMs: 900, retryAfterSeconds: 3 } } : {}),
  });
  const start = async (port: number): Promise<RunningGateway> =>
    startGateway({
      config: {
        ...loadConfig({ HOST: '127.0.0.1', SUPERMETRICS_API_URL: sandbox.url, ...(quick ? QUICK : {}) }),
        PORT: port,
        SHUTDOWN_GRACE_MS: 500,
      },
      log: createLog('silent'),
      clock: { ...systemClock, now: () => Date.now() + ahead },
      pages: await demoPage({
        sandboxUrl: sandbox.url,
        ...(quick ? { pollMs: 300, lingerMs: 1_500 } : {}),
      }),
    });
  let gateway = await start(0);
  const { port } = gateway;
  const url = `http://localhost:${port}/`;

  const context = await browser.newContext({ viewport: { width: 1600, height: 1100 }, ...contextOptions });
  const { requested, complaints } = watch(context);
  onTestFinished(async () => {
    await context.close();
    await gateway.stop();
    await sandbox.close();
    const hosts = new Set(requested.map((each) => new URL(each).host));
    expect([...hosts].sort()).toEqual([`localhost:${port}`, new URL(sandbox.url).host].sort());
    expect(complaints.filter((text) => expected?.test(text) !== true)).toEqual([]);
  });

  await context.addInitScript(
    `{ const real = Date.now; globalThis.aheadMs = 0; Date.now = () => real() + globalThis.aheadMs; }`,
  );
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE.timeout);
  await page.goto(url);
  const weather = page.locator('#weather');
  await page.locator('#live-rows > li').first().waitFor();
  await expect.poll(() => page.locator('#transfer-rows [data-kind="loading"]').count(), PATIENCE).toBe(0);
  await expect.poll(() => weather.innerText(), PATIENCE).toContain('All is well');

  return {
    page,
    url,
    sandbox,
    async advance(milliseconds) {
      ahead += milliseconds;
      await page.evaluate(`globalThis.aheadMs = ${ahead}`);
    },
    async choose(trouble) {
      await page.locator(`input[name="trouble"][value="${trouble}"]`).check();
      await expect.poll(() => sandbox.trouble.name, PATIENCE).toBe(trouble);
    },
    liveRow: (id) => page.locator('#live-rows > li').filter({ hasText: new RegExp(`\\b${id}\\b`) }),
    transferRow: (id) => page.locator('#transfer-rows > li').filter({ hasText: `Transfer ${id}` }),
    weather,
    async stopGateway() {
      await gateway.stop();
      return async () => {
        gateway = await start(port);
      };
    },
  };
}
