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

export type BackfillDetailsQueryVariables = Exact<{
  id: string;
  teamId?: string | null | undefined;
}>;


export type BackfillDetailsQuery = { readonly backfill: { readonly rangeStartDate: string, readonly rangeEndDate: string, readonly id: string, readonly status: BackfillStatus, readonly progress: number, readonly estimatedEndTime: string | null, readonly isStale: boolean, readonly errorReport: ReadonlyArray<{ readonly transferRunDate: string, readonly error: string }> } | null };

export type DashboardQueryVariables = Exact<{
  transferIds: ReadonlyArray<string> | string;
}>;


export type DashboardQuery = { readonly transfers: ReadonlyArray<{ readonly id: string, readonly latestBackfill: { readonly id: string, readonly status: BackfillStatus, readonly progress: number, readonly estimatedEndTime: string | null, readonly isStale: boolean } | null }> };

export type BackfillProgressFragment = { readonly id: string, readonly status: BackfillStatus, readonly progress: number, readonly estimatedEndTime: string | null, readonly isStale: boolean };

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
  status
  progress
  estimatedEndTime
  isStale
}`) as unknown as TypedDocumentString<BackfillDetailsQuery, BackfillDetailsQueryVariables>;
export const DashboardDocument = new TypedDocumentString(`
    query Dashboard($transferIds: [ID!]!) {
  transfers(ids: $transferIds) {
    id
    latestBackfill {
      ...BackfillProgress
    }
  }
}
    fragment BackfillProgress on Backfill {
  id
  status
  progress
  estimatedEndTime
  isStale
}`) as unknown as TypedDocumentString<DashboardQuery, DashboardQueryVariables>;