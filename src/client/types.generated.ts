// Generated from schema.graphql by `npm run codegen`. Do not edit.
export type Maybe<T> = T | null;
export type InputMaybe<T> = Maybe<T>;
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
  /** When the backfill was created. */
  readonly createdTime: Scalars['DateTime']['output'];
  /** Id of the user who created the backfill. */
  readonly createdUserId: Scalars['ID']['output'];
  /** When processing ended: at completion, failure or cancellation. Null before that. */
  readonly endTime: Maybe<Scalars['DateTime']['output']>;
  /** The transfer runs that failed and why, in the REST API's order. Empty when none did. */
  readonly errorReport: ReadonlyArray<BackfillRunError>;
  /**
   * When the backfill will end if its runs go on at the pace seen since `startTime`, rounded to about a twentieth of the
   * time that is left, and never in the past. Null unless the status is `RUNNING` and at least one run is done. An
   * extrapolation, not a promise.
   */
  readonly estimatedEndTime: Maybe<Scalars['DateTime']['output']>;
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
  readonly removedTime: Maybe<Scalars['DateTime']['output']>;
  /** Id of the user who cancelled the backfill. Null unless it was cancelled. */
  readonly removedUserId: Maybe<Scalars['ID']['output']>;
  /** When processing started. Null before that. */
  readonly startTime: Maybe<Scalars['DateTime']['output']>;
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
  /** What went wrong, in the REST API's words, at most 1000 characters. */
  readonly error: Scalars['String']['output'];
  /** The date whose transfer run failed. */
  readonly transferRunDate: Scalars['Date']['output'];
};

/** Where a backfill is in its life cycle. */
export const BackfillStatus = {
  /** A user cancelled it. Runs that were under way at that moment may still complete. */
  CANCELLED: 'CANCELLED',
  /** Every transfer run was processed. Final. */
  COMPLETED: 'COMPLETED',
  /** Accepted; nothing is scheduled yet. */
  CREATED: 'CREATED',
  /** It stopped because of failed runs; see `errorReport`. It can still be cancelled. */
  FAILED: 'FAILED',
  /** Transfer runs are being processed. */
  RUNNING: 'RUNNING',
  /** Its transfer runs are being scheduled. */
  SCHEDULED: 'SCHEDULED',
  /** The REST API reported a status that this gateway does not know yet. */
  UNKNOWN: 'UNKNOWN'
} as const;

export type BackfillStatus = typeof BackfillStatus[keyof typeof BackfillStatus];
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
  readonly cancelBackfill: Maybe<Backfill>;
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
  readonly createBackfill: Maybe<Backfill>;
};


export type MutationCancelBackfillArgs = {
  id: Scalars['ID']['input'];
  teamId?: InputMaybe<Scalars['ID']['input']>;
};


export type MutationCreateBackfillArgs = {
  input: CreateBackfillInput;
};

export type Query = {
  /**
   * One backfill by its id, whatever its status. Null with the error code `NOT_FOUND` when there is no such
   * backfill or it does not belong to the team.
   *
   * Costs one upstream call when the value is not cached: `GET /teams/{team}/backfills/{id}`. Several of a team may be
   * told by one: `GET /teams/{team}/backfills`.
   */
  readonly backfill: Maybe<Backfill>;
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
  readonly incompleteBackfills: Maybe<BackfillList>;
  /**
   * A handle on one data warehouse transfer. It makes no upstream call by itself and does not check that the
   * transfer exists; its fields do.
   */
  readonly transfer: Maybe<Transfer>;
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
  readonly latestBackfill: Maybe<Backfill>;
  /** Id of the team that owns the transfer. */
  readonly teamId: Scalars['ID']['output'];
};
