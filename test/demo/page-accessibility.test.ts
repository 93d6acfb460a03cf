import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEMO_BACKFILL_IDS, DEMO_TEAM_ID, DEMO_TRANSFER_IDS } from '../../src/sandbox/world/demo-world.ts';
import { launchChromium, skipsWithoutChromium } from '../support/chromium.ts';
import { findings } from './axe.ts';
import { openPage, PATIENCE } from './open-page.ts';

const { scheduled, failed, running } = DEMO_BACKFILL_IDS;
const [livelyTransfer = ''] = DEMO_TRANSFER_IDS.lively;

function focused(page: Page): Promise<string> {
  return page.evaluate(
    `document.activeElement.getAttribute('aria-label') ?? document.activeElement.id ?? document.activeElement.tagName`,
  );
}

/** Presses Tab until something is focused. */
async function tabTo(page: Page, name: RegExp, key = 'Tab'): Promise<void> {
  for (let presses = 0; presses < 120; presses += 1) {
    await page.keyboard.press(key);
    if (name.test(await focused(page))) return;
  }
  throw new Error(`120 times ${key} never led to ${String(name)}.`);
}

describe.skipIf(skipsWithoutChromium)("the demo's page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  it.each([
    ['light', 1600],
    ['dark', 1600],
    ['light', 360],
    ['dark', 360],
  ] as const)(
    'has nothing that axe finds fault with, and nothing to scroll sideways, %s at %i pixels',
    async (colorScheme, width) => {
      const viewport = { width, height: 900 };
      const { page, choose, liveRow, transferRow, weather } = await openPage({
        browser,
        context: { colorScheme, viewport, reducedMotion: 'reduce' },
      });
      const check = async (): Promise<void> => {
        expect(await findings(page)).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      };
      await liveRow(failed).getByRole('button', { name: '3 failed: why' }).click();
      await liveRow(scheduled)
        .getByRole('button', { name: /^Cancel/ })
        .click();
      for (const summary of await page.locator('summary').all()) await summary.click();
      await check();

      await liveRow(scheduled)
        .getByRole('button', { name: /^Yes, cancel/ })
        .click();
      await expect.poll(() => liveRow(scheduled).innerText(), PATIENCE).toContain('left the list');
      await check();
      await choose('unreadable-row');
      await expect
        .poll(() => transferRow('456801').innerText(), PATIENCE)
        .toContain('UPSTREAM_INVALID_RESPONSE');
      await check();
      await choose('failing');
      await expect.poll(() => liveRow(running).innerText(), PATIENCE).toContain('stale');
      await liveRow(running)
        .getByRole('button', { name: /^Cancel/ })
        .click();
      await liveRow(running)
        .getByRole('button', { name: /^Yes, cancel/ })
        .click();
      await expect
        .poll(() => liveRow(running).innerText(), PATIENCE)
        .toMatch(/OUTCOME_UNKNOWN|UPSTREAM_UNAVAILABLE/);
      await check();
      await choose('forbidden');
      await expect.poll(() => weather.innerText(), PATIENCE).toContain('Refused: FORBIDDEN');
      await check();
    },
    120_000,
  );

  it('can be used by the keyboard alone, which never loses its place', async () => {
    const { page, sandbox, liveRow } = await openPage({ browser });
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the backfills');
    const cancel = `Cancel backfill ${scheduled} of transfer ${DEMO_TRANSFER_IDS.scheduled}`;
    await tabTo(page, new RegExp(`^${cancel}`));
    await page.keyboard.press('Enter');
    expect(await focused(page)).toBe(`Yes, cancel: ${cancel}`);
    await page.keyboard.press('Escape');
    expect(await focused(page)).toBe(cancel);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await expect.poll(() => liveRow(scheduled).innerText(), PATIENCE).toContain('CANCELLED');
    expect(await page.evaluate(`document.activeElement.textContent`)).toContain('CANCELLED');
    await expect.poll(() => liveRow(scheduled).count(), PATIENCE).toBe(0);
    expect(await focused(page)).toBe('live-title');

    await tabTo(page, /^3 failed/);
    await page.keyboard.press('Space');
    expect(await liveRow(failed).getByText('has expired').isVisible()).toBe(true);

    const { neverRun } = DEMO_TRANSFER_IDS;
    await tabTo(page, new RegExp(`^Start a backfill of transfer ${neverRun}`));
    await page.keyboard.press('Enter');
    expect(await focused(page)).toBe('start-from');
    await tabTo(page, /^start-button/);
    await page.keyboard.press('Enter');
    await expect.poll(() => sandbox.world.latest(DEMO_TEAM_ID, neverRun)?.status, PATIENCE).toBe('CREATED');

    await page.locator('#trouble input:checked').focus();
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => sandbox.trouble.name, PATIENCE).toBe('slow');
    await page.keyboard.press('ArrowUp');
    await expect.poll(() => sandbox.trouble.name, PATIENCE).toBe('well');
  }, 60_000);

  it.each([
    ['no-preference', true],
    ['reduce', false],
  ] as const)('with reduced motion %s, rows that come and go glide: %s', async (reducedMotion, glides) => {
    const { page, advance, sandbox, liveRow } = await openPage({ browser, context: { reducedMotion } });
    await page.evaluate(`
      globalThis.seen = 0;
      (function look() { globalThis.seen += document.getAnimations().length; requestAnimationFrame(look); })();
    `);
    await advance(150_000);
    const next = sandbox.world.latest(DEMO_TEAM_ID, livelyTransfer)?.transfer_backfill_id ?? '';
    await expect.poll(() => liveRow(next).count(), PATIENCE).toBe(1);
    if (glides) await expect.poll(() => page.evaluate('seen'), PATIENCE).toBeGreaterThan(0);
    else expect(await page.evaluate('seen')).toBe(0);
  });

  it('names each progress bar by its row and tells its value in words', async () => {
    const { liveRow } = await openPage({ browser });
    const bar = liveRow(running).getByRole('progressbar', { name: 'Transfer 456801' });
    expect(await bar.getAttribute('aria-valuetext')).toMatch(/^\d+ of [\d,]+ runs, \d+ %$/);
    expect(Number(await bar.getAttribute('aria-valuenow'))).toBeGreaterThanOrEqual(0);
    const withFailures = liveRow(failed).getByRole('progressbar');
    expect(await withFailures.getAttribute('aria-valuetext')).toMatch(/, 3 failed$/);
  });

  it('has one live region, which does not speak of rows that move', async () => {
    const { page, advance, liveRow, choose, weather } = await openPage({ browser });
    const spoken = page.locator('#announcer');
    expect(await page.locator('[role="status"], [role="alert"], [aria-live]').count()).toBe(2);
    const before = await liveRow(running).innerText();
    await advance(20_000);
    await expect.poll(() => liveRow(running).innerText(), PATIENCE).not.toBe(before);
    expect(await spoken.innerText()).toBe('');
    await choose('failing');
    await expect.poll(() => spoken.innerText(), PATIENCE).toContain('The REST API is in trouble');
    await choose('well');
    await expect.poll(() => weather.innerText(), PATIENCE).toContain('All is well');
    await expect.poll(() => spoken.innerText(), PATIENCE).toContain('All is well');
  });
});
