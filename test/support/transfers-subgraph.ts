import type { IncomingHttpHeaders } from 'node:http';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';
import { createYoga, type YogaInitialContext } from 'graphql-yoga';
import { serve } from './serve.ts';

export interface OwnedTransfer {
  readonly id: string;
  readonly teamId: string;
  readonly name: string;
}

/** How the owner of transfers might describe them; each part is one choice that its developers have. */
export function transfersSdl({
  keys = '@key(fields: "teamId id")',
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

/** The owner that joined others by `id` alone, with what the README tells it to add. */
export const OWNER_BY_ID = transfersSdl({ keys: '@key(fields: "id") @key(fields: "teamId id")' });

export interface TransfersSubgraph {
  readonly url: string;
  /** Headers of each request so far. */
  readonly requests: readonly IncomingHttpHeaders[];
}

export interface OwnerOptions {
  readonly sdl?: string;
  /** The owner keeps no teams, and its `teamId` is the header's. */
  readonly teamIsHeaders?: boolean;
}

interface Reference {
  readonly id: string;
  readonly teamId?: string | null;
}

/**
 * The subgraph that owns transfers, on a real port until the test ends. It lists `transfers` in their order, as often
 * as they are there, and lets its answers be kept for a minute.
 */
export async function startTransfersSubgraph(
  transfers: readonly OwnedTransfer[],
  { sdl = transfersSdl(), teamIsHeaders = false }: OwnerOptions = {},
): Promise<TransfersSubgraph> {
  const find = ({ id, teamId }: Reference): OwnedTransfer | null =>
    transfers.find(
      (transfer) => transfer.id === id && (teamIsHeaders || (teamId ?? transfer.teamId) === transfer.teamId),
    ) ?? null;
  const teamOfHeader = (_transfer: unknown, _args: unknown, context: unknown): string | null =>
    (context as YogaInitialContext).request.headers.get('x-team-id');
  const yoga = createYoga({
    logging: false,
    graphiql: false,
    schema: buildSubgraphSchema({
      typeDefs: parse(sdl),
      resolvers: {
        Query: {
          transfersOfTeam: (_query: unknown, { teamId }: { readonly teamId: string }) =>
            transfers.filter((transfer) => transfer.teamId === teamId),
          transfer: (_query: unknown, args: Reference) => find(args),
        },
        Transfer: { __resolveReference: find, ...(teamIsHeaders && { teamId: teamOfHeader }) },
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
