import type { Clock } from '../clock.ts';
import type { ResourceId } from '../ids.ts';
import type { Credential, Credentials } from '../upstream/credentials.ts';
import type { ReadContext } from '../upstream/reads/read.ts';
import { OperationCost } from '../upstream/reads/operation-cost.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { badUserInput, unauthenticated } from './errors.ts';
import { resourceId } from './input.ts';
import { createLoaders, type Loaders } from './loaders.ts';
import type { BackfillUpdates } from './live/backfill-updates.ts';

/** What the HTTP request says about its caller, header values as they came. */
export interface CallerFacts {
  readonly requestId: string;
  readonly traceparent: string | undefined;
  readonly authorization: string | null;
  /** The header `X-Team-Id`. */
  readonly teamId: string | null;
  /** Whether `Cache-Control: no-cache` asks to read past the cache. */
  readonly noCache: boolean;
  readonly costQuestion: CostQuestion;
}

/** Whether the operation's cost is asked for: that which it has, or that which it would have. */
export type CostQuestion = 'none' | 'report' | 'estimate';

/** `extensions.upstream` */
export interface CostReport {
  /** Calls to the REST API made, or that would be made at most, at this operation's expense. */
  readonly calls: number;
  /** Reads answered by what is kept, by a call that somebody else made, or by one call for several. */
  readonly cacheHits: number;
  readonly staleReads: number;
  /** Calls left in the credential's hour, as far as is known here; null without a usable credential. */
  readonly quotaRemaining: number | null;
}

/** What resolvers may use; made anew for each operation. */
export interface GatewayContext {
  /** @throws {GraphQLError} `UNAUTHENTICATED` when the caller sent no usable credential */
  reader(): ReadContext;
  /** @throws {GraphQLError} `UNAUTHENTICATED` when the caller sent no usable credential */
  loaders(): Loaders;
  /**
   * The team to read for: the argument, else the header `X-Team-Id`, else the gateway's default.
   * @throws {GraphQLError} `BAD_USER_INPUT` when there is none, or the one that counts is malformed
   */
  teamId(argument: string | null | undefined): ResourceId;
  readonly updates: Pick<BackfillUpdates, 'open'>;
  /**
   * Forgets what was read and what it cost. The context of a subscription lives as long as its stream, so without this
   * each event would be answered with what was read for the first one, and all events together would share one limit.
   */
  beginEvent(): void;
  /** Of this operation; of a subscription, of its start. */
  readonly cost: OperationCost;
  readonly costQuestion: CostQuestion;
  costReport(): CostReport;
  /** Milliseconds since the epoch. */
  now(): number;
}

export interface ContextDeps {
  readonly upstream: Pick<Upstream, 'backfills' | 'credentials' | 'estimate' | 'quota'>;
  readonly clock: Clock;
  readonly updates: Pick<BackfillUpdates, 'open'>;
  readonly defaultTeamId: ResourceId | undefined;
  readonly maxCallsPerOperation: number;
}

export function createContextFactory(deps: ContextDeps): (facts: CallerFacts) => GatewayContext {
  const { upstream, clock, updates, defaultTeamId, maxCallsPerOperation } = deps;
  const { backfills, estimate, credentials, quota } = upstream;

  return ({ authorization, teamId: header, requestId, traceparent, noCache, costQuestion }) => {
    let tally = new OperationCost(maxCallsPerOperation);
    let loaders: Loaders | undefined;

    function reader(): ReadContext {
      return {
        caller: { credential: readCredential(authorization, credentials), requestId, traceparent },
        mode: { kind: noCache ? 'noCache' : 'fresh' },
        cost: tally,
      };
    }

    return {
      updates,
      reader,

      cost: tally,
      costQuestion,
      now: clock.now,

      costReport() {
        const { calls, cacheHits, staleReads } = tally;
        const credential = authorization === null ? undefined : credentials.parse(authorization);
        const left = credential === undefined ? null : Math.floor(quota.remaining(credential.partition));
        return { calls, cacheHits, staleReads, quotaRemaining: left };
      },

      loaders() {
        loaders ??= createLoaders(costQuestion === 'estimate' ? estimate : backfills, reader());
        return loaders;
      },

      beginEvent() {
        tally = new OperationCost(maxCallsPerOperation);
        loaders = undefined;
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

function readCredential(authorization: string | null, credentials: Credentials): Credential {
  if (authorization === null)
    throw unauthenticated('No credential: send the header "Authorization: Bearer <token>".');
  const credential = credentials.parse(authorization);
  if (credential !== undefined) return credential;
  throw unauthenticated(
    'The header Authorization must be "Bearer" and one token of visible ASCII characters.',
  );
}
