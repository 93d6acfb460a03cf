import type { Clock } from '../clock.ts';
import type { ResourceId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Credential } from './credentials.ts';
import { createFreshness } from './cache/freshness.ts';
import { type CacheSize, createPartitions, type KnownCredentials } from './cache/partitions.ts';
import type { BackfillSnapshot } from './cache/snapshots.ts';
import { UpstreamError } from './errors.ts';
import { exposeUpstream } from './exposition.ts';
import { createAdmission } from './quota/admission.ts';
import { createGovernor, type Governor, type QuotaSurvey } from './quota/governor.ts';
import { createRefusalMemory } from './quota/refusal-memory.ts';
import { createRetryAfterGate, type RetryAfterGate } from './quota/retry-after-gate.ts';
import { type Backfills, createBackfills } from './reads/backfills.ts';
import { createIncompleteBackfills, type ReadIncompleteBackfills } from './reads/incomplete-backfills.ts';
import { createEndpoint } from './reads/endpoint.ts';
import { createEstimate } from './reads/estimate.ts';
import { createGroupPeeks } from './reads/group-peeks.ts';
import { createMember } from './reads/member.ts';
import type { ReadContext } from './reads/read.ts';
import { createRefreshPermits } from './reads/refresh-permits.ts';
import { createTeams, type ListStanding, type Team } from './reads/teams.ts';
import { createBackfillsClient } from './rest/client.ts';
import type { ProxySettings } from './transport/connections.ts';
import { createHttpClient, type HttpClient } from './transport/http.ts';
import type { CircuitsState, Scope } from './transport/circuits.ts';
import { createGroup, type Group, type GroupState } from './replicas/group.ts';
import { exposeGroup } from './replicas/group-exposition.ts';
import { createSeal } from './replicas/seal.ts';
import type { SharedStore } from './replicas/shared-store.ts';
import { createResilientHttp, type UpstreamLoad } from './transport/resilience.ts';
import { estimateWrites } from './writes/estimate.ts';
import { createWrites, type Writes } from './writes/writes.ts';

/** Durations are in milliseconds. */
export interface UpstreamSettings {
  /** Base URL of the REST API. */
  readonly baseUrl: URL;
  /** The proxies on the way to it; none by default. */
  readonly proxies?: ProxySettings;
  /** Freshness lifetime of what can still change. */
  readonly ttlMs: number;
  /** Freshness lifetime of what is final. */
  readonly finalTtlMs: number;
  /** How old a stale value may be; 0 for none. */
  readonly staleMs: number;
  /** The most bytes that may be kept. */
  readonly maxBytes: number;
  /** Calls an hour of a credential, assumed until the REST API tells its limit. */
  readonly hourlyQuota: number;
  /** After how long a query is answered a stale value while its read goes on; 0 for never. */
  readonly staleAfterMs: number;
  /** The processes that share each hour. */
  readonly replicas: number;
  /** The deadline of one read, waiting and retries included. */
  readonly timeoutMs: number;
  /** The most calls in flight. */
  readonly maxConcurrency: number;
  /** Time between two polls of one team, unstretched. */
  readonly pollMs: number;
}

export interface UpstreamDeps {
  /** What several replicas share; without it this process is on its own. */
  readonly shared?: SharedState | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The transport; by default real HTTP to the base URL. */
  readonly http?: HttpClient;
}

/** What several replicas share, and how long they wait for it. */
export interface SharedState {
  readonly store: SharedStore;
  /** `CACHE_SECRET` */
  readonly secrets: readonly [string, ...string[]];
  /** `REDIS_TIMEOUT_MS` */
  readonly timeoutMs: number;
  /** Whether the store is there from the beginning. */
  readonly isThere?: boolean;
}

/** The ways to read. */
export interface Reads {
  readonly backfills: Backfills;
  readonly incompleteBackfills: ReadIncompleteBackfills;
}

/** What is known of the REST API and kept of it at a moment: counts, which name nobody. */
export interface UpstreamState {
  readonly circuits: CircuitsState;
  readonly calls: Pick<UpstreamLoad, 'running' | 'waiting'>;
  readonly gates: Pick<RetryAfterGate, 'closed' | 'longestSeconds'>;
  readonly refusalsRemembered: number;
  readonly quota: QuotaSurvey;
  /** The other replicas, where there may be any. */
  readonly group?: GroupState;
  /** Teams of credentials, by how their lists stand. */
  readonly lists: Readonly<Record<ListStanding, number>>;
  readonly credentials: KnownCredentials;
  readonly values: CacheSize;
}

/** The REST API as the rest of the gateway sees it. */
export interface Upstream extends Reads {
  /** The same reads without any call, for what they would cost. */
  readonly estimate: Reads & { readonly writes: Writes };
  readonly writes: Writes;
  /** The last known state of a backfill, marked as stale, while it may stand in for one that cannot be had. */
  lastKnown(context: ReadContext, teamId: ResourceId, backfillId: ResourceId): BackfillSnapshot | undefined;
  /** The state of a backfill that readers have been shown last, fresh or not, while it may be shown. */
  newest(context: ReadContext, teamId: ResourceId, backfillId: ResourceId): BackfillSnapshot | undefined;
  readonly quota: Pick<Governor, 'remaining' | 'stretch'>;
  /**
   * @param onNews called when other replicas have read something of the team, or it has changed
   * @returns a function that ends it
   */
  listen(credential: Credential, teamId: ResourceId, onNews: () => void): () => void;
  /** Takes over what other replicas have read of the team since it was known here. */
  hearNews(context: ReadContext, teamId: ResourceId, backfillIds: readonly ResourceId[]): Promise<void>;
  /** Milliseconds between two polls of one team, stretched so that the credential's hourly quota lasts. */
  pollIntervalMs(credentialId: string): number;
  /** Whether the REST API has accepted the credential, as far as is known. */
  isAccepted(credentialId: string): boolean;
  /** For people; it walks through all that is known. */
  state(): UpstreamState;
  /** Ends the connections to the REST API, and with them whatever still waits for it. */
  close(): Promise<void>;
}

/** Joins the rooms of `upstream/`. Calls run downwards: writes → reads → cache → quota, rest → transport. */
export function createUpstream(settings: UpstreamSettings, deps: UpstreamDeps): Upstream {
  const { ttlMs, finalTtlMs, staleMs, staleAfterMs, maxBytes, hourlyQuota, replicas } = settings;
  const { timeoutMs, maxConcurrency, pollMs } = settings;
  const { clock, log, metrics } = deps;
  const partitions = createPartitions<Team>(maxBytes, clock);
  const governor = createGovernor(clock, { finalTtlMs, hourlyQuota, replicas }, (level, before) =>
    log.warn({ from: before, to: level }, 'quota level changed'),
  );
  const http =
    deps.http ??
    createHttpClient({
      baseUrl: settings.baseUrl,
      maxConnections: maxConcurrency,
      // Time is left to try another connection.
      connectTimeoutMs: Math.ceil(timeoutMs / 3),
      proxies: settings.proxies,
    });
  const resilient = createResilientHttp({
    http,
    timeoutMs,
    maxConcurrency,
    clock,
    counter: governor,
    onCircuit(scope, isClosed, cause) {
      metrics.recordCircuit(isClosed ? 'closed' : 'open');
      reportCircuit(log, scope, isClosed, cause);
    },
    onRefused: (scope) => metrics.recordRefusal('upstream_slots', scope),
    onReachable(isReachable, cause) {
      if (isReachable) log.warn('upstream reachable again');
      else log.warn(whyOf(cause), 'upstream unreachable');
    },
  });
  const client = createBackfillsClient({
    http: resilient,
    upstreamHost: settings.baseUrl.host,
    clock,
    log,
    metrics,
  });
  const gate = createRetryAfterGate(clock, (seconds) => {
    metrics.recordGateClosed();
    log.warn({ seconds }, 'retry-after gate closed');
  });
  const refusals = createRefusalMemory(clock, ttlMs);
  const group = joinGroup();
  const admission = createAdmission({ gate, refusals, governor, partitions, news: group });
  const freshness = createFreshness({ ttlMs, finalTtlMs }, governor);
  const peeks = createGroupPeeks({ freshness, clock });
  const endpoint = createEndpoint({ client, admission, freshness, clock, group, peeks });
  const teamOf = createTeams({
    partitions,
    client,
    admission,
    endpoint,
    freshness,
    http: resilient,
    permits: createRefreshPermits({ governor, http: resilient, maxConcurrency }),
    ttlMs,
    timeoutMs,
    staleMs,
    staleAfterMs,
    clock,
    log,
    group,
    peeks,
  });
  const { isSaving } = governor;
  exposeUpstream(metrics, { governor, http: resilient, gate, partitions });

  return {
    backfills: createBackfills({ teamOf, isSaving, clock, metrics, timeoutMs }),
    incompleteBackfills: createIncompleteBackfills({ teamOf, isSaving, clock, metrics }),
    estimate: { ...createEstimate({ teamOf, clock }), writes: estimateWrites },
    writes: createWrites({ teamOf, client, admission, clock, timeoutMs, group, peeks }),
    lastKnown: (context, teamId, id) =>
      teamOf(context, teamId).store.staleValue({ kind: 'backfill', teamId, id })?.outcome,
    newest(context, teamId, id) {
      const outcome = teamOf(context, teamId).store.known({ kind: 'backfill', teamId, id })?.outcome;
      return outcome instanceof UpstreamError ? undefined : outcome;
    },
    quota: governor,
    listen: (credential, teamId, onNews) => group?.listen(credential, teamId, onNews) ?? (() => undefined),
    hearNews: (context, teamId, ids) => teamOf(context, teamId).hearNews(context, ids),
    pollIntervalMs: (credentialId) => pollMs * governor.stretch(credentialId).changing,
    isAccepted: partitions.isAccepted,
    state() {
      const { running, waiting } = resilient.load();
      const lists = { usable: 0, resting: 0, unread: 0 };
      for (const { listStanding } of partitions.teams()) lists[listStanding]++;
      return {
        circuits: resilient.circuits(),
        calls: { running, waiting },
        gates: { closed: gate.closed, longestSeconds: gate.longestSeconds },
        refusalsRemembered: refusals.remembered(),
        quota: governor.survey(),
        ...(group && { group: group.state() }),
        lists,
        credentials: partitions.credentials(),
        values: partitions.size(),
      };
    },
    async close() {
      await group?.close();
      await http.close();
    },
  };

  function joinGroup(): Group | undefined {
    if (deps.shared === undefined) return undefined;
    const { store, secrets, timeoutMs: storeTimeoutMs, isThere } = deps.shared;
    return createGroup(
      { timeoutMs: storeTimeoutMs, ttlMs, replicas },
      {
        store,
        seal: createSeal(secrets, settings.baseUrl.href),
        clock,
        hours: governor,
        member: createMember({ gate, refusals, governor, partitions }),
        standings: {
          of: (credential) => ({ gate: gate.of(credential), refusal: refusals.of(credential.id, undefined) }),
          ofTeam: (credential, teamId) => ({ refusal: refusals.of(credential.id, teamId) }),
        },
        usedAt: partitions.usedAt,
        ...exposeGroup(metrics, () => group?.state()),
        onChange(awayFor) {
          if (awayFor === undefined) log.warn('replicas share their reads and their hour');
          else log.warn({ reason: awayFor }, 'replicas share nothing: each reads for itself');
        },
        onForeign: (others) =>
          log.warn(
            { replicas: others },
            'other replicas use this Redis with another CACHE_SECRET or SUPERMETRICS_API_URL: nothing is shared with them',
          ),
      },
      isThere,
    );
  }
}

/** Says when a circuit opens or closes, and for whom, without naming anybody. */
function reportCircuit(
  log: Log,
  scope: Scope | undefined,
  isClosed: boolean,
  trouble: UpstreamError | undefined,
): void {
  const concerns = scope === undefined ? 'all' : 'one credential and team';
  if (isClosed) log.warn({ concerns }, 'circuit closed');
  else log.warn({ concerns, ...whyOf(trouble) }, 'circuit opened');
}

/** The kind of an error, and the code of the system error behind it. */
function whyOf(trouble: UpstreamError | undefined): Readonly<Record<string, unknown>> {
  const cause = trouble?.cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return { reason: trouble?.kind ?? 'failed', ...(typeof code === 'string' ? { cause: code } : {}) };
}
