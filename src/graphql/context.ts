import type { Clock } from '../clock.ts';
import type { ResourceId } from '../ids.ts';
import type { TracedOperation } from '../tracing/operation.ts';
import { type Credential, parseCredential } from '../upstream/credentials.ts';
import type { ReadContext } from '../upstream/reads/read.ts';
import { OperationCost } from '../upstream/reads/operation-cost.ts';
import type { BackfillSnapshot } from '../upstream/cache/snapshots.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { WriteResult, Writes } from '../upstream/writes/writes.ts';
import type { AnswerBudget } from './answer-budget.ts';
import type { Audit, WriteFacts } from './audit.ts';
import { badUserInput, unauthenticated } from './errors.ts';
import { resourceId } from './input.ts';
import { createLoaders, type Loaders } from './loaders.ts';
import type { BackfillUpdates } from './live/backfill-updates.ts';

/** The facts about a request's caller: header values as they came. */
export interface CallerFacts {
  readonly requestId: string;
  readonly traceparent: string | undefined;
  /** Only where traces are made. */
  readonly trace: TracedOperation | undefined;
  readonly authorization: string | null;
  /** The header `X-Team-Id`. */
  readonly teamId: string | null;
  /** `Cache-Control: no-cache`: reads go past the cache. */
  readonly noCache: boolean;
  readonly costQuestion: CostQuestion;
}

/** The header `X-Explain-Cost`: `report` what the operation cost, or `estimate` what it would cost and read nothing. */
export type CostQuestion = 'none' | 'report' | 'estimate';

/** `extensions.upstream` */
export interface CostReport {
  /** Calls to the REST API that the operation made; of an estimate, the most that it would make. */
  readonly calls: number;
  /** Reads answered from the cache, by another operation's call, or by one call for several reads. */
  readonly cacheHits: number;
  readonly staleReads: number;
  /** Calls left in the credential's hour, as far as the gateway knows; null without a usable credential. */
  readonly quotaRemaining: number | null;
}

/** The context of resolvers, one for each operation. */
export interface GatewayContext {
  /** @throws {GraphQLError} `UNAUTHENTICATED` when the caller sent no usable credential */
  reader(): ReadContext;
  /** @throws {GraphQLError} `UNAUTHENTICATED` when the caller sent no usable credential */
  loaders(): Loaders;
  /** For mutations; without any call where the operation is to be estimated. */
  writes(): Writes;
  /** Leaves a line of the write in the log, when it has ended. */
  audited(facts: WriteFacts, writing: Promise<WriteResult>): Promise<BackfillSnapshot>;
  /** Has the rest of the operation read anew what it has read before. */
  forgetReads(): void;
  /**
   * The team to read for: the argument, else the header `X-Team-Id`, else the setting `SUPERMETRICS_TEAM_ID`.
   * @throws {GraphQLError} `BAD_USER_INPUT` when all three are missing, or the first one given is malformed
   */
  teamId(argument: string | null | undefined): ResourceId;
  readonly updates: BackfillUpdates;
  /** Spent by resolvers that give backfills; undefined where the document alone tells that the answer is small. */
  answer?: AnswerBudget;
  /**
   * Gives the next event of a subscription loaders and an operation cost of its own. The context lives as long as the
   * stream: without this each event would be answered with what was read for the first one, and all events would share
   * one limit of calls.
   */
  beginEvent(): void;
  /** The cost of this operation; for a subscription, the cost of its start without its events. */
  readonly cost: OperationCost;
  readonly costQuestion: CostQuestion;
  costReport(): CostReport;
  /** Milliseconds since the epoch. */
  now(): number;
}

export interface ContextDeps {
  readonly upstream: Pick<Upstream, 'backfills' | 'incompleteBackfills' | 'writes' | 'estimate' | 'quota'>;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly updates: BackfillUpdates;
  readonly defaultTeamId: ResourceId | undefined;
  readonly maxCallsPerOperation: number;
}

export function createContextFactory(deps: ContextDeps): (facts: CallerFacts) => GatewayContext {
  const { upstream, audit, clock, updates, defaultTeamId, maxCallsPerOperation } = deps;
  const { writes, estimate, quota } = upstream;

  return ({ authorization, teamId: header, requestId, traceparent: given, trace, noCache, costQuestion }) => {
    // A call that has a span tells of that one.
    const traceparent = trace === undefined ? given : undefined;
    const cost = new OperationCost(maxCallsPerOperation);
    let currentCost = cost;
    let loaders: Loaders | undefined;

    function reader(): ReadContext {
      return {
        caller: { credential: readCredential(authorization), requestId, traceparent },
        mode: { kind: noCache ? 'noCache' : 'fresh' },
        cost: currentCost,
        work: trace?.work,
      };
    }

    return {
      updates,
      reader,
      cost,
      costQuestion,
      now: clock.now,

      costReport() {
        const { calls, cacheHits, staleReads } = currentCost;
        const credential = authorization === null ? undefined : parseCredential(authorization);
        const left = credential === undefined ? null : Math.floor(quota.remaining(credential.id));
        return { calls, cacheHits, staleReads, quotaRemaining: left };
      },

      loaders() {
        loaders ??= createLoaders(costQuestion === 'estimate' ? estimate : upstream, reader());
        return loaders;
      },

      writes: () => (costQuestion === 'estimate' ? estimate.writes : writes),

      audited: async (facts, writing) =>
        costQuestion === 'estimate' ? (await writing).snapshot : audit(reader().caller, facts, writing),

      forgetReads() {
        loaders = undefined;
      },

      beginEvent() {
        currentCost = new OperationCost(maxCallsPerOperation);
        loaders = undefined;
        trace?.beginEvent();
      },

      teamId(argument) {
        if (argument != null) return resourceId(argument, 'The argument "teamId"');
        if (header !== null) return resourceId(header, 'The header X-Team-Id');
        if (defaultTeamId !== undefined) return defaultTeamId;
        throw badUserInput('No team: send the header X-Team-Id or the argument "teamId".');
      },
    };
  };
}

function readCredential(authorization: string | null): Credential {
  if (authorization === null)
    throw unauthenticated('No credential: send the header "Authorization: Bearer <token>".');
  const credential = parseCredential(authorization);
  if (credential !== undefined) return credential;
  throw unauthenticated(
    'No usable credential: the header Authorization must be "Bearer <token>", with your token of visible ASCII characters in the place of "<token>".',
  );
}
