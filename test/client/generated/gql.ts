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
    "mutation Cancel($id: ID!, $teamId: ID) {\n  cancelBackfill(id: $id, teamId: $teamId) {\n    ...BackfillProgress\n  }\n}": typeof types.CancelDocument,
    "query Dashboard($transferIds: [ID!]!, $teamId: ID) {\n  transfers(ids: $transferIds, teamId: $teamId) {\n    id\n    teamId\n    latestBackfill {\n      ...BackfillProgress\n    }\n  }\n}\n\nfragment BackfillProgress on Backfill {\n  id\n  teamId\n  status\n  progress\n  estimatedEndTime\n  isStale\n}": typeof types.DashboardDocument,
    "subscription Live($teamId: ID) {\n  incompleteBackfillsUpdated(teamId: $teamId) {\n    ...BackfillProgress\n  }\n}": typeof types.LiveDocument,
    "mutation Start($input: CreateBackfillInput!) {\n  createBackfill(input: $input) {\n    ...BackfillProgress\n    transfer {\n      id\n      teamId\n      latestBackfill {\n        id\n        teamId\n      }\n    }\n  }\n}": typeof types.StartDocument,
};
const documents: Documents = {
    "query BackfillDetails($id: ID!, $teamId: ID) {\n  backfill(id: $id, teamId: $teamId) {\n    ...BackfillProgress\n    rangeStartDate\n    rangeEndDate\n    errorReport {\n      transferRunDate\n      error\n    }\n  }\n}": types.BackfillDetailsDocument,
    "mutation Cancel($id: ID!, $teamId: ID) {\n  cancelBackfill(id: $id, teamId: $teamId) {\n    ...BackfillProgress\n  }\n}": types.CancelDocument,
    "query Dashboard($transferIds: [ID!]!, $teamId: ID) {\n  transfers(ids: $transferIds, teamId: $teamId) {\n    id\n    teamId\n    latestBackfill {\n      ...BackfillProgress\n    }\n  }\n}\n\nfragment BackfillProgress on Backfill {\n  id\n  teamId\n  status\n  progress\n  estimatedEndTime\n  isStale\n}": types.DashboardDocument,
    "subscription Live($teamId: ID) {\n  incompleteBackfillsUpdated(teamId: $teamId) {\n    ...BackfillProgress\n  }\n}": types.LiveDocument,
    "mutation Start($input: CreateBackfillInput!) {\n  createBackfill(input: $input) {\n    ...BackfillProgress\n    transfer {\n      id\n      teamId\n      latestBackfill {\n        id\n        teamId\n      }\n    }\n  }\n}": types.StartDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query BackfillDetails($id: ID!, $teamId: ID) {\n  backfill(id: $id, teamId: $teamId) {\n    ...BackfillProgress\n    rangeStartDate\n    rangeEndDate\n    errorReport {\n      transferRunDate\n      error\n    }\n  }\n}"): typeof import('./graphql.ts').BackfillDetailsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation Cancel($id: ID!, $teamId: ID) {\n  cancelBackfill(id: $id, teamId: $teamId) {\n    ...BackfillProgress\n  }\n}"): typeof import('./graphql.ts').CancelDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query Dashboard($transferIds: [ID!]!, $teamId: ID) {\n  transfers(ids: $transferIds, teamId: $teamId) {\n    id\n    teamId\n    latestBackfill {\n      ...BackfillProgress\n    }\n  }\n}\n\nfragment BackfillProgress on Backfill {\n  id\n  teamId\n  status\n  progress\n  estimatedEndTime\n  isStale\n}"): typeof import('./graphql.ts').DashboardDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "subscription Live($teamId: ID) {\n  incompleteBackfillsUpdated(teamId: $teamId) {\n    ...BackfillProgress\n  }\n}"): typeof import('./graphql.ts').LiveDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation Start($input: CreateBackfillInput!) {\n  createBackfill(input: $input) {\n    ...BackfillProgress\n    transfer {\n      id\n      teamId\n      latestBackfill {\n        id\n        teamId\n      }\n    }\n  }\n}"): typeof import('./graphql.ts').StartDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
