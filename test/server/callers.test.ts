import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type QueryOptions, type Stack, startStack } from '../harness.ts';
import { callerOf, followOver, openSocket } from '../support/streams.ts';

const SECRET = 'a secret of at least thirty-two bytes';

/** The line of a request with these headers. */
async function lineOf(stack: Stack, options: QueryOptions = {}): Promise<Readonly<Record<string, unknown>>> {
  await stack.query('{ __typename }', options);
  return stack.logLines.findLast(({ msg }) => msg === 'request') ?? {};
}

describe('LOG_CALLERS', () => {
  it('is off: request lines say nothing of who asks', async () => {
    const line = await lineOf(await startStack());
    expect(line).not.toHaveProperty('caller');
    expect(line).not.toHaveProperty('teamId');
  });

  it('names the same token always by the same twelve characters, another one by others, and never itself', async () => {
    const stack = await startStack({ LOG_CALLERS: 'true' });
    const first = await lineOf(stack, { token: 'token-1' });
    expect(first).toMatchObject({ caller: expect.stringMatching(/^[\w-]{12}$/), teamId: '1' });
    expect(await lineOf(stack, { token: 'token-1', team: '2' })).toMatchObject({
      caller: first['caller'],
      teamId: '2',
    });
    expect((await lineOf(stack, { token: 'token-2' }))['caller']).not.toBe(first['caller']);
    expect(JSON.stringify(stack.logLines)).not.toContain('token-');
  });

  it('keys the names at random, so that two processes name a token differently', async () => {
    const [one, other] = [
      await lineOf(await startStack({ LOG_CALLERS: 'true' })),
      await lineOf(await startStack({ LOG_CALLERS: 'true' })),
    ];
    expect(one['caller']).toBeDefined();
    expect(one['caller']).not.toBe(other['caller']);
  });

  it.each([SECRET, `${SECRET},an old one that also has its 32 bytes`])(
    'keys the names by the new CACHE_SECRET of %j',
    async (secret) => {
      const stack = await startStack({ LOG_CALLERS: 'true', CACHE_SECRET: secret });
      const name = createHmac('sha256', SECRET).update('token-1').digest('base64url').slice(0, 12);
      expect(await lineOf(stack, { token: 'token-1' })).toMatchObject({ caller: name });
      expect(JSON.stringify(stack.logLines)).not.toContain('secret of');
    },
  );

  it('leaves out what is no token or team, and takes the default team where none is named', async () => {
    const stack = await startStack({ LOG_CALLERS: 'true', SUPERMETRICS_TEAM_ID: '7' });
    const headers = { authorization: 'Basic dXNlcjpwYXNz' };
    const malformed = await lineOf(stack, { token: null, team: 'sandbox-full', headers });
    expect(malformed).not.toHaveProperty('caller');
    expect(malformed).not.toHaveProperty('teamId');
    expect(await lineOf(stack, { team: null })).toMatchObject({ teamId: '7' });
  });

  it('names the caller of a socket as in requests, at the start and at the end of its streams', async () => {
    const stack = await startStack({ LOG_CALLERS: 'true' });
    const id = stack.world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const { caller } = await lineOf(stack, { token: 'sandbox-full' });
    const socket = openSocket(stack.origin, callerOf({}));
    await followOver(socket, `subscription { backfillUpdated(id: "${id}") { status } }`).completed;
    expect(stack.logLines).toContainEqual(
      expect.objectContaining({ msg: 'request', method: 'WS', caller, teamId: '1' }),
    );
    await expect
      .poll(() => stack.logLines)
      .toContainEqual(expect.objectContaining({ msg: 'subscription ended', caller, teamId: '1' }));
  });
});
