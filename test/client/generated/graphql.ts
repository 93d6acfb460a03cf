/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
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
  readonly rangeEndDate: string;
  /** First date of the range, inclusive, as `YYYY-MM-DD`. */
  readonly rangeStartDate: string;
  /** Id of the team that owns the transfer. Without it the request header `X-Team-Id` says the team, else the gateway's default. */
  readonly teamId?: string | null | undefined;
  /** Id of the transfer: a whole number from 1 to 9223372036854775807, best sent as a string. */
  readonly transferId: string;
};

export type BackfillDetailsQueryVariables = Exact<{
  id: string;
  teamId?: string | null | undefined;
}>;


export type BackfillDetailsQuery = { readonly backfill: { readonly rangeStartDate: string, readonly rangeEndDate: string, readonly id: string, readonly teamId: string, readonly status: BackfillStatus, readonly progress: number, readonly estimatedEndTime: string | null, readonly isStale: boolean, readonly errorReport: ReadonlyArray<{ readonly transferRunDate: string, readonly error: string }> } | null };

export type CancelMutationVariables = Exact<{
  id: string;
  teamId?: string | null | undefined;
}>;


export type CancelMutation = { readonly cancelBackfill: { readonly id: string, readonly teamId: string, readonly status: BackfillStatus, readonly progress: number, readonly estimatedEndTime: string | null, readonly isStale: boolean } | null };

export type DashboardQueryVariables = Exact<{
  transferIds: ReadonlyArray<string> | string;
  teamId?: string | null | undefined;
}>;


export type DashboardQuery = { readonly transfers: ReadonlyArray<{ readonly id: string, readonly teamId: string, readonly latestBackfill: { readonly id: string, readonly teamId: string, readonly status: BackfillStatus, readonly progress: number, readonly estimatedEndTime: string | null, readonly isStale: boolean } | null }> };

export type BackfillProgressFragment = { readonly id: string, readonly teamId: string, readonly status: BackfillStatus, readonly progress: number, readonly estimatedEndTime: string | null, readonly isStale: boolean };

export type LiveSubscriptionVariables = Exact<{
  teamId?: string | null | undefined;
}>;


export type LiveSubscription = { readonly incompleteBackfillsUpdated: ReadonlyArray<{ readonly id: string, readonly teamId: string, readonly status: BackfillStatus, readonly progress: number, readonly estimatedEndTime: string | null, readonly isStale: boolean }> };

export type StartMutationVariables = Exact<{
  input: CreateBackfillInput;
}>;


export type StartMutation = { readonly createBackfill: { readonly id: string, readonly teamId: string, readonly status: BackfillStatus, readonly progress: number, readonly estimatedEndTime: string | null, readonly isStale: boolean, readonly transfer: { readonly id: string, readonly teamId: string, readonly latestBackfill: { readonly id: string, readonly teamId: string } | null } } | null };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const BackfillProgressFragmentDoc = new TypedDocumentString(`
    fragment BackfillProgress on Backfill {
  id
  teamId
  status
  progress
  estimatedEndTime
  isStale
}
    `, {"fragmentName":"BackfillProgress"}) as unknown as TypedDocumentString<BackfillProgressFragment, unknown>;
export const BackfillDetailsDocument = new TypedDocumentString(`
    query BackfillDetails($id: ID!, $teamId: ID) {
  backfill(id: $id, teamId: $teamId) {
    ...BackfillProgress
    rangeStartDate
    rangeEndDate
    errorReport {
      transferRunDate
      error
    }
  }
}
    fragment BackfillProgress on Backfill {
  id
  teamId
  status
  progress
  estimatedEndTime
  isStale
}`) as unknown as TypedDocumentString<BackfillDetailsQuery, BackfillDetailsQueryVariables>;
export const CancelDocument = new TypedDocumentString(`
    mutation Cancel($id: ID!, $teamId: ID) {
  cancelBackfill(id: $id, teamId: $teamId) {
    ...BackfillProgress
  }
}
    fragment BackfillProgress on Backfill {
  id
  teamId
  status
  progress
  estimatedEndTime
  isStale
}`) as unknown as TypedDocumentString<CancelMutation, CancelMutationVariables>;
export const DashboardDocument = new TypedDocumentString(`
    query Dashboard($transferIds: [ID!]!, $teamId: ID) {
  transfers(ids: $transferIds, teamId: $teamId) {
    id
    teamId
    latestBackfill {
      ...BackfillProgress
    }
  }
}
    fragment BackfillProgress on Backfill {
  id
  teamId
  status
  progress
  estimatedEndTime
  isStale
}`) as unknown as TypedDocumentString<DashboardQuery, DashboardQueryVariables>;
export const LiveDocument = new TypedDocumentString(`
    subscription Live($teamId: ID) {
  incompleteBackfillsUpdated(teamId: $teamId) {
    ...BackfillProgress
  }
}
    fragment BackfillProgress on Backfill {
  id
  teamId
  status
  progress
  estimatedEndTime
  isStale
}`) as unknown as TypedDocumentString<LiveSubscription, LiveSubscriptionVariables>;
export const StartDocument = new TypedDocumentString(`
    mutation Start($input: CreateBackfillInput!) {
  createBackfill(input: $input) {
    ...BackfillProgress
    transfer {
      id
      teamId
      latestBackfill {
        id
        teamId
      }
    }
  }
}
    fragment BackfillProgress on Backfill {
  id
  teamId
  status
  progress
  estimatedEndTime
  isStale
}`) as unknown as TypedDocumentString<StartMutation, StartMutationVariables>;