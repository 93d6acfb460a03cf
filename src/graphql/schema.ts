import { readFileSync } from 'node:fs';
import { GraphQLScalarType, type GraphQLSchema } from 'graphql';
import { createSchema } from 'graphql-yoga';
import type { GatewayContext } from './context.ts';
import { FEDERATION_SDL, resolveEntities } from './federation.ts';
import { Backfill, BackfillRunError } from './resolvers/backfill.ts';
import { Query } from './resolvers/query.ts';
import { Subscription } from './resolvers/subscription.ts';
import { Transfer } from './resolvers/transfer.ts';
import type { Resolvers } from './types.generated.ts';

const SCHEMA_FILE = new URL('../../schema.graphql', import.meta.url);

/** Dates and times are brought to their form where they enter, in `upstream/records.ts`; here they pass. */
const passing = (name: string): GraphQLScalarType => new GraphQLScalarType<string, unknown>({ name });

const resolvers: Resolvers = {
  Query,
  Subscription,
  Transfer,
  Backfill,
  BackfillRunError,
  Date: passing('Date'),
  DateTime: passing('DateTime'),
};

/** The schema of schema.graphql as a Federation 2 subgraph; routers and composition tools are given it verbatim. */
export function createGatewaySchema(): GraphQLSchema {
  const sdl = readFileSync(SCHEMA_FILE, 'utf8');
  return createSchema<GatewayContext>({
    typeDefs: [FEDERATION_SDL, sdl],
    resolvers: [resolvers, { Query: { _service: () => ({ sdl }), _entities: resolveEntities } }],
  });
}
