// For Relay's compiler alone: it writes ./generated, and the page imports that. So a bundler needs no plugin of Relay.
// Every selection on Transfer and Backfill has `id teamId`, of which environment.ts makes the keys of the store.
import { graphql } from 'relay-runtime';

// Without `@catch` a row that failed is null, like one that never ran.
export const dashboard = graphql`
  query backfillsDashboardQuery($transferIds: [ID!]!, $teamId: ID) {
    transfers(ids: $transferIds, teamId: $teamId) {
      id
      teamId
      latestBackfill @catch(to: RESULT) {
        id
        teamId
        status
        progress
        estimatedEndTime
        isStale
      }
    }
  }
`;

export const live = graphql`
  subscription backfillsLiveSubscription($teamId: ID) {
    incompleteBackfillsUpdated(teamId: $teamId) {
      id
      teamId
      status
      progress
      estimatedEndTime
      isStale
    }
  }
`;

export const start = graphql`
  mutation backfillsStartMutation($input: CreateBackfillInput!) {
    createBackfill(input: $input) {
      id
      teamId
      status
      progress
      estimatedEndTime
      isStale
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
`;

export const cancel = graphql`
  mutation backfillsCancelMutation($id: ID!, $teamId: ID) {
    cancelBackfill(id: $id, teamId: $teamId) {
      id
      teamId
      status
      progress
      estimatedEndTime
      isStale
    }
  }
`;
