import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { QuotaLevel, QuotaSurvey } from '../../metrics.ts';
import { UpstreamError } from '../errors.ts';
import type { HttpResponse } from '../transport/http.ts';
import { type CallReason, MAX_FINAL_STRETCH, MAX_STRETCH, Demand, type Stretch } from './demand.ts';
import { MinuteCounter } from './minute-counter.ts';
import type { CallCounter } from '../transport/resilience.ts';

/** Budgets the hourly quota of each credential. Credentials are named by their partitions. */
export interface Governor extends CallCounter {
  stretch(partition: string): Stretch;
  /** Tells what the next call is for, so that demand can be told from what is made of it. */
  expectCall(partition: string, reason: CallReason): void;
  /**
   * @param reader how much depends on the call: a `poll` can skip a turn, a value in `reserve` can stand in, `bare` is without
   * @throws {UpstreamError} `rateLimited` where the call would be better saved for others
   */
  assertAffordable(partition: string, reader: 'bare' | 'reserve' | 'poll'): void;
  /** Calls of the hour that are left, as far as is known here. */
  remaining(partition: string): number;
  survey(): QuotaSurvey;
}

/** What the REST API's documents give as an example; an answer that says otherwise is believed. */
const ASSUMED_LIMIT = 5_000;
/** The share of an hour's calls that lifetimes are stretched to stay within; the rest is for what cannot wait. */
const PACED_SHARE = 0.95;
/** Shares of the limit below which known values are not read again, and below which not even subscriptions are. */
const NEARLY_OUT_SHARE = 0.04;
const PAUSED_SHARE = 0.01;
/** The stretch moves no more often than this, in milliseconds. */
const REVISED_EVERY_MS = 1_000;
/** It rises at once and falls by half within this time, so that what comes due by its fall can stop it. */
const FALLS_BY_HALF_MS = 5 * 60_000;
/** Out of quota, one call in so many milliseconds finds out whether the REST API's hour began anew. */
const PROBE_EVERY_MS = 30_000;
const MAX_CREDENTIALS = 10_000;
const UNSTRETCHED: Stretch = { changing: 1, final: 1 };

interface Account {
  readonly calls: MinuteCounter;
  readonly demand: Demand;
  limit: number;
  /** Whether the REST API said what the limit is. */
  limitIsTold: boolean;
  underWay: number;
  stretch: Stretch;
  revisedAt: number;
  probedAt: number;
}

/** @param finalTtlMs for how long what is as good as final is given out without any stretch */
export function createGovernor(clock: Clock, { finalTtlMs }: { readonly finalTtlMs: number }): Governor {
  const accounts = new LRUCache<string, Account>({ max: MAX_CREDENTIALS });

  function accountOf(partition: string): Account {
    const known = accounts.get(partition);
    if (known !== undefined) return known;
    const now = clock.monotonic();
    const account: Account = {
      calls: new MinuteCounter(now),
      demand: new Demand(now, finalTtlMs),
      limit: ASSUMED_LIMIT,
      limitIsTold: false,
      underWay: 0,
      stretch: UNSTRETCHED,
      revisedAt: now,
      probedAt: -Infinity,
    };
    accounts.set(partition, account);
    return account;
  }

  function stretchOf(account: Account): Stretch {
    const now = clock.monotonic();
    if (now - account.revisedAt >= REVISED_EVERY_MS) {
      const { calls, demand, limit, stretch, revisedAt } = account;
      const available = calls.pace(now, limit * PACED_SHARE) - demand.cold(now);
      const wanted = solve(available, demand.recheck(now, stretch), demand.verify(now, stretch));
      const least = stretch.changing * 0.5 ** ((now - revisedAt) / FALLS_BY_HALF_MS);
      account.stretch = wanted.changing < least ? stretchedBy(least) : wanted;
      account.revisedAt = now;
    }
    return account.stretch;
  }

  function remainingOf({ calls, limit }: Account): number {
    return Math.max(0, limit - calls.total(clock.monotonic()));
  }

  function levelOf(account: Account): QuotaLevel {
    const share = remainingOf(account) / account.limit;
    // An assumed limit may stretch and spare, but only one that was told refuses.
    if (share === 0 && account.limitIsTold) return 'out';
    if (share < NEARLY_OUT_SHARE) return 'nearly_out';
    return stretchOf(account).changing > 1 ? 'stretched' : 'plenty';
  }

  /** The header counts what we cannot see, and knows when the hour began; ours knows what is still under way. */
  function learnFrom(account: Account, { status, headers }: HttpResponse): void {
    const limit = countIn(headers['x-ratelimit-limit']);
    const remaining = countIn(headers['x-ratelimit-remaining']);
    if (limit !== undefined && limit > 0) {
      account.limit = limit;
      account.limitIsTold = true;
    }
    const now = clock.monotonic();
    if (remaining === undefined) {
      // Most answers say nothing of the quota, but any that came when there was none left does.
      const isNews = status < 500 && status !== 429 && levelOf(account) === 'out';
      if (isNews) account.calls.correctTo(now, account.limit * (1 - NEARLY_OUT_SHARE));
      return;
    }
    const used = Math.max(0, account.limit - remaining);
    const excess = account.calls.total(now) - used;
    if (excess < 0 || excess > account.underWay) account.calls.correctTo(now, used);
  }

  return {
    stretch: (partition) => stretchOf(accountOf(partition)),

    expectCall(partition, reason) {
      const { demand, stretch } = accountOf(partition);
      demand.expect(clock.monotonic(), reason, stretch);
    },

    assertAffordable(partition, reader) {
      const account = accountOf(partition);
      const level = levelOf(account);
      if (level === 'out') {
        const now = clock.monotonic();
        if (now - account.probedAt >= PROBE_EVERY_MS) {
          account.probedAt = now;
          return;
        }
      } else {
        const paused = remainingOf(account) < account.limit * PAUSED_SHARE;
        if (level !== 'nearly_out' || reader === 'bare' || (reader === 'poll' && !paused)) return;
      }
      throw new UpstreamError('rateLimited', `the hour's calls of this credential are ${level}`, {
        retryAfterSeconds: Math.max(1, Math.ceil(account.calls.untilRelief(clock.monotonic()) / 1000)),
      });
    },

    remaining: (partition) => remainingOf(accountOf(partition)),

    callBegan(partition) {
      const account = accountOf(partition);
      account.underWay++;
      account.calls.add(clock.monotonic(), 1);
    },

    callEnded(partition, answer) {
      const account = accountOf(partition);
      account.underWay = Math.max(0, account.underWay - 1);
      if (answer !== undefined) learnFrom(account, answer);
    },

    survey() {
      const credentials: Record<QuotaLevel, number> = { plenty: 0, stretched: 0, nearly_out: 0, out: 0 };
      let leastRemaining = accounts.size === 0 ? ASSUMED_LIMIT : Infinity;
      let greatestStretch = 1;
      for (const account of accounts.values()) {
        credentials[levelOf(account)]++;
        leastRemaining = Math.min(leastRemaining, remainingOf(account));
        greatestStretch = Math.max(greatestStretch, account.stretch.changing);
      }
      return { credentials, leastRemaining, greatestStretch };
    },
  };
}

/**
 * The least stretch s at which `recheck / s + verify / s²` calls an hour fit into `available`: what changes is stretched
 * by s, and what is as good as final by its square, as far as that may go.
 */
function solve(available: number, recheck: number, verify: number): Stretch {
  if (recheck + verify <= available) return UNSTRETCHED;
  const both = (recheck + Math.sqrt(recheck ** 2 + 4 * available * verify)) / (2 * available);
  const alone = recheck / (available - verify / MAX_FINAL_STRETCH);
  const s = both ** 2 <= MAX_FINAL_STRETCH ? both : alone;
  return stretchedBy(s > 0 ? s : MAX_STRETCH);
}

function stretchedBy(s: number): Stretch {
  const changing = Math.min(MAX_STRETCH, Math.max(1, s));
  return { changing, final: Math.min(MAX_FINAL_STRETCH, changing ** 2) };
}

function countIn(header: string | readonly string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,9}$/.test(header) ? Number(header) : undefined;
}
