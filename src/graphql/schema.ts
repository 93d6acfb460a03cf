import { readFileSync } from 'node:fs';
import { GraphQLScalarType, type GraphQLSchema } from 'graphql';
import { createSchema } from 'graphql-yoga';
import type { GatewayContext } from './context.ts';
import { FEDERATION_SDL, resolveEntities } from './federation.ts';
import { Backfill, BackfillList, BackfillRunError } from './resolvers/backfill.ts';
import { Query } from './resolvers/query.ts';
import { Subscription } from './resolvers/subscription.ts';
import { Transfer } from './resolvers/transfer.ts';
import type { Resolvers } from './types.generated.ts';

const SCHEMA_FILE = new URL('../../schema.graphql', import.meta.url);

/** A scalar without checks: `upstream/rest/records.ts` has brought dates and times to their form. */
const unchecked = (name: string): GraphQLScalarType => new GraphQLScalarType<string, unknown>({ name });

const resolvers: Resolvers = {
  Query,
  Subscription,
  Transfer,
  Backfill,
  BackfillList,
  BackfillRunError,
  Date: unchecked('Date'),
  DateTime: unchecked('DateTime'),
};

/** The schema of schema.graphql as a Federation 2 subgraph; `_service` gives routers its text verbatim. */
export function createGatewaySchema(): GraphQLSchema {
  const sdl = readFileSync(SCHEMA_FILE, 'utf8');
  return createSchema<GatewayContext>({
    typeDefs: [FEDERATION_SDL, sdl],
    resolvers: [resolvers, { Query: { _service: () => ({ sdl }), _entities: resolveEntities } }],
  });
}
