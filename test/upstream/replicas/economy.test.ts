import { describe, expect, it } from 'vitest';
import { seededRandom, someOf } from '../../bench/random.ts';
import { startGroup } from '../../support/group.ts';

const TRANSFERS = 60;
const RUNNING = 20;
const DASHBOARD = 10;
const STEP_MS = 250;
const QUERY = 'query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { id status } } }';

interface Readers {
  readonly tokens: readonly string[];
  /** How many dashboards are asked for in each step, each at a replica chosen at random. */
  readonly asks: number;
  readonly seconds: number;
}

/** @returns the calls that replicas make for the same readers */
async function callsOf(size: number, { tokens, asks, seconds }: Readers): Promise<number> {
  const stack = await startGroup(size, { UPSTREAM_HOURLY_QUOTA: '1000000' });
  const { clock, world, sandbox, replicas } = stack;
  const transfers = Array.from({ length: TRANSFERS }, (_, n) => String(1_000 + n));
  for (const [n, transferId] of transfers.entries())
    world.addBackfill({ transferId, status: n < RUNNING ? 'RUNNING' : 'COMPLETED' });
  for (const token of tokens) world.addToken(token, { permissions: 'edit', teams: 'all' });
  const random = seededRandom(5);
  let asked = 0;
  let calls = 0;
  for (let atMs = 0; atMs < seconds * 1000; atMs += STEP_MS) {
    const answers = await Promise.all(
      Array.from({ length: asks }, () => {
        const ids = someOf(transfers, DASHBOARD, random);
        const token = tokens[asked++ % tokens.length] ?? '';
        const replica = replicas[Math.floor(random() * size)];
        if (replica === undefined) throw new Error('there is a replica');
        return replica.query(QUERY, { variables: { ids }, token });
      }),
    );
    for (const { errors } of answers) expect(errors).toBeUndefined();
    clock.advance(STEP_MS);
    await settled();
    calls += sandbox.calls.count();
    sandbox.calls.reset();
  }
  return calls;
}

/** Lets what is under way between the replicas arrive. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('several replicas', () => {
  // Each reader may meet what another replica has read, and what it has not.
  it.each<[who: string, readers: Readers]>([
    ['one service credential', { tokens: ['service'], asks: 2, seconds: 65 }],
    [
      'many credentials',
      { tokens: Array.from({ length: 40 }, (_, n) => `person-${n}`), asks: 2, seconds: 30 },
    ],
  ])(
    'make at most 1.1 times the calls of one, balanced at random: %s',
    async (_who, readers) => {
      const [alone, two, four] = [
        await callsOf(1, readers),
        await callsOf(2, readers),
        await callsOf(4, readers),
      ];
      expect(two).toBeLessThanOrEqual(1.1 * alone);
      expect(four).toBeLessThanOrEqual(1.1 * alone);
    },
    120_000,
  );
});
