import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Happening, Play } from './play.ts';

const PROBE_MS = 30_000;
/** A failing seed is printed with its path, and replays. To shrink it takes many minutes. */
const SETTINGS = { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 40), endOnFailure: true };

/** Things that happen, some kinds more often than others. */
function happenings(
  weights: Readonly<Partial<Record<Happening['kind'], number>>>,
): fc.Arbitrary<Happening[]> {
  const kinds = Object.entries(weights) as [Happening['kind'], number][];
  const happening: fc.Arbitrary<Happening> = fc.record({
    kind: fc.oneof(...kinds.map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind) }))),
    replica: fc.nat(7),
    token: fc.nat(),
    team: fc.nat(1),
    id: fc.nat(999),
    amount: fc.nat(1_000),
    thenMs: fc.oneof(fc.constant(0), fc.nat(60), fc.nat(1_200)),
  });
  return fc.array(happening, { minLength: 20, maxLength: 60 });
}

it('replicas with a troubled store keep credentials apart, states in order, and ages and authority within bounds', async () => {
  const weights = {
    read: 60,
    page: 40,
    progress: 40,
    access: 12,
    pause: 3,
    lose: 3,
    empty: 2,
    evict: 2,
    step: 2,
    restart: 2,
  };
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 8 }),
      fc.nat(),
      fc.boolean(),
      happenings(weights),
      async (replicas, seed, losesNews, all) => {
        const ids = ['11', '12', '13', '14'];
        const tokens = ['token-1', 'token-2', 'token-3'];
        const play = new Play({ replicas, seed, losesNews, tokens, ids, page: ids.length });
        for (const each of all) await play.play(each);
        await play.end();
        expect(play.fault).toBeUndefined();
      },
    ),
    SETTINGS,
  );
}, 600_000);

it('replicas with a troubled store spend one hour together, and one part more for each that is cut off', async () => {
  const token = 'token-1';
  const limit = 60;
  const page = 10;
  const ids = Array.from({ length: 300 }, (_, n) => String(1_000 + n));
  const weights = { read: 10, page: 60, pause: 1, lose: 1, empty: 1, evict: 1, restart: 1 };
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 8 }),
      fc.nat(),
      happenings(weights),
      async (replicas, seed, all) => {
        const play = new Play({
          replicas,
          seed,
          losesNews: true,
          tokens: [token],
          ids,
          page,
          limit,
          areOver: true,
        });
        for (const each of all) await play.play(each);
        await play.end();
        expect(play.fault).toBeUndefined();
        const { cutOff, restarted, forgotten } = play.losses;
        // Calls that are under way when the last one is spent may need a second try. Who was cut off, or knows nothing yet, may
        // have pages under way when it hears of the others.
        const cutOffMost = cutOff * (Math.ceil(limit / replicas) + 2 * page);
        const most = limit + page + cutOffMost + (restarted + forgotten) * 2 * page;
        // When none are left, each replica finds out once in 30 s whether the hour began anew. Here that is never refused, so
        // some calls are taken for left.
        const probes = replicas * Math.ceil(play.clock.monotonic() / PROBE_MS) * (2 + Math.ceil(limit / 25));
        expect(play.calls(token)).toBeLessThanOrEqual(most + probes);
      },
    ),
    SETTINGS,
  );
}, 600_000);
