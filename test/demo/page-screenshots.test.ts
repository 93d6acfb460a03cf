import type { Browser, BrowserContextOptions } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEMO_TRANSFER_IDS } from '../../src/sandbox/world/demo-world.ts';
import { launchChromium, skipsWithoutChromium } from '../support/chromium.ts';
import { openPage, type OpenPage, PATIENCE } from './open-page.ts';

const FOLDER = 'test/artifacts/screenshots';
const [runningTransfer = ''] = DEMO_TRANSFER_IDS.running;

/** Screenshots of the states that people should have looked at, with the settings of the demo, kept with the run. */
describe.skipIf(skipsWithoutChromium)("screenshots of the demo's page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  async function open(context: BrowserContextOptions = {}): Promise<OpenPage> {
    return openPage({ browser, quick: false, context: { reducedMotion: 'reduce', ...context } });
  }

  it('first load, running, one row failed, one never run', async () => {
    const { page, advance, choose, transferRow } = await open();
    const keep = (name: string) => page.screenshot({ path: `${FOLDER}/${name}.png` });
    await keep('01-first-load');

    // One of the world's backfills ends within this time, and others move.
    await advance(20_000);
    await expect.poll(() => page.locator('#live-rows > [data-left]').count(), PATIENCE).toBeGreaterThan(0);
    await keep('02-running');

    await choose('unreadable-row');
    await expect.poll(() => transferRow(runningTransfer).innerText(), PATIENCE).toContain('UPSTREAM_INVALID');
    await page.evaluate(`document.getElementById('transfers').scrollIntoView()`);
    await keep('03-row-failed');

    await choose('well');
    await expect.poll(() => transferRow(runningTransfer).innerText(), PATIENCE).toContain('RUNNING');
    await transferRow(DEMO_TRANSFER_IDS.neverRun).getByRole('button').click();
    await keep('04-never-run');
  }, 60_000);

  it.each([
    ['failing', '05-all-stale', 'in trouble'],
    ['out-of-quota', '06-out-of-quota', 'No call is made for another'],
    ['forbidden', '07-refused', 'Refused: FORBIDDEN'],
  ] as const)('%s as %s', async (trouble, name, title) => {
    const { page, choose, weather, transferRow } = await open();
    await choose(trouble);
    await expect.poll(() => weather.innerText(), PATIENCE).toContain(title);
    // What is never told stale says what has happened.
    const neverRun = transferRow(DEMO_TRANSFER_IDS.neverRun);
    await expect.poll(() => neverRun.getAttribute('data-kind'), PATIENCE).toBe('failed');
    // The answer in which the refusal came may still have rows that were known before it.
    const fresh = page.locator('#transfer-rows [data-kind="known"]');
    await expect.poll(() => fresh.count(), PATIENCE).toBe(0);
    await page.screenshot({ path: `${FOLDER}/${name}.png` });
  });

  it('narrow and dark', async () => {
    const narrow = await open({ viewport: { width: 360, height: 800 }, deviceScaleFactor: 2 });
    await narrow.page.screenshot({ path: `${FOLDER}/08-narrow.png` });
    const dark = await open({ colorScheme: 'dark' });
    await dark.page.screenshot({ path: `${FOLDER}/09-dark.png` });
  });
});
