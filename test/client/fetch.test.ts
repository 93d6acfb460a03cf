import { describe, expect, it } from 'vitest';
import { skipsWithoutChromium } from '../support/chromium.ts';
import { itGoesOn, recipeWorlds } from '../support/recipe-scenarios.ts';

describe.skipIf(skipsWithoutChromium)('the recipe for plain fetch, in a page of another origin', () => {
  const start = recipeWorlds('fetch');
  itGoesOn(start);

  it('asks again no sooner than the answer may change', async () => {
    const { world, logLines, open } = await start({ CACHE_TTL_MS: '10000' });
    world.addBackfill({ transferId: '1', status: 'COMPLETED' });
    const page = await open([{ teamId: '1', transferIds: ['1'] }], 1_000);
    await page.untilShown('1/1', 'COMPLETED 100 %');
    const asked = (): number => logLines.filter(({ operation }) => operation === 'query').length;
    for (let seconds = 0; seconds < 25; seconds++) await page.pass(1);
    await expect.poll(asked).toBeGreaterThan(1);
    // An answer is fresh for what is left of the gateway's 10 s. Every second would be 15 times and more.
    expect(asked()).toBeLessThan(8);
  });

  it('waits as long as the gateway says before it asks again after RATE_LIMITED', async () => {
    const { world, sandbox, logLines, open } = await start();
    world.addTransfer('1', '1');
    const headers = { 'retry-after': '20' };
    sandbox.faults.add({
      when: { operation: 'getLatestBackfill' },
      answer: { kind: 'status', status: 429, headers },
    });
    const page = await open([{ teamId: '1', transferIds: ['1'] }], 1_000);
    await expect.poll(() => page.shown('1/1')).toBe('failed: RATE_LIMITED');
    const asked = (): number => logLines.filter(({ operation }) => operation === 'query').length;
    for (let seconds = 0; seconds < 15; seconds++) await page.pass(1);
    expect(asked()).toBe(1);
    await page.untilShown('1/1', 'never run');
  });
});
