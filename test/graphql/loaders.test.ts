import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createLoaders } from '../../src/graphql/loaders.ts';
import type { ResourceId } from '../../src/ids.ts';
import { OperationCost } from '../../src/upstream/reads/operation-cost.ts';

const TEAM = '1' as ResourceId;

const notAskedFor = (): Promise<never> => Promise.reject(new Error('not asked for'));

it('begins the reads of a page at once, and the rest of an operation with thousands a portion a turn', async () => {
  let begun = 0;
  const read = (): Promise<null> => {
    begun++;
    return Promise.resolve(null);
  };
  const { latestBackfill } = createLoaders(
    {
      backfills: { latestBackfill: read, backfill: notAskedFor, atHand: () => undefined },
      incompleteBackfills: notAskedFor,
    },
    {
      caller: {
        credential: { id: 'a', token: 'a', authorization: 'Bearer a' },
        requestId: '1',
        traceparent: undefined,
      },
      mode: { kind: 'fresh' },
      cost: new OperationCost(1),
    },
  );
  const all = Array.from({ length: 1_000 }, (_, n) =>
    Promise.resolve(latestBackfill({ teamId: TEAM, id: String(n) as ResourceId })),
  );
  const each: number[] = [];
  expect(begun).toBe(100);
  for (let before = begun; begun < all.length; before = begun) {
    await turn();
    each.push(begun - before);
  }
  await Promise.all(all);
  expect(Math.max(...each)).toBe(25);
});
