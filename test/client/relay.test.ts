import { describe, expect, it } from 'vitest';
import { skipsWithoutChromium } from '../support/chromium.ts';
import { itGoesOn, recipeWorlds } from '../support/recipe-scenarios.ts';
import { getDataID } from './relay/environment.ts';

describe.skipIf(skipsWithoutChromium)('the recipe for Relay, in a page of another origin', () => {
  const start = recipeWorlds('relay');
  itGoesOn(start);

  it('keeps a transfer and a backfill of one id apart', async () => {
    const { world, done, open } = await start();
    world.addBackfill({ id: '5', transferId: '6', status: 'RUNNING' });
    world.addBackfill({ id: '6', transferId: '5', status: 'COMPLETED' });
    done('5', 10);
    // The page would fail by what Relay warns of: a record that has two types.
    const page = await open([{ teamId: '1', transferIds: ['5', '6'] }]);
    await page.untilShown('1/6', 'RUNNING 10 %');
    done('5', 20);
    await page.untilShown('1/6', 'RUNNING 20 %');
    expect(page.history('1/5')).toEqual(['loading', 'COMPLETED 100 %']);
  });
});

describe('the key of a record in the store of Relay', () => {
  it('has the type, the team and the id', () => {
    expect(getDataID({ id: '5', teamId: '7' }, 'Transfer')).toBe('Transfer:7:5');
    expect(getDataID({ id: '5', teamId: '7' }, 'Backfill')).toBe('Backfill:7:5');
  });

  it('is made by Relay for what has no id', () => {
    expect(getDataID({ error: 'No.' }, 'BackfillRunError')).toBeUndefined();
  });

  it('is refused, by a sentence that says what to add, where an operation does not select teamId', () => {
    expect(() => getDataID({ id: '5' }, 'Backfill')).toThrow('A selection on Backfill lacks "teamId"');
  });
});
