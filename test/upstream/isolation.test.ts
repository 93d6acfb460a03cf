import { expect, it } from 'vitest';
import { codesOf, type Result, startStack } from '../harness.ts';

it('the gateway never gives a token the backfills of another one in 5,000 interleaved requests', async () => {
  const { world, clock, query } = await startStack({ CACHE_TTL_MS: '50', CACHE_MAX_BYTES: '1048576' });
  // The same transfer ids in two teams, told apart by their totals; each token may read one team only.
  const teams = ['1', '2'] as const;
  const transfers = Array.from({ length: 20 }, (_, n) => String(n + 1));
  for (const teamId of teams) {
    world.addToken(`token-${teamId}`, { teams: [teamId], permissions: 'view' });
    for (const transferId of transfers) {
      world.addBackfill({
        id: `${teamId}0${transferId}`,
        teamId,
        transferId,
        status: 'RUNNING',
        runs: Number(teamId) * 100,
      });
    }
  }

  const requests = Array.from({ length: 5_000 }, (_, n) => ({
    token: teams[n % 2] ?? '1',
    team: teams[Math.floor(n / 2) % 2] ?? '1',
    id: transfers[(Math.floor(n / 4) * 7) % transfers.length] ?? '1',
    byId: n % 3 === 0,
  }));

  const outcomes = new Map<string, number>();
  async function check({ token, team, id, byId }: (typeof requests)[number]): Promise<void> {
    const answer: Result = await query(
      byId
        ? `{ found: backfill(id: "${team}0${id}") { teamId transferRunsTotal transfer { id } } }`
        : `{ found: transfer(id: "${id}") { latestBackfill { teamId transferRunsTotal transfer { id } } } }`,
      { token: `token-${token}`, team },
    );
    const own = { teamId: team, transferRunsTotal: Number(team) * 100, transfer: { id } };
    const allowed = token === team;
    if (byId) {
      expect(answer.data).toEqual({ found: allowed ? own : null });
      expect(codesOf(answer)).toEqual(allowed ? [] : ['NOT_FOUND']);
    } else {
      expect(answer.data).toEqual({ found: { latestBackfill: allowed ? own : null } });
      expect(codesOf(answer)).toEqual([]);
    }
    const outcome = `${allowed ? 'own' : 'other'} ${byId ? 'by id' : 'latest'}`;
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }

  const lanes = Array.from({ length: 32 }, async (_, lane) => {
    for (let n = lane; n < requests.length; n += 32) {
      const request = requests[n];
      if (request !== undefined) await check(request);
      if (n % 100 === 0) clock.advance(20);
    }
  });
  await Promise.all(lanes);

  expect([...outcomes.values()].reduce((sum, count) => sum + count, 0)).toBe(5_000);
  expect([...outcomes.keys()].sort()).toEqual(['other by id', 'other latest', 'own by id', 'own latest']);
}, 60_000);
