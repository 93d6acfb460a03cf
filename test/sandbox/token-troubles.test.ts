import { expect, test } from 'vitest';
import { DEMO_TOKENS } from '../../src/sandbox/world/tokens.ts';
import { codesOf, startStack } from '../harness.ts';
import { ask, start } from '../support/sandbox.ts';

const READ = 'GET /teams/1/backfills';

test('a failing token always gets 500 in the envelope, and a flaky one every second time 503', async () => {
  const sandbox = await start();
  sandbox.world.addTransfer('1', '10');
  const answersTo = async (token: string): Promise<readonly unknown[]> => {
    const asked = [];
    for (let n = 0; n < 4; n++) asked.push(await ask(sandbox, READ, { token }));
    return asked.map(({ status, error }) => [status, error['code']]);
  };
  const failure = [500, 'INTERNAL_ERROR'];
  expect(await answersTo(DEMO_TOKENS.failing)).toEqual([failure, failure, failure, failure]);
  const [good, bad] = [
    [200, undefined],
    [503, 'SERVICE_UNAVAILABLE'],
  ];
  expect(await answersTo(DEMO_TOKENS.flaky)).toEqual([good, bad, good, bad]);
  expect(await answersTo(DEMO_TOKENS.full)).toEqual([good, good, good, good]);
});

test('a slow token gets its answer late, and nobody else does', async () => {
  const sandbox = await start({ slowMs: 300 });
  sandbox.world.addTransfer('1', '10');
  const arrived: string[] = [];
  const read = async (token: string): Promise<void> => {
    expect((await ask(sandbox, READ, { token })).status).toBe(200);
    arrived.push(token);
  };
  const begun = performance.now();
  await Promise.all([read(DEMO_TOKENS.slow), read(DEMO_TOKENS.full)]);
  expect(arrived).toEqual([DEMO_TOKENS.full, DEMO_TOKENS.slow]);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(290);
});

test.each<[keyof typeof DEMO_TOKENS, string]>([
  ['noAccess', 'FORBIDDEN'],
  ['exhausted', 'RATE_LIMITED'],
  ['rowQuota', 'QUOTA_EXCEEDED'],
  ['failing', 'UPSTREAM_ERROR'],
  ['hanging', 'UPSTREAM_TIMEOUT'],
])('a caller with the token "%s" sees the code %s', async (token, code) => {
  const { query, world, clock } = await startStack({ UPSTREAM_TIMEOUT_MS: '1000' });
  const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  const asked = query(`{ backfill(id: ${id}) { id teamId status } }`, { token: DEMO_TOKENS[token] });
  let answered = false;
  void asked.finally(() => (answered = true));
  await expect
    .poll(
      () => {
        clock.advance(100);
        return answered;
      },
      { timeout: 10_000 },
    )
    .toBe(true);
  expect(codesOf(await asked)).toEqual([code]);
});
