import { describe, expect, it } from 'vitest';
import { envelope } from '../../../src/sandbox/faults.ts';
import { codesOf, startStack } from '../../harness.ts';

const byId = (id: string): string => `{ backfill(id: "${id}") { id isStale } }`;

describe.each([
  { name: 'seconds', header: '90' },
  { name: 'an HTTP date', header: 'Mon, 02 Mar 2026 10:01:30 GMT' },
])('Retry-After as $name', ({ header }) => {
  it('closes the gate for that credential until then, and the first error of an answer has the remaining seconds', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    sandbox.faults.add({ answer: { kind: 'status', status: 429, headers: { 'retry-after': header } } });
    expect((await query(byId(id))).errors).toMatchObject([
      { extensions: { code: 'RATE_LIMITED', retryAfterSeconds: 90 } },
    ]);

    clock.advance(30_500);
    const { errors } = await query(
      `{ a: backfill(id: "${id}") { id } transfer(id: "5") { latestBackfill { id } } }`,
    );
    expect(errors).toMatchObject([
      {
        extensions: {
          code: 'RATE_LIMITED',
          retryable: true,
          retryAfterSeconds: 60,
          upstream: { status: 429 },
        },
      },
      { extensions: { code: 'RATE_LIMITED', retryable: true } },
    ]);
    expect(errors?.[1]?.extensions).not.toHaveProperty('upstream');
    expect(sandbox.calls.count()).toBe(1);

    clock.advance(59_500);
    expect((await query(byId(id))).errors).toBeUndefined();
    expect(sandbox.calls.count()).toBe(2);
  });
});

describe('the retry-after gate', () => {
  it('stays open for every other credential', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    sandbox.faults.add({ answer: { kind: 'status', status: 429, headers: { 'retry-after': '3600' } } });
    expect(codesOf(await query(byId(id)))).toEqual(['RATE_LIMITED']);
    expect((await query(byId(id), { token: 'sandbox-viewer' })).errors).toBeUndefined();
    expect(codesOf(await query(byId(id)))).toEqual(['RATE_LIMITED']);
  });

  it('lets cached values be read while it is closed, fresh or stale', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const known = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const unknown = world.addBackfill({ transferId: '6', status: 'RUNNING' });
    await query(byId(known));
    sandbox.faults.add({ answer: { kind: 'status', status: 429, headers: { 'retry-after': '100' } } });
    await query(byId(unknown));
    expect((await query(byId(known))).data).toEqual({ backfill: { id: known, isStale: false } });
    clock.advance(2_001);
    expect((await query(byId(known))).data).toEqual({ backfill: { id: known, isStale: true } });
    expect(sandbox.calls.count()).toBe(2);
  });

  it('closes for a row quota too if the HTTP response has Retry-After', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const body = envelope('API_ROW_QUOTA_EXCEEDED', 'Row quota exceeded');
    sandbox.faults.add({ answer: { kind: 'status', status: 429, headers: { 'retry-after': '600' }, body } });
    for (let n = 0; n < 3; n++) {
      expect((await query(byId(id))).errors).toMatchObject([
        { extensions: { code: 'QUOTA_EXCEEDED', retryable: false, retryAfterSeconds: 600 } },
      ]);
    }
    expect(sandbox.calls.count()).toBe(1);
  });

  it('stays open if the HTTP response has no Retry-After, and the refusal is remembered for CACHE_TTL_MS only', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    sandbox.faults.add({ answer: { kind: 'status', status: 429 } });
    expect(codesOf(await query(byId(id)))).toEqual(['RATE_LIMITED']);
    clock.advance(2_000);
    expect((await query(byId(id))).errors).toBeUndefined();
  });
});
