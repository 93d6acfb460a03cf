/** The part of the gateway's schema that the workloads ask for. */
export const TYPE_DEFS = /* GraphQL */ `
  type Query {
    backfill(id: ID!): Backfill
    transfer(id: ID!): Transfer
    transfers(ids: [ID!]!): [Transfer!]!
  }
  type Transfer {
    id: ID!
    latestBackfill: Backfill
  }
  type Backfill {
    id: ID!
    status: String!
    rangeStartDate: String!
    rangeEndDate: String!
    createdTime: String!
    startTime: String
    endTime: String
    transferRunsTotal: Int!
    transferRunsCreated: Int!
    transferRunsCompleted: Int!
    transferRunsFailed: Int!
  }
`;

export interface PeerTransfer {
  readonly id: string;
}
