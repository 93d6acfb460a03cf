import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createLog } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics.ts';
import type { BackfillSnapshot } from '../../../src/upstream/cache/snapshots.ts';
import { parseCredential } from '../../../src/upstream/credentials.ts';
import { OperationCost } from '../../../src/upstream/reads/operation-cost.ts';
import type { ReadMode } from '../../../src/upstream/reads/read.ts';
import { createUpstream } from '../../../src/upstream/upstream.ts';
import { id, RECORD } from '../../support/records.ts';
import { lateUpstream, startTimeline } from './late-upstream.ts';

const STALE_AFTER_MS = 3_000;
const TIMEOUT_MS = 10_000;
const SETTINGS = {
  baseUrl: new URL('http://upstream.test'),
  ttlMs: 2_000,
  finalTtlMs: 60_000,
  staleMs: 300_000,
  staleAfterMs: STALE_AFTER_MS,
  maxBytes: 100_000_000,
  hourlyQuota: 1_000_000,
  replicas: 1,
  timeoutMs: TIMEOUT_MS,
  maxConcurrency: 256,
  pollMs: 2_000,
};
const SHARES = Array.from({ length: 10 }, (_, n) => Math.round(20 + (n * 75) / 9) / 100);
const TEAM = id('1');

interface Answer {
  readonly what: string;
  readonly tookMs: number;
  /** Undefined for a failure. */
  readonly snapshot: BackfillSnapshot | undefined;
}

/** An upstream with running backfills 1 to 40 and completed ones 41 to 60 that answers everything after so long. */
function startSlow(delayMs: number) {
  const { clock, wait } = startTimeline();
  onTestFinished(() => void vi.useRealTimers());
  const record = (n: number) => ({
    ...RECORD,
    transfer_backfill_id: n,
    transfer_id: n,
    status: n <= 40 ? 'RUNNING' : 'COMPLETED',
  });
  const http = lateUpstream(
    clock,
    () => ({ delayMs, madeAt: 1, end: 'answer' }),
    (path) => {
      const [, , , , first] = path.split('/');
      const data =
        first === undefined ? Array.from({ length: 40 }, (_, n) => record(n + 1)) : record(Number(first));
      return { status: 200, headers: {}, text: JSON.stringify({ data }) };
    },
  );
  const { backfills } = createUpstream(SETTINGS, {
    clock,
    log: createLog('silent'),
    metrics: createMetrics(),
    http,
  });

  function read(token: string, ids: readonly number[], kind: 'backfill' | 'latestBackfill', mode: ReadMode) {
    const credential = parseCredential(`Bearer ${token}`);
    if (credential === undefined) throw new Error('no credential');
    const context = {
      caller: { credential, requestId: 'slow', traceparent: undefined },
      mode,
      cost: new OperationCost(200),
    };
    return ids.map(async (n): Promise<Answer> => {
      const startedAt = clock.monotonic();
      const snapshot = await backfills[kind](context, TEAM, id(String(n))).catch(() => undefined);
      return {
        what: `${kind} ${n} of ${token}, asked at ${startedAt - 1_000} ms`,
        tookMs: clock.monotonic() - startedAt,
        snapshot: snapshot ?? undefined,
      };
    });
  }
  return { clock, wait, read };
}

describe.each(SHARES)('an upstream that answers after %s of the deadline', (share) => {
  const latencyMs = Math.round(share * TIMEOUT_MS);

  it('fails no read of polled dashboards, and marks stale only what it makes wait for STALE_AFTER_MS', async () => {
    const { wait, read } = startSlow(latencyMs);
    const cold: Promise<Answer>[] = [];
    const known: Promise<Answer>[] = [];
    for (let poll = 0; poll < 30; poll++) {
      const answers = poll * 2_000 <= 2 * TIMEOUT_MS ? cold : known;
      for (const token of ['one', 'two', 'three']) {
        answers.push(...read(token, [1, 2, 3, 4, 5, 41, 42, 43], 'backfill', { kind: 'fresh' }));
        answers.push(...read(token, [3, 4, 5, 6, 44], 'latestBackfill', { kind: 'fresh' }));
      }
      await wait(2_000);
    }
    await wait(2 * TIMEOUT_MS);
    const all = await Promise.all([...cold, ...known]);
    expect(all.flatMap(({ what, snapshot }) => (snapshot === undefined ? [what] : []))).toEqual([]);
    for (const { tookMs, snapshot } of all) {
      // A list of which half of the deadline was waited in vain, and then a backfill's own endpoint.
      expect(tookMs).toBeLessThanOrEqual(1.5 * TIMEOUT_MS);
      if (snapshot?.isStale === true) expect(tookMs).toBeLessThanOrEqual(STALE_AFTER_MS);
    }
    for (const { tookMs } of await Promise.all(known)) expect(tookMs).toBeLessThanOrEqual(STALE_AFTER_MS);
    if (latencyMs < STALE_AFTER_MS) expect(all.filter(({ snapshot }) => snapshot?.isStale)).toEqual([]);
  });

  it.each(['noCache', 'poll'] as const)(
    'fails no %s read, and answers none with a stale value',
    async (kind) => {
      const { clock, wait, read } = startSlow(latencyMs);
      const first = read('one', [1, 2, 41], 'backfill', { kind: 'fresh' });
      await wait(2 * TIMEOUT_MS);
      await Promise.all(first);
      const answers = read('one', [1, 2, 41], 'backfill', { kind, since: clock.monotonic() });
      await wait(2 * TIMEOUT_MS);
      for (const { tookMs, snapshot } of await Promise.all(answers)) {
        expect(snapshot?.isStale).toBe(false);
        // The clock never repeats a moment.
        expect(Math.round(tookMs)).toBe(latencyMs);
      }
    },
  );
});
