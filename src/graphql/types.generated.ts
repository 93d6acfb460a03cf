// Generated from schema.graphql by `npm run codegen`. Do not edit.
import type { GraphQLResolveInfo, GraphQLScalarType, GraphQLScalarTypeConfig } from 'graphql';
import type { TransferParent, BackfillParent, BackfillListParent } from './parents.ts';
import type { BackfillRunErrorRecord } from '../upstream/rest/records.ts';
import type { GatewayContext } from './context.ts';
export type Maybe<T> = T extends PromiseLike<infer U> ? Promise<U | null> : T | null;
export type InputMaybe<T> = T extends PromiseLike<infer U> ? Promise<U | null> : T | null;
export type RequireFields<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: NonNullable<T[P]> };
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** A calendar date without a time of day, as `YYYY-MM-DD` (RFC 3339 `full-date`), for example `2024-01-31`. */
  Date: { input: string; output: string; }
  /**
   * A moment in UTC, as RFC 3339 `date-time` with the suffix `Z`, for example `2024-02-01T09:00:00Z`.
   * A fraction of a second is present only where the source had one that is not zero.
   */
  DateTime: { input: string; output: string; }
};

/** A backfill: one re-run of a transfer over a range of past dates, made of one transfer run for each date. */
export type Backfill = {
  readonly __typename?: 'Backfill';
  /** When the backfill was created. */
  readonly createdTime: Scalars['DateTime']['output'];
  /** Id of the user who created the backfill. */
  readonly createdUserId: Scalars['ID']['output'];
  /** When processing ended: at completion, failure or cancellation. Null before that. */
  readonly endTime?: Maybe<Scalars['DateTime']['output']>;
  /** The transfer runs that failed and why, in the REST API's order. Empty when none did. */
  readonly errorReport: ReadonlyArray<BackfillRunError>;
  /**
   * When the backfill will end if its runs go on at the pace seen since `startTime`, rounded to about a twentieth of the
   * time that is left, and never in the past. Null unless the status is `RUNNING` and at least one run is done. An
   * extrapolation, not a promise.
   */
  readonly estimatedEndTime?: Maybe<Scalars['DateTime']['output']>;
  /**
   * When the REST API gave this state of the backfill. Of an incomplete one that is a cache's lifetime ago at most, unless
   * `isStale`; that a completed or cancelled one still is so may have been confirmed since.
   */
  readonly fetchedAt: Scalars['DateTime']['output'];
  /** Id of the backfill, unique within its team. */
  readonly id: Scalars['ID']['output'];
  /** True when the REST API could not be asked again when it should have been: this is its last known word. */
  readonly isStale: Scalars['Boolean']['output'];
  /**
   * Share of the transfer runs that completed, from 0 to 1: `transferRunsCompleted / transferRunsTotal`.
   * 0 while there are no runs yet, 1 when the status is `COMPLETED`. Failed runs do not count as progress.
   */
  readonly progress: Scalars['Float']['output'];
  /** Last date of the range, inclusive. */
  readonly rangeEndDate: Scalars['Date']['output'];
  /** First date of the range, inclusive. */
  readonly rangeStartDate: Scalars['Date']['output'];
  /** When the backfill was cancelled. Null unless it was. */
  readonly removedTime?: Maybe<Scalars['DateTime']['output']>;
  /** Id of the user who cancelled the backfill. Null unless it was cancelled. */
  readonly removedUserId?: Maybe<Scalars['ID']['output']>;
  /** When processing started. Null before that. */
  readonly startTime?: Maybe<Scalars['DateTime']['output']>;
  /** Where the backfill is in its life cycle. */
  readonly status: BackfillStatus;
  /** Id of the team that owns the backfill. */
  readonly teamId: Scalars['ID']['output'];
  /** The transfer that this backfill re-runs. */
  readonly transfer: Transfer;
  /** Number of transfer runs that completed successfully. */
  readonly transferRunsCompleted: Scalars['Int']['output'];
  /** Number of transfer runs created so far. */
  readonly transferRunsCreated: Scalars['Int']['output'];
  /** Number of transfer runs that failed. */
  readonly transferRunsFailed: Scalars['Int']['output'];
  /** Number of transfer runs that make up the backfill. May be 0 while they are not known yet. */
  readonly transferRunsTotal: Scalars['Int']['output'];
};

/** The backfills of a team that are not over, as the REST API last listed them. */
export type BackfillList = {
  readonly __typename?: 'BackfillList';
  /** When the REST API gave the list. Some of its backfills may have been read since. */
  readonly fetchedAt: Scalars['DateTime']['output'];
  /** True when backfills may be missing: the REST API lists at most 100, and a row that makes no sense is left out. */
  readonly isPartial: Scalars['Boolean']['output'];
  /** True when the REST API could not be asked again when it should have been: this is its last known word. */
  readonly isStale: Scalars['Boolean']['output'];
  /** Newest first. */
  readonly items: ReadonlyArray<Backfill>;
};

/** Why one transfer run of a backfill failed. */
export type BackfillRunError = {
  readonly __typename?: 'BackfillRunError';
  /** What went wrong, in the REST API's words, at most 1000 characters. */
  readonly error: Scalars['String']['output'];
  /** The date whose transfer run failed. */
  readonly transferRunDate: Scalars['Date']['output'];
};

/** Where a backfill is in its life cycle. */
export type BackfillStatus =
  /** A user cancelled it. Runs that were under way at that moment may still complete. */
  | 'CANCELLED'
  /** Every transfer run was processed. Final. */
  | 'COMPLETED'
  /** Accepted; nothing is scheduled yet. */
  | 'CREATED'
  /** It stopped because of failed runs; see `errorReport`. It can still be cancelled. */
  | 'FAILED'
  /** Transfer runs are being processed. */
  | 'RUNNING'
  /** Its transfer runs are being scheduled. */
  | 'SCHEDULED'
  /** The REST API reported a status that this gateway does not know yet. */
  | 'UNKNOWN';

/** What `createBackfill` re-runs. */
export type CreateBackfillInput = {
  /** Last date of the range, inclusive, as `YYYY-MM-DD`; not before `rangeStartDate`. */
  readonly rangeEndDate: Scalars['Date']['input'];
  /** First date of the range, inclusive, as `YYYY-MM-DD`. */
  readonly rangeStartDate: Scalars['Date']['input'];
  /** Id of the team that owns the transfer. Without it the request header `X-Team-Id` says the team, else the gateway's default. */
  readonly teamId?: InputMaybe<Scalars['ID']['input']>;
  /** Id of the transfer: a whole number from 1 to 9223372036854775807, best sent as a string. */
  readonly transferId: Scalars['ID']['input'];
};

export type Mutation = {
  readonly __typename?: 'Mutation';
  /**
   * Cancels a backfill that is `CREATED`, `SCHEDULED`, `RUNNING` or `FAILED`. Runs that are under way still complete. The
   * answer is the cancelled backfill.
   *
   * Makes one upstream call, which is sent once: `PATCH /teams/{team}/backfills/{id}`. `CONFLICT`: it has ended already.
   * `NOT_FOUND`: there is no such backfill, or it is another team's. `FORBIDDEN`: the credential may not edit transfers.
   *
   * Where the call got no definite answer the backfill is read once, and is the answer if it is `CANCELLED`. Else the code is
   * `OUTCOME_UNKNOWN`: look at the backfill before you send it again.
   */
  readonly cancelBackfill?: Maybe<Backfill>;
  /**
   * Starts a backfill: re-runs a transfer for each date of a range. The answer is the new backfill, which is the
   * `latestBackfill` of its transfer from then on.
   *
   * Makes one upstream call, which is sent once: `POST /teams/{team}/transfers/{transfer}/backfills`. The same create that
   * is under way for the same caller already is not made again, and both get its answer. A date that does not exist and a
   * range that ends before it starts are `BAD_USER_INPUT` without a call. What only the REST API can judge, such as a range
   * that overlaps with an active backfill, is `BAD_USER_INPUT` with its words in `upstream.description`. `NOT_FOUND`: there is
   * no such transfer, or it is another team's. `FORBIDDEN`: the credential may not edit transfers.
   *
   * `OUTCOME_UNKNOWN` means that the call was made and nobody can say whether the backfill was created. Never send it again
   * then: look at `latestBackfill` of the transfer first.
   */
  readonly createBackfill?: Maybe<Backfill>;
};


export type MutationCancelBackfillArgs = {
  id: Scalars['ID']['input'];
  teamId?: InputMaybe<Scalars['ID']['input']>;
};


export type MutationCreateBackfillArgs = {
  input: CreateBackfillInput;
};

export type Query = {
  readonly __typename?: 'Query';
  /**
   * One backfill by its id, whatever its status. Null with the error code `NOT_FOUND` when there is no such
   * backfill or it does not belong to the team.
   *
   * Costs one upstream call when the value is not cached: `GET /teams/{team}/backfills/{id}`. Several of a team may be
   * told by one: `GET /teams/{team}/backfills`.
   */
  readonly backfill?: Maybe<Backfill>;
  /**
   * Several backfills by their ids, in the order of `ids`, repeated where an id is repeated. One that cannot be had is null,
   * and its error names its index.
   *
   * Costs what reading each with `backfill` costs: one upstream call for all of them that are incomplete, and one for each
   * other that is not cached.
   */
  readonly backfills: ReadonlyArray<Maybe<Backfill>>;
  /**
   * The backfills of a team that are not over: `CREATED`, `SCHEDULED`, `RUNNING`, `FAILED` (which can still be cancelled), and
   * those of a status that the gateway does not know yet.
   *
   * Costs one upstream call when it is not cached, and makes reads of its backfills free: `GET /teams/{team}/backfills`.
   */
  readonly incompleteBackfills?: Maybe<BackfillList>;
  /**
   * A handle on one data warehouse transfer. It makes no upstream call by itself and does not check that the
   * transfer exists; its fields do.
   */
  readonly transfer?: Maybe<Transfer>;
  /**
   * Handles on several transfers, in the order of `ids`, repeated where an id is repeated. Like `transfer`, it makes
   * no upstream call by itself.
   */
  readonly transfers: ReadonlyArray<Transfer>;
};


export type QueryBackfillArgs = {
  id: Scalars['ID']['input'];
  teamId?: InputMaybe<Scalars['ID']['input']>;
};


export type QueryBackfillsArgs = {
  ids: ReadonlyArray<Scalars['ID']['input']>;
  teamId?: InputMaybe<Scalars['ID']['input']>;
};


export type QueryIncompleteBackfillsArgs = {
  statuses?: InputMaybe<ReadonlyArray<BackfillStatus>>;
  teamId?: InputMaybe<Scalars['ID']['input']>;
};


export type QueryTransferArgs = {
  id: Scalars['ID']['input'];
  teamId?: InputMaybe<Scalars['ID']['input']>;
};


export type QueryTransfersArgs = {
  ids: ReadonlyArray<Scalars['ID']['input']>;
  teamId?: InputMaybe<Scalars['ID']['input']>;
};

export type Subscription = {
  readonly __typename?: 'Subscription';
  /**
   * A backfill as it goes on: its state now, then each change, until it is `COMPLETED`, `CANCELLED` or `FAILED`, which is
   * the last event. While the REST API cannot be asked, the stream stays open and its last state comes once more, marked
   * by `isStale`; when that has lasted longer than the gateway keeps old values, or the REST API refuses, the stream ends
   * with an error.
   *
   * At a restart of the gateway the connection breaks off, and clients subscribe again by themselves.
   *
   * Costs no upstream call of its own while others of the same credential and team watch too: all their backfills are
   * looked at together.
   */
  readonly backfillUpdated: Backfill;
  /**
   * Several backfills as they go on, for a page that shows them: one stream instead of one for each. The first event has
   * all, in the order of `ids`, repeated where an id is repeated. Each later one has those that have changed since, each
   * once. The stream completes when each is `COMPLETED`, `CANCELLED` or `FAILED`, or cannot be had.
   *
   * A backfill that cannot be had is null with its error, and ends no other. Where one fails later, after its last state
   * has come as `isStale` for as long as the gateway keeps old values, or when the REST API refuses it, the event has all
   * again, so that the index tells which it is. A refused credential ends the stream with an error.
   *
   * Costs no upstream call of its own while others of the same credential and team watch too: all their backfills are
   * looked at together.
   */
  readonly backfillsUpdated: ReadonlyArray<Maybe<Backfill>>;
  /**
   * The incomplete backfills of a team as they go on: those that are `CREATED`, `SCHEDULED`, `RUNNING` or `FAILED`, and
   * those of unknown status. The first event has all of them, newest first, as `incompleteBackfills` does. Each later one
   * has those that have changed, begun or left since, each once; one that has left comes in the state in which it left,
   * as `COMPLETED` or `CANCELLED`. The stream does not complete by itself.
   *
   * While the REST API cannot be asked, the stream stays open and its backfills come once more, marked by `isStale`; when
   * that has lasted longer than the gateway keeps old values, or the REST API refuses the list, the stream ends with an
   * error.
   *
   * Costs one upstream call for each poll, which all streams of the same credential and team share, and one for each
   * backfill that has left.
   */
  readonly incompleteBackfillsUpdated: ReadonlyArray<Backfill>;
};


export type SubscriptionBackfillUpdatedArgs = {
  id: Scalars['ID']['input'];
  teamId?: InputMaybe<Scalars['ID']['input']>;
};


export type SubscriptionBackfillsUpdatedArgs = {
  ids: ReadonlyArray<Scalars['ID']['input']>;
  teamId?: InputMaybe<Scalars['ID']['input']>;
};


export type SubscriptionIncompleteBackfillsUpdatedArgs = {
  teamId?: InputMaybe<Scalars['ID']['input']>;
};

/**
 * A data warehouse transfer: the recurring job that copies data from a source into a team's data warehouse.
 * This graph knows its backfills only.
 */
export type Transfer = {
  readonly __typename?: 'Transfer';
  /** Id of the transfer, unique within its team. */
  readonly id: Scalars['ID']['output'];
  /**
   * The most recently created backfill of this transfer, whatever its status. Null when the transfer never had one;
   * the REST API gives the same answer for a transfer that does not exist or belongs to another team, so null means
   * any of the three.
   *
   * Costs one upstream call when nothing is known: `GET /teams/{team}/transfers/{id}/backfills/latest`. Once they are known,
   * one call keeps those of a whole team up to date: `GET /teams/{team}/backfills`.
   */
  readonly latestBackfill?: Maybe<Backfill>;
  /** Id of the team that owns the transfer. */
  readonly teamId: Scalars['ID']['output'];
};



export type ResolverTypeWrapper<T> = Promise<T> | T;


export type ResolverWithResolve<TResult, TParent, TContext, TArgs> = {
  resolve: ResolverFn<TResult, TParent, TContext, TArgs>;
};
export type Resolver<TResult, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> = ResolverFn<TResult, TParent, TContext, TArgs> | ResolverWithResolve<TResult, TParent, TContext, TArgs>;

export type ResolverFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => Promise<TResult> | TResult;

export type SubscriptionSubscribeFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => AsyncIterable<TResult> | Promise<AsyncIterable<TResult>>;

export type SubscriptionResolveFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => TResult | Promise<TResult>;

export interface SubscriptionSubscriberObject<TResult, TKey extends string, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<{ [key in TKey]: TResult }, TParent, TContext, TArgs>;
  resolve?: SubscriptionResolveFn<TResult, { [key in TKey]: TResult }, TContext, TArgs>;
}

export interface SubscriptionResolverObject<TResult, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<any, TParent, TContext, TArgs>;
  resolve: SubscriptionResolveFn<TResult, any, TContext, TArgs>;
}

export type SubscriptionObject<TResult, TKey extends string, TParent, TContext, TArgs> =
  | SubscriptionSubscriberObject<TResult, TKey, TParent, TContext, TArgs>
  | SubscriptionResolverObject<TResult, TParent, TContext, TArgs>;

export type SubscriptionResolver<TResult, TKey extends string, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> =
  | ((...args: any[]) => SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>)
  | SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>;

export type TypeResolveFn<TTypes, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>> = (
  parent: TParent,
  context: TContext,
  info: GraphQLResolveInfo
) => Maybe<TTypes> | Promise<Maybe<TTypes>>;

export type IsTypeOfResolverFn<T = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>> = (obj: T, context: TContext, info: GraphQLResolveInfo) => boolean | Promise<boolean>;

export type NextResolverFn<T> = () => Promise<T>;

export type DirectiveResolverFn<TResult = Record<PropertyKey, never>, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> = (
  next: NextResolverFn<TResult>,
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => TResult | Promise<TResult>;





/** Mapping between all available schema types and the resolvers types */
export type ResolversTypes = {
  Backfill: ResolverTypeWrapper<BackfillParent>;
  BackfillList: ResolverTypeWrapper<BackfillListParent>;
  BackfillRunError: ResolverTypeWrapper<BackfillRunErrorRecord>;
  BackfillStatus: BackfillStatus;
  Boolean: ResolverTypeWrapper<Scalars['Boolean']['output']>;
  CreateBackfillInput: CreateBackfillInput;
  Date: ResolverTypeWrapper<Scalars['Date']['output']>;
  DateTime: ResolverTypeWrapper<Scalars['DateTime']['output']>;
  Float: ResolverTypeWrapper<Scalars['Float']['output']>;
  ID: ResolverTypeWrapper<Scalars['ID']['output']>;
  Int: ResolverTypeWrapper<Scalars['Int']['output']>;
  Mutation: ResolverTypeWrapper<Record<PropertyKey, never>>;
  Query: ResolverTypeWrapper<Record<PropertyKey, never>>;
  String: ResolverTypeWrapper<Scalars['String']['output']>;
  Subscription: ResolverTypeWrapper<Record<PropertyKey, never>>;
  Transfer: ResolverTypeWrapper<TransferParent>;
};

/** Mapping between all available schema types and the resolvers parents */
export type ResolversParentTypes = {
  Backfill: BackfillParent;
  BackfillList: BackfillListParent;
  BackfillRunError: BackfillRunErrorRecord;
  Boolean: Scalars['Boolean']['output'];
  CreateBackfillInput: CreateBackfillInput;
  Date: Scalars['Date']['output'];
  DateTime: Scalars['DateTime']['output'];
  Float: Scalars['Float']['output'];
  ID: Scalars['ID']['output'];
  Int: Scalars['Int']['output'];
  Mutation: Record<PropertyKey, never>;
  Query: Record<PropertyKey, never>;
  String: Scalars['String']['output'];
  Subscription: Record<PropertyKey, never>;
  Transfer: TransferParent;
};

export type BackfillResolvers<ContextType = GatewayContext, ParentType extends ResolversParentTypes['Backfill'] = ResolversParentTypes['Backfill']> = {
  createdTime?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  createdUserId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  endTime?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  errorReport?: Resolver<ReadonlyArray<ResolversTypes['BackfillRunError']>, ParentType, ContextType>;
  estimatedEndTime?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  fetchedAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  isStale?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  progress?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  rangeEndDate?: Resolver<ResolversTypes['Date'], ParentType, ContextType>;
  rangeStartDate?: Resolver<ResolversTypes['Date'], ParentType, ContextType>;
  removedTime?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  removedUserId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  startTime?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  status?: Resolver<ResolversTypes['BackfillStatus'], ParentType, ContextType>;
  teamId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  transfer?: Resolver<ResolversTypes['Transfer'], ParentType, ContextType>;
  transferRunsCompleted?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  transferRunsCreated?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  transferRunsFailed?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  transferRunsTotal?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
};

export type BackfillListResolvers<ContextType = GatewayContext, ParentType extends ResolversParentTypes['BackfillList'] = ResolversParentTypes['BackfillList']> = {
  fetchedAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  isPartial?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  isStale?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  items?: Resolver<ReadonlyArray<ResolversTypes['Backfill']>, ParentType, ContextType>;
};

export type BackfillRunErrorResolvers<ContextType = GatewayContext, ParentType extends ResolversParentTypes['BackfillRunError'] = ResolversParentTypes['BackfillRunError']> = {
  error?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  transferRunDate?: Resolver<ResolversTypes['Date'], ParentType, ContextType>;
};

export interface DateScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['Date'], any> {
  name: 'Date';
}

export interface DateTimeScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['DateTime'], any> {
  name: 'DateTime';
}

export type MutationResolvers<ContextType = GatewayContext, ParentType extends ResolversParentTypes['Mutation'] = ResolversParentTypes['Mutation']> = {
  cancelBackfill?: Resolver<Maybe<ResolversTypes['Backfill']>, ParentType, ContextType, RequireFields<MutationCancelBackfillArgs, 'id'>>;
  createBackfill?: Resolver<Maybe<ResolversTypes['Backfill']>, ParentType, ContextType, RequireFields<MutationCreateBackfillArgs, 'input'>>;
};

export type QueryResolvers<ContextType = GatewayContext, ParentType extends ResolversParentTypes['Query'] = ResolversParentTypes['Query']> = {
  backfill?: Resolver<Maybe<ResolversTypes['Backfill']>, ParentType, ContextType, RequireFields<QueryBackfillArgs, 'id'>>;
  backfills?: Resolver<ReadonlyArray<Maybe<ResolversTypes['Backfill']>>, ParentType, ContextType, RequireFields<QueryBackfillsArgs, 'ids'>>;
  incompleteBackfills?: Resolver<Maybe<ResolversTypes['BackfillList']>, ParentType, ContextType, Partial<QueryIncompleteBackfillsArgs>>;
  transfer?: Resolver<Maybe<ResolversTypes['Transfer']>, ParentType, ContextType, RequireFields<QueryTransferArgs, 'id'>>;
  transfers?: Resolver<ReadonlyArray<ResolversTypes['Transfer']>, ParentType, ContextType, RequireFields<QueryTransfersArgs, 'ids'>>;
};

export type SubscriptionResolvers<ContextType = GatewayContext, ParentType extends ResolversParentTypes['Subscription'] = ResolversParentTypes['Subscription']> = {
  backfillUpdated?: SubscriptionResolver<ResolversTypes['Backfill'], "backfillUpdated", ParentType, ContextType, RequireFields<SubscriptionBackfillUpdatedArgs, 'id'>>;
  backfillsUpdated?: SubscriptionResolver<ReadonlyArray<Maybe<ResolversTypes['Backfill']>>, "backfillsUpdated", ParentType, ContextType, RequireFields<SubscriptionBackfillsUpdatedArgs, 'ids'>>;
  incompleteBackfillsUpdated?: SubscriptionResolver<ReadonlyArray<ResolversTypes['Backfill']>, "incompleteBackfillsUpdated", ParentType, ContextType, Partial<SubscriptionIncompleteBackfillsUpdatedArgs>>;
};

export type TransferResolvers<ContextType = GatewayContext, ParentType extends ResolversParentTypes['Transfer'] = ResolversParentTypes['Transfer']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  latestBackfill?: Resolver<Maybe<ResolversTypes['Backfill']>, ParentType, ContextType>;
  teamId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
};

export type Resolvers<ContextType = GatewayContext> = {
  Backfill?: BackfillResolvers<ContextType>;
  BackfillList?: BackfillListResolvers<ContextType>;
  BackfillRunError?: BackfillRunErrorResolvers<ContextType>;
  Date?: GraphQLScalarType;
  DateTime?: GraphQLScalarType;
  Mutation?: MutationResolvers<ContextType>;
  Query?: QueryResolvers<ContextType>;
  Subscription?: SubscriptionResolvers<ContextType>;
  Transfer?: TransferResolvers<ContextType>;
};

