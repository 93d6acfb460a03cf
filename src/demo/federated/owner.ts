import type { RequestListener } from 'node:http';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { createYoga, type YogaInitialContext } from 'graphql-yoga';
import { DEMO_TRANSFERS, type Transfer } from './transfers.ts';

/** As the README tells the owner of transfers to write it. */
export const OWNER_SDL = /* GraphQL */ `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@override"])

  type Query {
    "The transfers of a team, at most \`first\` of them."
    transfersOfTeam(teamId: ID!, first: Int! = 50): [Transfer!]!
    "One transfer; without \`teamId\`, of the team of the header \`X-Team-Id\`."
    transfer(id: ID!, teamId: ID): Transfer @override(from: "backfills")
  }

  type Transfer @key(fields: "teamId id") {
    id: ID!
    teamId: ID!
    name: String!
    "Where the data comes from, such as Google Ads."
    dataSource: String!
    "The data warehouse that it goes to."
    destination: String!
  }
`;

interface Named {
  readonly id: string;
  readonly teamId?: string | null;
}

/** The subgraph that owns transfers, at `/graphql`: what another team would run beside the gateway. */
export function createOwner(): RequestListener {
  const find = (id: string, teamId: string | null): Transfer | null =>
    DEMO_TRANSFERS.find((transfer) => transfer.id === id && transfer.teamId === teamId) ?? null;
  const yoga = createYoga({
    logging: false,
    graphiql: false,
    landingPage: false,
    schema: buildSubgraphSchema({
      typeDefs: parse(OWNER_SDL),
      resolvers: {
        Query: {
          transfersOfTeam: (
            _query: unknown,
            { teamId, first }: { readonly teamId: string; readonly first: number },
          ) => DEMO_TRANSFERS.filter((transfer) => transfer.teamId === teamId).slice(0, Math.max(first, 0)),
          transfer: (_query: unknown, { id, teamId }: Named, context: unknown) =>
            find(id, teamId ?? (context as YogaInitialContext).request.headers.get('x-team-id')),
        },
        Transfer: { __resolveReference: ({ id, teamId = null }: Named) => find(id, teamId) },
      },
    }),
  });
  return (request, response) => void yoga(request, response);
}
