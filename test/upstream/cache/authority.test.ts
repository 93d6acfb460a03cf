import { describe, expect, it } from 'vitest';
import { codesOf, type Result, type Stack, startStack } from '../../harness.ts';

const HOUR_MS = 3_600_000;

function byId(stack: Stack, id: string): Promise<Result> {
  return stack.query(`{ backfill(id: "${id}") { id status isStale } }`);
}

/** A completed backfill that stays fresh for an hour. */
async function longFresh(env: Readonly<Record<string, string>> = {}): Promise<{ stack: Stack; id: string }> {
  const stack = await startStack({ CACHE_FINAL_TTL_MS: String(HOUR_MS), ...env });
  const id = stack.world.addBackfill({ transferId: '5', status: 'COMPLETED' });
  await byId(stack, id);
  return { stack, id };
}

describe('the authority to read', () => {
  it('lasts 60 s from the last accepted read, however long the values stay fresh', async () => {
    const { stack, id } = await longFresh();
    stack.clock.advance(60_000);
    expect(codesOf(await byId(stack, id))).toEqual([]);
    expect(stack.sandbox.calls.count()).toBe(1);
    stack.clock.advance(1);
    stack.sandbox.faults.add({ answer: { kind: 'status', status: 401 } });
    expect(codesOf(await byId(stack, id))).toEqual(['UNAUTHENTICATED']);
  });

  it('bounds the max-age of an answer', async () => {
    const { stack, id } = await longFresh();
    stack.clock.advance(20_000);
    expect((await byId(stack, id)).headers.get('cache-control')).toBe('private, max-age=40');
  });

  it('is renewed for the whole team by one read', async () => {
    const { stack, id } = await longFresh();
    const others = ['6', '7', '8'].map((transferId) =>
      stack.world.addBackfill({ transferId, status: 'COMPLETED' }),
    );
    for (const each of others) await byId(stack, each);
    stack.sandbox.calls.reset();
    stack.clock.advance(60_001);
    const page = [id, ...others].map((each, n) => `b${n}: backfill(id: "${each}") { isStale }`);
    expect(codesOf(await stack.query(`{ ${page.join(' ')} }`))).toEqual([]);
    expect(stack.sandbox.calls.count()).toBe(1);
  });

  it('is not renewed by a 404, which proves nothing but itself', async () => {
    const { stack, id } = await longFresh();
    stack.clock.advance(59_000);
    await byId(stack, '404');
    stack.sandbox.calls.reset();
    stack.clock.advance(1_001);
    await byId(stack, id);
    expect(stack.sandbox.calls.count()).toBe(1);
  });

  it.each([
    ['no connection', { kind: 'reset', at: 'before-headers' }],
    ['500', { kind: 'status', status: 500 }],
    ['429', { kind: 'status', status: 429 }],
  ] as const)('gives way to CACHE_STALE_MS while the REST API cannot be asked: %s', async (_name, answer) => {
    const { stack, id } = await longFresh({ CACHE_STALE_MS: '90000' });
    stack.clock.advance(89_999);
    stack.sandbox.faults.add({ times: Infinity, answer });
    expect((await byId(stack, id)).data).toMatchObject({ backfill: { isStale: true } });
    stack.clock.advance(3_002);
    expect(codesOf(await byId(stack, id))).toHaveLength(1);
  });
});
