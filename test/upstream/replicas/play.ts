import { createLog } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { type Credential, parseCredential } from '../../../src/upstream/credentials.ts';
import { UpstreamError } from '../../../src/upstream/errors.ts';
import { OperationCost } from '../../../src/upstream/reads/operation-cost.ts';
import type { ReadContext } from '../../../src/upstream/reads/read.ts';
import { createUpstream, type Upstream } from '../../../src/upstream/upstream.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';
import { id as idOf } from '../../support/records.ts';
import { createMemoryWorld, type MemoryWorld } from './memory-store.ts';
import { type Access, createRestInMemory, type RestInMemory, RUNS, userOf } from './rest-in-memory.ts';
import { type Network, overNetwork } from './troubled-store.ts';

const TTL_MS = 2_000;
const STALE_MS = 30_000;
const STORE_TIMEOUT_MS = 50;
const AUTHORITY_MS = 60_000;
/** The longest call, the longest step, there and back, and what the clocks round. */
const CALL_MS = 400;
const STEP_MS = 40;
const SLACK_MS = 10;
/** How soon a replica hears of a refusal: by news, and where they may be lost by its looks. */
const NEWS_MS = 250;
const LOOKS_MS = TTL_MS + STEP_MS;
/** How soon a replica shares again after a trouble. */
const BACK_MS = 5_000;
const TEAMS = ['1', '2'];
export const KINDS = [
  'read',
  'page',
  'progress',
  'access',
  'pause',
  'lose',
  'empty',
  'evict',
  'step',
  'restart',
] as const;

/** A thing that happens, and for how long time then goes on. Numbers choose among what there is. */
export interface Happening {
  readonly kind: (typeof KINDS)[number];
  readonly replica: number;
  readonly token: number;
  readonly team: number;
  readonly id: number;
  readonly amount: number;
  readonly thenMs: number;
}

export interface PlayOptions {
  readonly replicas: number;
  readonly seed: number;
  readonly tokens: readonly string[];
  readonly ids: readonly string[];
  /** Backfills that a page reads. */
  readonly page: number;
  /** Whether news may be lost. */
  readonly losesNews: boolean;
  /** Calls an hour that each answer of the REST API tells of; without it the hour never ends. */
  readonly limit?: number;
  /** Whether all backfills are over from the beginning. */
  readonly areOver?: boolean;
}

/** What lets a group spend more than its hour, by what it may lose. */
export interface Losses {
  /** A replica was cut off from the store. */
  cutOff: number;
  /** A replica began anew. */
  restarted: number;
  /** The store has forgotten all, or something. */
  forgotten: number;
}

interface Replica {
  upstream: Upstream;
  network: Network;
  /** What was shown last, by credential, team and backfill. */
  shown: Map<string, number>;
  /** Since when it has reached the store, and been reached, without trouble. */
  wellSince: number;
}

/** A small generator of numbers, so that a seed decides everything. */
function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * Replicas over a store in memory and a network of its own, on one clock. What happens is told one by one, and each answer is
 * held against what the REST API has said.
 */
export class Play {
  readonly clock: ManualClock = createManualClock();
  readonly losses: Losses = { cutOff: 0, restarted: 0, forgotten: 0 };
  /** The first thing that was wrong. */
  fault: string | undefined;
  readonly #options: PlayOptions;
  readonly #random: () => number;
  readonly #rest: RestInMemory;
  readonly #shared: MemoryWorld;
  readonly #replicas: Replica[];
  readonly #reads: Promise<void>[] = [];
  /** When a replica was last refused a credential, or a team of it. */
  readonly #refusals = new Map<string, { readonly at: number; readonly by: Replica }>();
  /** Since when the store has lost nothing. */
  #wholeSince = 0;
  #marks = 0;
  #started = 0;

  constructor(options: PlayOptions) {
    const { replicas, seed, ids, limit, areOver = false } = options;
    this.#options = options;
    this.#random = numbersFrom(seed);
    const latencyMs = (): number => 2 + this.#random() * (CALL_MS - 2);
    this.#rest = createRestInMemory(this.clock, { ids, latencyMs, limit, done: areOver ? RUNS : 0 });
    this.#shared = createMemoryWorld(this.clock, () => `mark-${++this.#marks}`);
    this.#replicas = Array.from({ length: replicas }, () => this.#start());
  }

  /** Calls that were made with a credential. */
  calls(token: string): number {
    return this.#rest.calls.get(token)?.length ?? 0;
  }

  #start(): Replica {
    const { losesNews, limit = 1e9, replicas } = this.#options;
    const network: Network = {
      state: 'well',
      latencyMs: () => this.#random() * (STEP_MS / 2),
      copies: () => (this.#random() < 0.1 ? 2 : losesNews && this.#random() < 0.1 ? 0 : 1),
    };
    const { clock } = this;
    const store = overNetwork(this.#shared.storeOf(`replica ${++this.#started}`), network, clock);
    const upstream = createUpstream(
      {
        baseUrl: new URL('http://rest.test'),
        ttlMs: TTL_MS,
        finalTtlMs: 10_000,
        staleMs: STALE_MS,
        maxBytes: 1e8,
        hourlyQuota: limit,
        staleAfterMs: 0,
        replicas,
        timeoutMs: 10_000,
        maxConcurrency: 256,
        pollMs: 2_000,
      },
      {
        clock,
        log: createLog('silent', { write: () => undefined }),
        metrics: createMetrics(clock),
        http: this.#rest.http,
        shared: {
          store,
          secrets: ['a secret of thirty-two characters'],
          timeoutMs: STORE_TIMEOUT_MS,
          isThere: true,
        },
      },
    );
    return { upstream, network, shown: new Map(), wellSince: this.clock.monotonic() };
  }

  /** Lets time go on in small steps, with all that follows at each. */
  async pass(milliseconds: number): Promise<void> {
    await turn();
    for (let left = milliseconds; left > 0; left -= 10) {
      this.clock.advance(Math.min(10, left));
      await turn();
    }
  }

  async play({ kind, replica: n, token: t, team: m, id: i, amount, thenMs }: Happening): Promise<void> {
    const replica = this.#replicas[n % this.#replicas.length];
    const { tokens, ids, page } = this.#options;
    const [token, team, id] = [tokens[t % tokens.length], TEAMS[m % TEAMS.length], ids[i % ids.length]];
    if (replica === undefined || token === undefined || team === undefined || id === undefined) return;
    switch (kind) {
      case 'read':
        this.#reads.push(this.#read(replica, token, team, [id]));
        break;
      case 'page':
        this.#reads.push(this.#read(replica, token, team, someFrom(ids, i, page)));
        break;
      case 'progress':
        this.#rest.progress(team, id);
        break;
      case 'access': {
        const values: readonly Access[] = ['allowed', 'allowed', 401, 403, 429];
        const value = values[amount % values.length] ?? 'allowed';
        // A 401 and a 429 concern the credential in every team.
        const teams = value === 403 ? [team] : TEAMS;
        for (const each of teams) this.#rest.setAccess(token, each, value);
        break;
      }
      case 'pause':
        this.#trouble(replica, 'paused', amount);
        break;
      case 'lose':
        this.#trouble(replica, 'gone', amount);
        break;
      case 'empty':
        this.losses.forgotten++;
        this.#wholeSince = this.clock.monotonic();
        this.#shared.empty();
        break;
      case 'evict':
        this.losses.forgotten++;
        this.#wholeSince = this.clock.monotonic();
        this.#shared.evict(amount);
        break;
      case 'step':
        this.#shared.stepClock(amount % 2 === 0 ? amount * 100 : -amount * 100);
        break;
      case 'restart': {
        const { upstream } = replica;
        this.losses.restarted++;
        Object.assign(replica, this.#start());
        this.#reads.push(upstream.close());
        break;
      }
    }
    await this.pass(thenMs);
  }

  #trouble(replica: Replica, state: Network['state'], amount: number): void {
    this.losses.cutOff++;
    replica.network.state = state;
    replica.wellSince = Infinity;
    this.clock.after(amount * 5, () => {
      replica.network.state = 'well';
      // It takes some time until a replica shares again.
      replica.wellSince = this.clock.monotonic() + BACK_MS;
    });
  }

  async #read(replica: Replica, token: string, team: string, ids: readonly string[]): Promise<void> {
    const context: ReadContext = {
      caller: { credential: credentialOf(token), requestId: 'r', traceparent: undefined },
      mode: { kind: 'fresh' },
      cost: new OperationCost(Infinity),
    };
    const askedAt = this.clock.monotonic();
    const { upstream, shown } = replica;
    await Promise.all(
      ids.map(async (id) => {
        try {
          const snapshot = await upstream.backfills.backfill(context, idOf(team), idOf(id));
          if (replica.upstream !== upstream) return;
          this.#check(shown, token, team, id, askedAt, snapshot);
          this.#checkRefusals(replica, token, team, askedAt);
        } catch (error) {
          if (error instanceof UpstreamError && error.kind === 'unauthenticated')
            for (const each of TEAMS) this.#refused(replica, token, each);
          if (error instanceof UpstreamError && error.kind === 'forbidden')
            this.#refused(replica, token, team);
          if (!(error instanceof UpstreamError)) this.fault ??= `a read threw ${String(error)}`;
          else if (error.kind === 'timeout' || error.kind === 'unavailable')
            this.fault ??= `a read failed with ${error.kind} for ${error.message}`;
        }
      }),
    );
  }

  #check(
    shown: Map<string, number>,
    token: string,
    team: string,
    id: string,
    askedAt: number,
    {
      record,
      isStale,
    }: {
      readonly record: { readonly created_user_id: string; readonly transfer_runs_completed: number };
      readonly isStale: boolean;
    },
  ): void {
    const now = this.clock.monotonic();
    const who = `${token} in team ${team} of ${id} at ${now}`;
    if (record.created_user_id !== String(userOf(token, team)))
      this.fault ??= `isolation: ${who} was shown what ${record.created_user_id} may see`;
    const runs = record.transfer_runs_completed;
    const key = `${token}/${team}/${id}`;
    const before = shown.get(key) ?? 0;
    if (runs < before) this.fault ??= `order: ${who} was shown ${runs} after ${before}`;
    shown.set(key, Math.max(before, runs));
    const had = this.#rest.lastHad(team, id, runs) ?? -Infinity;
    const isOver = this.#rest.isOver(team, id);
    const lifeMs = isStale ? STALE_MS : TTL_MS;
    const oldest = askedAt - lifeMs - CALL_MS - SLACK_MS;
    if (!isOver && had < oldest) this.fault ??= `age: ${who} was shown ${runs}, over since ${now - had} ms`;
    if (!this.#rest.wasAllowed(token, team, askedAt - AUTHORITY_MS - CALL_MS, now))
      this.fault ??= `authority: ${who} was shown ${runs} without access for a minute`;
  }

  #refused(by: Replica, token: string, team: string): void {
    const at = this.clock.monotonic();
    // Only what the REST API says now, and not what was remembered.
    if (this.#refusals.has(`${token}/${team}`) || this.#rest.wasAllowed(token, team, at - CALL_MS, at))
      return;
    this.#refusals.set(`${token}/${team}`, { at, by });
  }

  /** What one replica was refused is shown by none, soon after. */
  #checkRefusals(replica: Replica, token: string, team: string, askedAt: number): void {
    const refusal = this.#refusals.get(`${token}/${team}`);
    if (refusal === undefined) return;
    const { at, by } = refusal;
    if (this.#rest.wasAllowed(token, team, at, this.clock.monotonic())) {
      this.#refusals.delete(`${token}/${team}`);
      return;
    }
    const before = at - CALL_MS - STEP_MS;
    const heardMs = this.#options.losesNews ? LOOKS_MS : NEWS_MS;
    const wasHeard = [replica.wellSince, by.wellSince, this.#wholeSince].every((since) => since < before);
    if (wasHeard && askedAt > at + heardMs)
      this.fault ??= `refusal: ${token} was shown something of team ${team} ${askedAt - at} ms after a replica was refused`;
  }

  async end(): Promise<void> {
    for (const { network } of this.#replicas) network.state = 'well';
    await this.pass(12_000);
    await Promise.all(this.#reads);
    for (const { upstream } of this.#replicas) {
      const closed = upstream.close();
      await this.pass(500);
      await closed;
    }
  }
}

/** As many of them as a page has, from one on. */
function someFrom(ids: readonly string[], first: number, count: number): readonly string[] {
  return Array.from({ length: Math.min(count, ids.length) }, (_, n) => ids[(first + n) % ids.length] ?? '');
}

function credentialOf(token: string): Credential {
  const credential = parseCredential(`Bearer ${token}`);
  if (credential === undefined) throw new Error(`${token} is no token`);
  return credential;
}

async function turn(): Promise<void> {
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve));
}
