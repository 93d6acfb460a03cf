/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
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

export const BackfillProgressFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"BackfillProgress"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Backfill"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"teamId"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"progress"}},{"kind":"Field","name":{"kind":"Name","value":"estimatedEndTime"}},{"kind":"Field","name":{"kind":"Name","value":"isStale"}}]}}]} as unknown as DocumentNode<BackfillProgressFragment, unknown>;
export const BackfillDetailsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"BackfillDetails"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"teamId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"backfill"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}},{"kind":"Argument","name":{"kind":"Name","value":"teamId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"teamId"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"BackfillProgress"}},{"kind":"Field","name":{"kind":"Name","value":"rangeStartDate"}},{"kind":"Field","name":{"kind":"Name","value":"rangeEndDate"}},{"kind":"Field","name":{"kind":"Name","value":"errorReport"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"transferRunDate"}},{"kind":"Field","name":{"kind":"Name","value":"error"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"BackfillProgress"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Backfill"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"teamId"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"progress"}},{"kind":"Field","name":{"kind":"Name","value":"estimatedEndTime"}},{"kind":"Field","name":{"kind":"Name","value":"isStale"}}]}}]} as unknown as DocumentNode<BackfillDetailsQuery, BackfillDetailsQueryVariables>;
export const CancelDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"Cancel"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"id"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"teamId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cancelBackfill"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"id"},"value":{"kind":"Variable","name":{"kind":"Name","value":"id"}}},{"kind":"Argument","name":{"kind":"Name","value":"teamId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"teamId"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"BackfillProgress"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"BackfillProgress"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Backfill"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"teamId"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"progress"}},{"kind":"Field","name":{"kind":"Name","value":"estimatedEndTime"}},{"kind":"Field","name":{"kind":"Name","value":"isStale"}}]}}]} as unknown as DocumentNode<CancelMutation, CancelMutationVariables>;
export const DashboardDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Dashboard"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"transferIds"}},"type":{"kind":"NonNullType","type":{"kind":"ListType","type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"teamId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"transfers"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"ids"},"value":{"kind":"Variable","name":{"kind":"Name","value":"transferIds"}}},{"kind":"Argument","name":{"kind":"Name","value":"teamId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"teamId"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"teamId"}},{"kind":"Field","name":{"kind":"Name","value":"latestBackfill"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"BackfillProgress"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"BackfillProgress"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Backfill"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"teamId"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"progress"}},{"kind":"Field","name":{"kind":"Name","value":"estimatedEndTime"}},{"kind":"Field","name":{"kind":"Name","value":"isStale"}}]}}]} as unknown as DocumentNode<DashboardQuery, DashboardQueryVariables>;
export const LiveDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"Live"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"teamId"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"incompleteBackfillsUpdated"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"teamId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"teamId"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"BackfillProgress"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"BackfillProgress"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Backfill"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"teamId"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"progress"}},{"kind":"Field","name":{"kind":"Name","value":"estimatedEndTime"}},{"kind":"Field","name":{"kind":"Name","value":"isStale"}}]}}]} as unknown as DocumentNode<LiveSubscription, LiveSubscriptionVariables>;
export const StartDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"Start"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"CreateBackfillInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"createBackfill"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"BackfillProgress"}},{"kind":"Field","name":{"kind":"Name","value":"transfer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"teamId"}},{"kind":"Field","name":{"kind":"Name","value":"latestBackfill"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"teamId"}}]}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"BackfillProgress"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Backfill"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"teamId"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"progress"}},{"kind":"Field","name":{"kind":"Name","value":"estimatedEndTime"}},{"kind":"Field","name":{"kind":"Name","value":"isStale"}}]}}]} as unknown as DocumentNode<StartMutation, StartMutationVariables>;