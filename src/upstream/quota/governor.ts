import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { UpstreamError } from '../errors.ts';
import type { HttpResponse } from '../transport/http.ts';
import type { CallCounter } from '../transport/resilience.ts';
import {
  type CallReason,
  Demand,
  type Foreseen,
  MAX_STRETCH,
  NOTHING_FORESEEN,
  type Stretch,
} from './demand.ts';
import { MinuteCounter } from './minute-counter.ts';
import { timeUntilRelief } from './pacing.ts';
import { finalStretch, reviseStretch, type Stretched, UNSTRETCHED } from './stretch.ts';

/** How much of its hour's calls a credential has left. */
export type QuotaLevel = 'plenty' | 'stretched' | 'nearly_out' | 'out';

/**
 * Who may be refused first: `sheddable` has a stale value to fall back on, `poll` can wait for its next poll,
 * `essential` has neither.
 */
export type Priority = 'essential' | 'poll' | 'sheddable';

/** The hourly quotas at a moment, over the credentials seen lately. */
export interface QuotaSurvey {
  readonly credentials: Readonly<Record<QuotaLevel, number>>;
  readonly leastRemaining: number;
  readonly greatestStretch: number;
}

/**
 * Budgets the hourly quota of each credential. Credentials are named by their ids.
 *
 * The REST API allows a credential so many calls an hour, and fleets of dashboards would spend them in half of it. The
 * governor makes the hour last in four steps:
 *
 * 1. It counts every call and corrects the count by `X-RateLimit-*` whenever a response has them.
 * 2. From the calls made it knows the greatest even pace that no coming hour exceeds (pacing.ts).
 * 3. From the reasons of the calls it forecasts what would be asked without any stretch (demand.ts).
 * 4. Once a second it looks for the least stretch with which the forecast fits the pace (stretch.ts). Lifetimes and poll
 *    intervals are multiplied by it.
 *
 * Where that does not suffice, little is left: then stale values are served without a call, and last of all polls wait.
 */
export interface Governor extends CallCounter, SharedHours {
  stretch(credentialId: string): Stretch;
  /** Records why the next call is made. */
  expectCall(credentialId: string, reason: CallReason): void;
  /** @throws {UpstreamError} `rateLimited` where the call is better saved for others */
  assertAffordable(credentialId: string, priority: Priority): void;
  /** The error that {@link assertAffordable} would throw now. */
  refusal(credentialId: string, priority: Priority): UpstreamError | undefined;
  /** Whether so few calls are left that none is made for something known. */
  isSaving(credentialId: string): boolean;
  /** Whether the hour's calls suffice without any saving. */
  hasPlenty(credentialId: string): boolean;
  /** Calls left in the hour, as far as is known here. */
  remaining(credentialId: string): number;
  survey(): QuotaSurvey;
}

/**
 * The hours as several replicas spend them together. While they do, counts, forecasts and stretch are those of the group. A
 * replica that is cut off from it goes on with its part of what was left.
 */
export interface SharedHours {
  /** The credentials in use here. */
  inUse(): readonly string[];
  /** Exchanges that have begun here, ever. */
  exchanges(credentialId: string): number;
  /** What this replica adds to the group's hour. */
  part(credentialId: string): HourPart;
  /** Counts calls that other replicas have made just now. */
  addOthers(credentialId: string, calls: number): void;
  /** Goes on with the hour as the group has it. */
  adopt(credentialId: string, whole: WholeHour): void;
  /** Calls an hour, where the REST API has told them. */
  toldLimit(credentialId: string): number | undefined;
  adoptLimit(credentialId: string, limit: number): void;
  /** From now on the hours are the group's: each as soon as it is adopted, and until then this replica's part of it. */
  join(): void;
  /** From now on they are this replica's alone, which is one of so many. */
  leave(replicas: number): void;
}

export interface HourPart {
  /** What this replica foresees for itself. */
  readonly foreseen: Foreseen;
  /** The stretch that follows from what is known here of the group's hour. */
  readonly stretch: number;
  /** Between which counts the hour's total is, where the REST API has said it since it was asked last. */
  readonly told: { readonly least: number; readonly most: number } | undefined;
}

export interface WholeHour {
  /** Calls of the group by the minute of this process's clock, newest first. */
  readonly calls: readonly number[];
  /** The exchanges of this replica that are among them. */
  readonly exchanges: number;
  /** What the other replicas foresee. */
  readonly others: Foreseen;
  readonly stretch: number;
}

/** Below this share of the limit a known value is not read again. */
const NEARLY_OUT_SHARE = 0.04;
/** Below this share of the limit not even polls are made. */
const POLLS_PAUSED_SHARE = 0.01;
/** When no calls are left, one call in so many milliseconds finds out whether the REST API's hour began anew. */
const PROBE_INTERVAL_MS = 30_000;
const MAX_CREDENTIALS = 10_000;
/** A credential that nobody has read with for as long is not in use, in milliseconds. */
const IN_USE_MS = 120_000;
/** The group's stretch counts unless it is below this share of what follows from its hour: anybody may have written it. */
const PLAUSIBLE_SHARE = 0.8;

/** How many calls of all replicas may be in flight for each that is in flight here. */
const UNKNOWN_IN_FLIGHT = 10;

interface Account extends Stretched {
  /** Calls an hour that the REST API allows to all processes. */
  wholeLimit: number;
  /** The part of them that is this process's. */
  limit: number;
  others: Foreseen;
  exchanges: number;
  /** The stretch that follows from what is known here, where the group's counts. */
  proposed: number;
  /** Whether the calls are those of all replicas. */
  isWhole: boolean;
  told: HourPart['told'];
  /** When somebody last read with it, in monotonic milliseconds. */
  usedAt: number;
  /** Whether the REST API has said what the limit is. */
  limitIsTold: boolean;
  callsInFlight: number;
  probedAt: number;
  /** The level at the last call, made or refused. */
  level: QuotaLevel;
}

export interface GovernorSettings {
  /** The unstretched final lifetime, `CACHE_FINAL_TTL_MS`. */
  readonly finalTtlMs: number;
  /** The limit that is assumed until a response tells it, `UPSTREAM_HOURLY_QUOTA`. */
  readonly hourlyQuota: number;
  /** The processes that share each hour evenly where they do not know of each other's calls, `REPLICAS`. */
  readonly replicas: number;
}

/** Called when the level of a credential is another one than at its call before. */
export type OnQuotaLevel = (level: QuotaLevel, before: QuotaLevel) => void;

export function createGovernor(
  clock: Clock,
  settings: GovernorSettings,
  onLevel: OnQuotaLevel = () => undefined,
): Governor {
  /** The processes that share an hour where they do not know of each other's calls. */
  let parts = settings.replicas;
  let isShared = false;
  const accounts = new LRUCache<string, Account>({ maxSize: MAX_CREDENTIALS, sizeCalculation: () => 1 });

  /** The one used last, which a read asks for some ten times. It is never the one to be evicted. */
  let latest: { readonly credentialId: string; readonly account: Account } | undefined;

  function accountOf(credentialId: string): Account {
    if (latest?.credentialId === credentialId) return latest.account;
    const known = accounts.get(credentialId);
    const account = known ?? newAccount(clock.monotonic(), settings, partOf(settings.hourlyQuota, false));
    if (known === undefined) accounts.set(credentialId, account);
    latest = { credentialId, account };
    return account;
  }

  function stretchOf(account: Account): Stretch {
    // The group's is revised with its hour.
    if (!isShared) reviseStretch(account, clock.monotonic());
    return account.stretch;
  }

  /**
   * One call an hour is left even to the most replicas, since a limit of none would stop them for ever.
   * @param isWhole whether the calls of the others are known
   */
  function partOf(limit: number, isWhole: boolean): number {
    return isWhole ? limit : Math.max(1, Math.floor(limit / parts));
  }

  function setLimit(account: Account, limit: number): void {
    account.wholeLimit = limit;
    account.limit = partOf(limit, account.isWhole);
    account.limitIsTold = true;
  }

  function usedAccount(credentialId: string): Account {
    const account = accountOf(credentialId);
    account.usedAt = clock.monotonic();
    return account;
  }

  function remainingOf({ calls, limit }: Account): number {
    return Math.max(0, limit - calls.total(clock.monotonic()));
  }

  function levelOf(account: Account): QuotaLevel {
    const share = remainingOf(account) / account.limit;
    // Only a limit that the REST API named refuses calls; an assumed one stretches lifetimes and sheds.
    if (share === 0 && account.limitIsTold) return 'out';
    if (share < NEARLY_OUT_SHARE) return 'nearly_out';
    return stretchOf(account).changing > 1 ? 'stretched' : 'plenty';
  }

  /** Whether the REST API may be asked if its hour began anew; the call that follows is the probe. */
  function takeProbe(account: Account): boolean {
    const now = clock.monotonic();
    if (now - account.probedAt < PROBE_INTERVAL_MS) return false;
    account.probedAt = now;
    return true;
  }

  function unaffordable(account: Account, level: QuotaLevel): UpstreamError {
    const reliefMs = timeUntilRelief(account.calls, clock.monotonic());
    return new UpstreamError('rateLimited', `the hour's calls of this credential are ${level}`, {
      retryAfterSeconds: Math.max(1, Math.ceil(reliefMs / 1000)),
    });
  }

  function mayCall(account: Account, level: QuotaLevel, priority: Priority): boolean {
    if (level === 'out') return takeProbe(account);
    if (level !== 'nearly_out' || priority === 'essential') return true;
    return priority === 'poll' && remainingOf(account) >= account.limit * POLLS_PAUSED_SHARE;
  }

  /** @param wasOut whether the call began when none seemed to be left */
  function learnLimits(account: Account, { status, headers }: HttpResponse, wasOut: boolean): void {
    account.hasNews = true;
    const limit = countIn(headers['x-ratelimit-limit']);
    const remaining = countIn(headers['x-ratelimit-remaining']);
    if (limit !== undefined && limit > 0) setLimit(account, limit);
    const now = clock.monotonic();
    if (remaining === undefined) {
      // Most responses say nothing of the quota. One that is no refusal shows that a quota taken for used up is not, unless
      // its call was among those that used it up.
      const isNews = wasOut && status < 500 && status !== 429 && remainingOf(account) === 0;
      if (isNews) {
        const mostOf = (limit: number): number => Math.floor(limit * (1 - NEARLY_OUT_SHARE));
        account.calls.correctTo(now, mostOf(account.limit));
        account.told = { least: 0, most: mostOf(account.wholeLimit) };
      }
      return;
    }
    // The header includes other clients' calls; our count includes calls in flight. A difference those explain is
    // ignored. What other replicas leave of the hour bounds our part of it, but does not enlarge it.
    const usedByAll = Math.max(0, account.wholeLimit - remaining);
    const used = Math.max(0, account.limit - remaining);
    const counted = account.calls.total(now);
    // Calls of other replicas that are in flight are not known here.
    account.told = { least: usedByAll, most: usedByAll + UNKNOWN_IN_FLIGHT * (1 + account.callsInFlight) };
    if (counted < used) account.calls.correctTo(now, used);
    else if (counted > usedByAll + account.callsInFlight) account.calls.correctTo(now, usedByAll);
  }

  return {
    stretch: (credentialId) => stretchOf(usedAccount(credentialId)),

    expectCall(credentialId, reason) {
      const account = usedAccount(credentialId);
      account.hasNews = true;
      account.demand.record(clock.monotonic(), reason, account.stretch);
    },

    assertAffordable(credentialId, priority) {
      const account = accountOf(credentialId);
      const level = levelOf(account);
      const before = account.level;
      account.level = level;
      if (level !== before) onLevel(level, before);
      if (mayCall(account, level, priority)) return;
      throw unaffordable(account, level);
    },

    refusal(credentialId, priority) {
      const account = accountOf(credentialId);
      const level = levelOf(account);
      // The probe is taken by the call itself.
      const mayProbe = level === 'out' && clock.monotonic() - account.probedAt >= PROBE_INTERVAL_MS;
      if (mayProbe || (level !== 'out' && mayCall(account, level, priority))) return undefined;
      return unaffordable(account, level);
    },

    isSaving(credentialId) {
      const level = levelOf(accountOf(credentialId));
      return level === 'nearly_out' || level === 'out';
    },

    hasPlenty: (credentialId) => levelOf(accountOf(credentialId)) === 'plenty',

    remaining: (credentialId) => remainingOf(accountOf(credentialId)),

    callBegan(credentialId) {
      const account = accountOf(credentialId);
      const wasOut = account.limitIsTold && remainingOf(account) === 0;
      account.hasNews = true;
      account.callsInFlight++;
      account.exchanges++;
      account.calls.add(clock.monotonic(), 1);
      return (response) => {
        // The account may have been evicted and begun anew meanwhile.
        const present = accountOf(credentialId);
        present.callsInFlight = Math.max(0, present.callsInFlight - 1);
        if (response !== undefined) learnLimits(present, response, wasOut);
      };
    },

    inUse() {
      const since = clock.monotonic() - IN_USE_MS;
      return [...accounts.entries()].flatMap(([id, { usedAt }]) => (usedAt >= since ? [id] : []));
    },

    exchanges: (credentialId) => accountOf(credentialId).exchanges,

    part(credentialId) {
      const account = accountOf(credentialId);
      const { stretch, revisedAt, told } = account;
      const now = clock.monotonic();
      reviseStretch(account, now);
      // Asked twice within a second it proposes the same again.
      if (account.revisedAt !== revisedAt) account.proposed = account.stretch.changing;
      account.stretch = stretch;
      account.told = undefined;
      const foreseen = account.demand.foresee(now, stretch);
      return { foreseen, stretch: account.proposed, told };
    },

    addOthers: (credentialId, calls) => accountOf(credentialId).calls.add(clock.monotonic(), calls),

    adopt(credentialId, { calls, exchanges, others, stretch }) {
      const account = accountOf(credentialId);
      const now = clock.monotonic();
      account.isWhole = true;
      account.limit = partOf(account.wholeLimit, true);
      account.calls.replace(now, calls);
      account.calls.add(now, account.exchanges - exchanges);
      account.others = others;
      account.hasNews = true;
      const { proposed } = account;
      const changing = stretch >= proposed * PLAUSIBLE_SHARE ? Math.min(stretch, MAX_STRETCH) : proposed;
      account.stretch = { changing, final: finalStretch(changing) };
    },

    toldLimit(credentialId) {
      const { limitIsTold, wholeLimit } = accountOf(credentialId);
      return limitIsTold ? wholeLimit : undefined;
    },

    adoptLimit: (credentialId, limit) => setLimit(accountOf(credentialId), limit),

    join() {
      isShared = true;
    },

    leave(replicas) {
      parts = replicas;
      const now = clock.monotonic();
      for (const account of accounts.values()) {
        account.others = NOTHING_FORESEEN;
        account.hasNews = true;
        // One that came and went at once has told nothing of the hour.
        if (account.isWhole) {
          account.isWhole = false;
          account.calls.replace(
            now,
            account.calls.counts(now).map((count) => count / replicas),
          );
        }
        account.limit = partOf(account.wholeLimit, false);
      }
      isShared = false;
    },

    survey() {
      const credentials: Record<QuotaLevel, number> = { plenty: 0, stretched: 0, nearly_out: 0, out: 0 };
      let leastRemaining = accounts.size === 0 ? partOf(settings.hourlyQuota, isShared) : Infinity;
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

function newAccount(now: number, settings: GovernorSettings, limit: number): Account {
  const { finalTtlMs, hourlyQuota } = settings;
  return {
    calls: new MinuteCounter(now),
    demand: new Demand(now, finalTtlMs),
    wholeLimit: hourlyQuota,
    limit,
    others: NOTHING_FORESEEN,
    exchanges: 0,
    proposed: 1,
    isWhole: false,
    told: undefined,
    usedAt: now,
    limitIsTold: false,
    callsInFlight: 0,
    stretch: UNSTRETCHED,
    hasNews: false,
    revisedAt: now,
    probedAt: -Infinity,
    level: 'plenty',
  };
}

/** At most 15 digits, which a number holds exactly. */
function countIn(header: string | readonly string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
