import { describe } from 'vitest';
import { skipsWithoutChromium } from '../support/chromium.ts';
import { itGoesOn, recipeWorlds } from '../support/recipe-scenarios.ts';

describe.skipIf(skipsWithoutChromium)('the recipe for urql, in a page of another origin', () => {
  const start = recipeWorlds('urql');
  itGoesOn(start);
});
