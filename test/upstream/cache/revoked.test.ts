import { describe, expect, it } from 'vitest';
import { envelope, type FaultAnswer } from '../../../src/sandbox/faults.ts';
import { codesOf, type Result, type Stack, startStack } from '../../harness.ts';

const AUTHORITY_MS = 60_000;
const STALE_MS = 90_000;
/** When the reader comes back, in milliseconds after the last accepted read: at each bound and right after it. */
const MOMENTS = [
  2_000, 15_000, 30_000, 45_000, 59_000, 60_000, 60_001, 62_000, 75_000, 89_000, 90_000, 90_001, 95_000,
  130_000,
];

/** Calls that are left of 5,000. */
const QUOTAS = { plenty: 4_900, stretched: 300, nearly_out: 100, out: 0 } as const;
type Level = keyof typeof QUOTAS;

const REFUSED: FaultAnswer = { kind: 'status', status: 401 };
const OUTAGES: Readonly<Record<string, FaultAnswer>> = {
  'no answer in time': { kind: 'hang' },
  'no connection': { kind: 'reset', at: 'before-headers' },
  '500': { kind: 'status', status: 500 },
  '503': { kind: 'status', status: 503 },
  '429 without a time': { kind: 'status', status: 429 },
  '429 with a time, so that the gate is closed': {
    kind: 'status',
    status: 429,
    headers: { 'retry-after': '3600' },
  },
};

function byId(stack: Stack, id: string, headers: Readonly<Record<string, string>> = {}): Promise<Result> {
  return stack.query(`{ backfill(id: "${id}") { id } }`, { headers });
}

/** Has the upstream tell how many calls are left, in a 404, which renews no authority. */
async function tell(stack: Stack, left: number): Promise<void> {
  const headers = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': String(left) };
  const answer = { kind: 'status', status: 404, headers, body: envelope('NOT_FOUND', 'No') } as const;
  stack.sandbox.faults.add({ when: { id: '404' }, answer });
  await byId(stack, '404');
}

async function levelIs(stack: Stack, level: Level): Promise<boolean> {
  const metrics = await (await fetch(`${stack.origin}/metrics`)).text();
  return metrics.includes(`quota_credentials{level="${level}"} 1`);
}

interface Scene {
  readonly stack: Stack;
  /** Completed, and fresh for an hour. */
  readonly id: string;
  /** Known too, and fresh for a short time only. */
  readonly running: string;
  /** When the upstream last accepted a read of the token. */
  readonly acceptedAt: number;
}

/** A token with so much of its quota left, to be revoked by the caller. */
async function accepted(level: Level, staleMs = STALE_MS): Promise<Scene> {
  const stack = await startStack({
    CACHE_FINAL_TTL_MS: '3600000',
    CACHE_STALE_MS: String(staleMs),
    UPSTREAM_TIMEOUT_MS: '250',
  });
  const id = stack.world.addBackfill({ transferId: '5', status: 'COMPLETED' });
  const running = stack.world.addBackfill({ transferId: '6', status: 'RUNNING' });
  // Some demand, without which nothing is stretched.
  for (let n = 0; n < 5; n++) {
    await byId(stack, running);
    stack.clock.advance(2_001);
  }
  expect((await byId(stack, id)).errors).toBeUndefined();
  const acceptedAt = stack.clock.monotonic();
  await tell(stack, QUOTAS[level]);
  stack.clock.advance(1_001);
  expect(await levelIs(stack, level)).toBe(true);
  return { stack, id, running, acceptedAt };
}

/** How long the token is shown the backfill, in milliseconds after the last accepted read. */
async function readsFor({ stack, id, acceptedAt }: Omit<Scene, 'running'>): Promise<number> {
  let last = 0;
  for (const moment of MOMENTS) {
    stack.clock.advance(acceptedAt + moment - stack.clock.monotonic());
    const { errors } = await byId(stack, id);
    if (errors === undefined) last = moment;
  }
  return last;
}

describe.each(Object.keys(QUOTAS) as Level[])('a revoked token with its quota %s', (level) => {
  it('reads for 60 s, where the upstream refuses it when it is asked', async () => {
    const scene = await accepted(level);
    scene.stack.sandbox.faults.add({ times: Infinity, answer: REFUSED });
    expect(await readsFor(scene)).toBe(AUTHORITY_MS);
  });

  it('reads what can change no longer, though calls are saved by stale values', async () => {
    const { running, ...scene } = await accepted(level);
    scene.stack.sandbox.faults.add({ times: Infinity, answer: REFUSED });
    expect(await readsFor({ ...scene, id: running })).toBeLessThanOrEqual(AUTHORITY_MS);
  });

  it.each(Object.keys(OUTAGES))('reads for CACHE_STALE_MS while it cannot be asked: %s', async (name) => {
    const scene = await accepted(level);
    const { sandbox } = scene.stack;
    sandbox.faults.add({ times: Infinity, answer: OUTAGES[name] ?? REFUSED });
    // Closes the gate now, where it is one.
    await byId(scene.stack, '9000');
    expect(await readsFor(scene)).toBe(STALE_MS);
  });

  it('reads until the outage ends, and not for CACHE_STALE_MS', async () => {
    const { stack, id } = await accepted(level, 300_000);
    const restore = stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 500 } });
    stack.clock.advance(75_000);
    expect((await byId(stack, id)).errors).toBeUndefined();
    restore();
    stack.sandbox.faults.add({ times: Infinity, answer: REFUSED });
    // Where no call is left, one in 30 s is made.
    stack.clock.advance(level === 'out' ? 30_000 : 1_000);
    expect(codesOf(await byId(stack, id))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('a revoked token', () => {
  it('reads for CACHE_STALE_MS while a circuit is open', async () => {
    const scene = await accepted('plenty');
    const { stack } = scene;
    stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 500 } });
    for (let n = 0; n < 10; n++) await byId(stack, String(9_000 + n));
    expect(stack.logLines.map(({ msg }) => msg)).toContain('circuit opened');
    expect(await readsFor(scene)).toBe(STALE_MS);
  });
});
