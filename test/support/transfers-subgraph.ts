import type { IncomingHttpHeaders } from 'node:http';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { createYoga } from 'graphql-yoga';
import { serve } from './serve.ts';

export interface OwnedTransfer {
  readonly id: string;
  readonly teamId: string;
  readonly name: string;
}

/** How the owner of transfers might describe them; each part is one choice that its developers have. */
export function transfersSdl({
  keys = '@key(fields: "teamId id") @key(fields: "id")',
  teamId = 'teamId: ID!',
  transfer = 'transfer(id: ID!, teamId: ID): Transfer @override(from: "backfills")',
}: {
  readonly keys?: string;
  readonly teamId?: string;
  /** Its field `Query.transfer`, which the backfills have too. */
  readonly transfer?: string;
} = {}): string {
  return /* GraphQL */ `
    extend schema
      @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable", "@override"])

    type Query {
      transfersOfTeam(teamId: ID!): [Transfer!]!
      ${transfer}
    }

    type Transfer ${keys} {
      id: ID!
      ${teamId}
      name: String!
    }
  `;
}

export interface TransfersSubgraph {
  readonly url: string;
  /** Headers of each request so far. */
  readonly requests: readonly IncomingHttpHeaders[];
}

/**
 * The subgraph that owns transfers, on a real port until the test ends. It lists `transfers` in their order, as often
 * as they are there, and lets its answers be kept for a minute.
 */
export async function startTransfersSubgraph(
  transfers: readonly OwnedTransfer[],
  sdl = transfersSdl(),
): Promise<TransfersSubgraph> {
  const find = ({ id }: { readonly id: string }): OwnedTransfer | null =>
    transfers.find((transfer) => transfer.id === id) ?? null;
  const yoga = createYoga({
    logging: false,
    graphiql: false,
    schema: buildSubgraphSchema({
      typeDefs: parse(sdl),
      resolvers: {
        Query: {
          transfersOfTeam: (_query: unknown, { teamId }: { readonly teamId: string }) =>
            transfers.filter((transfer) => transfer.teamId === teamId),
          transfer: (_query: unknown, args: { readonly id: string }) => find(args),
        },
        Transfer: { __resolveReference: find },
      },
    }),
    plugins: [
      {
        onResponse: ({ response }) => {
          response.headers.set('cache-control', 'private, max-age=60');
        },
      },
    ],
  });
  const requests: IncomingHttpHeaders[] = [];
  const origin = await serve((request, response) => {
    requests.push(request.headers);
    void yoga(request, response);
  });
  return { url: `${origin}/graphql`, requests };
}
