import { describe, expect, test } from 'vitest';
import { DEMO_TOKENS } from '../../src/sandbox/world/tokens.ts';
import { ask, type Asked, HOUR, MINUTE, START, start, time } from '../support/sandbox.ts';

describe('quota', () => {
  const READ = 'GET /teams/1/backfills';

  test('counts per token from its first call, has quota headers on 4xx only, and starts anew after an hour', async () => {
    const sandbox = await start({ hourlyQuota: 2 });
    sandbox.world.addTransfer('1', '10');
    const left = ({ headers }: Asked) => [
      headers.get('x-ratelimit-limit'),
      headers.get('x-ratelimit-remaining'),
    ];

    const missing = await ask(sandbox, 'GET /teams/1/backfills/5');
    expect(left(missing)).toEqual(['2', '1']);
    time.now += 10 * MINUTE;
    const good = await ask(sandbox, READ);
    expect(good.status).toBe(200);
    expect(left(good)).toEqual([null, null]);
    time.now += 20 * MINUTE + 400;
    const refused = await ask(sandbox, READ);
    expect(refused).toMatchObject({ status: 429, error: { code: 'TOO_MANY_REQUESTS' } });
    expect(left(refused)).toEqual(['2', '0']);
    expect(refused.headers.get('retry-after')).toBe('1800');
    expect((await ask(sandbox, READ, { token: DEMO_TOKENS.viewer })).status).toBe(200);
    time.now = START + HOUR;
    expect((await ask(sandbox, READ)).status).toBe(200);
  });

  test('has no headers if it is infinite', async () => {
    const sandbox = await start({ hourlyQuota: Infinity });
    const { headers } = await ask(sandbox, 'GET /teams/1/backfills/5');
    expect(headers.has('x-ratelimit-limit')).toBe(false);
  });
});
