import { onTestFinished, vi } from 'vitest';
import { createLoaders } from '../../../src/graphql/loaders.ts';
import { createLog } from '../../../src/log.ts';
import { createMetrics, type Metrics } from '../../../src/metrics.ts';
import { parseCredential } from '../../../src/upstream/credentials.ts';
import { OperationCost } from '../../../src/upstream/reads/operation-cost.ts';
import type { ReadContext, ReadMode } from '../../../src/upstream/reads/read.ts';
import { createUpstream, type Upstream, type UpstreamSettings } from '../../../src/upstream/upstream.ts';
import { id, RECORD } from '../../support/records.ts';
import { type Exchange, lateUpstream, startTimeline, type Timeline } from './late-upstream.ts';

export const TEAM = id('1');
export const TTL_MS = 2_000;
export const ANSWER_MS = 50;
const SETTINGS: UpstreamSettings = {
  baseUrl: new URL('http://upstream.test'),
  ttlMs: TTL_MS,
  finalTtlMs: 60_000,
  staleMs: 300_000,
  staleAfterMs: 3_000,
  maxBytes: 100_000_000,
  hourlyQuota: 1_000_000,
  replicas: 1,
  timeoutMs: 10_000,
  maxConcurrency: 256,
  pollMs: 2_000,
};

/** One poll: what it asked for, and how long it waited. */
export interface Poll {
  readonly at: number;
  /** Milliseconds from the ask to the last of its rows; undefined while it waits. */
  waitedMs: number | undefined;
  failed: number;
  readonly cost: OperationCost;
}

export interface PollingStack {
  readonly upstream: Upstream;
  readonly metrics: Metrics;
  readonly timeline: Timeline;
  /** The paths of the calls, oldest first, with who made them and when. */
  readonly calls: readonly { readonly path: string; readonly token: string; readonly at: number }[];
  /** How the next exchanges go, the first of them first; after them as usual. */
  readonly script: Exchange['end'][];
  /** Response headers and status from now on; 200 by default. */
  answering: { status: number; headers: Readonly<Record<string, string>> };
  /** How long an answer takes from now on, in milliseconds. */
  answerMs: number;
  /** Whether the list is answered 403. */
  isListRefused: boolean;
  /** Transfers whose backfill has ended. */
  readonly ended: Set<number>;
  /** Milliseconds since the start. */
  now(): number;
  poll(token: string, what: What, as?: Reader): Poll;
}

/** Whoever asks; and those of whom no refresh ahead takes note: a stream that polls or begins, and `no-cache`. */
export type Reader = 'asker' | 'stream' | 'new stream' | 'past the cache';

/** Latest backfills of these transfers, or the backfills with these ids, or the team's list. */
export type What =
  { readonly latest: readonly number[] } | { readonly byId: readonly number[] } | { readonly list: true };

/**
 * The reading half of the gateway, over an upstream that answers after so many milliseconds. Transfer `n` has the
 * backfill `1000 + n`, which runs where `n` is at most 40.
 */
export function startPolling(settings: Partial<UpstreamSettings> = {}, answerMs = ANSWER_MS): PollingStack {
  const timeline = startTimeline();
  onTestFinished(() => void vi.useRealTimers());
  const { clock } = timeline;
  const startedAt = clock.monotonic();
  const now = (): number => Math.round(clock.monotonic() - startedAt);
  const calls: { path: string; token: string; at: number }[] = [];
  const script: Exchange['end'][] = [];
  const ended = new Set<number>();
  const record = (n: number): object => ({
    ...RECORD,
    transfer_backfill_id: 1000 + n,
    transfer_id: n,
    status: n <= 40 && !ended.has(n) ? 'RUNNING' : 'COMPLETED',
  });
  const stack = { answering: { status: 200, headers: {} }, answerMs, isListRefused: false };
  const http = lateUpstream(
    clock,
    () => ({ delayMs: stack.answerMs, madeAt: 1, end: script.shift() ?? 'answer' }),
    (path) => {
      const [, , , kind, first] = path.split('/');
      if (first === undefined && stack.isListRefused) return { status: 403, headers: {}, text: '{}' };
      const running = Array.from({ length: 40 }, (_, n) => n + 1).filter((n) => !ended.has(n));
      const own = kind === 'transfers' ? Number(first) : Number(first) - 1000;
      const data = first === undefined ? running.map(record) : record(own);
      return { ...stack.answering, text: JSON.stringify({ data }) };
    },
  );
  const counted: typeof http = {
    ...http,
    begin(path, headers, ...rest) {
      const token = (headers['authorization'] ?? '').slice('Bearer '.length);
      calls.push({ path, token, at: now() });
      return http.begin(path, headers, ...rest);
    },
  };
  const metrics = createMetrics();
  const upstream = createUpstream(
    { ...SETTINGS, ...settings },
    { clock, log: createLog('silent'), metrics, http: counted },
  );
  onTestFinished(() => upstream.close());

  return Object.assign(stack, {
    upstream,
    metrics,
    timeline,
    calls,
    script,
    ended,
    now,
    poll(token: string, what: What, as: Reader = 'asker'): Poll {
      const credential = parseCredential(`Bearer ${token}`);
      if (credential === undefined) throw new Error('no credential');
      const cost = new OperationCost(200);
      const context: ReadContext = {
        caller: { credential, requestId: 'poll', traceparent: undefined },
        mode: modeOf(as, clock.monotonic()),
        cost,
        ...(as === 'new stream' ? { isFollowed: true } : {}),
      };
      const poll: Poll = { at: now(), waitedMs: undefined, failed: 0, cost };
      const loaders = createLoaders(upstream, context);
      const answers =
        'list' in what
          ? [loaders.incompleteBackfills(TEAM)]
          : 'latest' in what
            ? what.latest.map((n) => loaders.latestBackfill({ teamId: TEAM, id: id(String(n)) }))
            : what.byId.map((n) => loaders.backfill({ teamId: TEAM, id: id(String(1000 + n)) }));
      void Promise.allSettled(answers.map((each) => Promise.resolve(each))).then((outcomes) => {
        poll.waitedMs = now() - poll.at;
        poll.failed = outcomes.filter(({ status }) => status === 'rejected').length;
      });
      return poll;
    },
  });
}

function modeOf(as: Reader, now: number): ReadMode {
  if (as === 'stream') return { kind: 'poll', since: now - TTL_MS };
  return { kind: as === 'past the cache' ? 'noCache' : 'fresh' };
}

export interface Client {
  readonly token: string;
  readonly what: What;
  /** When it polls first, in milliseconds. */
  readonly startsAt: number;
  /** Milliseconds to its next poll. */
  readonly interval: () => number;
}

/** Has the clients poll for so long. @returns their polls, by client */
export async function runFleet(
  { timeline, poll, now }: PollingStack,
  clients: readonly Client[],
  forMs: number,
  as: Reader = 'asker',
): Promise<readonly (readonly Poll[])[]> {
  const polls: Poll[][] = clients.map(() => []);
  const nexts = clients.map(({ startsAt }) => startsAt);
  for (;;) {
    let soonest = 0;
    for (const [n, next] of nexts.entries()) if (next < (nexts[soonest] ?? Infinity)) soonest = n;
    const client = clients[soonest];
    const at = nexts[soonest] ?? Infinity;
    if (client === undefined || at > forMs) break;
    if (at > now()) await timeline.wait(at - now());
    polls[soonest]?.push(poll(client.token, client.what, as));
    nexts[soonest] = at + client.interval();
  }
  await timeline.wait(1);
  return polls;
}

/** The same numbers from 0 to 1 each time. */
export function createDraw(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}
