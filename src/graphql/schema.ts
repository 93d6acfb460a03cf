import { readFileSync } from 'node:fs';
import type { GraphQLSchema } from 'graphql';
import { createSchema } from 'graphql-yoga';
import type { GatewayContext } from './context.ts';
import { FEDERATION_SDL, resolveEntities } from './federation.ts';
import { Backfill, BackfillList, BackfillRunError } from './resolvers/backfill.ts';
import { Mutation } from './resolvers/mutation.ts';
import { Query } from './resolvers/query.ts';
import { Subscription } from './resolvers/subscription.ts';
import { Transfer } from './resolvers/transfer.ts';
import type { Resolvers } from './types.generated.ts';

const SCHEMA_FILE = new URL('../../schema.graphql', import.meta.url);

const resolvers: Resolvers = {
  Query,
  Mutation,
  Subscription,
  Transfer,
  Backfill,
  BackfillList,
  BackfillRunError,
};

/** The schema of schema.graphql as a Federation 2 subgraph; `_service` gives routers its text verbatim. */
export function createGatewaySchema(): GraphQLSchema {
  const sdl = readFileSync(SCHEMA_FILE, 'utf8');
  return createSchema<GatewayContext>({
    typeDefs: [FEDERATION_SDL, sdl],
    resolvers: [resolvers, { Query: { _service: () => ({ sdl }), _entities: resolveEntities } }],
  });
}
