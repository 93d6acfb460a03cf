/* eslint-disable */
import * as types from './graphql.ts';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "query BackfillDetails($id: ID!, $teamId: ID) {\n  backfill(id: $id, teamId: $teamId) {\n    ...BackfillProgress\n    rangeStartDate\n    rangeEndDate\n    errorReport {\n      transferRunDate\n      error\n    }\n  }\n}": typeof types.BackfillDetailsDocument,
    "query Dashboard($transferIds: [ID!]!) {\n  transfers(ids: $transferIds) {\n    id\n    latestBackfill {\n      ...BackfillProgress\n    }\n  }\n}\n\nfragment BackfillProgress on Backfill {\n  id\n  status\n  progress\n  estimatedEndTime\n  isStale\n}": typeof types.DashboardDocument,
};
const documents: Documents = {
    "query BackfillDetails($id: ID!, $teamId: ID) {\n  backfill(id: $id, teamId: $teamId) {\n    ...BackfillProgress\n    rangeStartDate\n    rangeEndDate\n    errorReport {\n      transferRunDate\n      error\n    }\n  }\n}": types.BackfillDetailsDocument,
    "query Dashboard($transferIds: [ID!]!) {\n  transfers(ids: $transferIds) {\n    id\n    latestBackfill {\n      ...BackfillProgress\n    }\n  }\n}\n\nfragment BackfillProgress on Backfill {\n  id\n  status\n  progress\n  estimatedEndTime\n  isStale\n}": types.DashboardDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query BackfillDetails($id: ID!, $teamId: ID) {\n  backfill(id: $id, teamId: $teamId) {\n    ...BackfillProgress\n    rangeStartDate\n    rangeEndDate\n    errorReport {\n      transferRunDate\n      error\n    }\n  }\n}"): typeof import('./graphql.ts').BackfillDetailsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query Dashboard($transferIds: [ID!]!) {\n  transfers(ids: $transferIds) {\n    id\n    latestBackfill {\n      ...BackfillProgress\n    }\n  }\n}\n\nfragment BackfillProgress on Backfill {\n  id\n  status\n  progress\n  estimatedEndTime\n  isStale\n}"): typeof import('./graphql.ts').DashboardDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
