import { readFileSync } from 'node:fs';
import { GraphQLSchema, isSpecifiedDirective } from 'graphql';
import { createSchema } from 'graphql-yoga';
import type { GatewayContext } from './context.ts';
import { FEDERATION_SDL, resolveEntities } from './federation.ts';
import { Backfill, BackfillList, BackfillRunError } from './resolvers/backfill.ts';
import { Mutation } from './resolvers/mutation.ts';
import { Query } from './resolvers/query.ts';
import { Subscription } from './resolvers/subscription.ts';
import { Transfer } from './resolvers/transfer.ts';
import { SCHEMA_DESCRIPTION } from './schema-description.ts';
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
  const made = createSchema<GatewayContext>({
    typeDefs: [sdl, FEDERATION_SDL],
    resolvers: [resolvers, { Query: { _service: () => ({ sdl }), _entities: resolveEntities } }],
  }).toConfig();
  const last = <T extends { readonly name: string }>(all: readonly T[], isLast: (one: T) => boolean): T[] => [
    ...all.filter((one) => !isLast(one)),
    ...all.filter(isLast),
  ];
  return new GraphQLSchema({
    ...made,
    description: SCHEMA_DESCRIPTION,
    // People read what introspection lists from its top, and federation is for routers.
    types: last(made.types, ({ name }) => /^_|^(?:federation|link)__/.test(name)),
    directives: last(made.directives, (directive) => !isSpecifiedDirective(directive)),
  });
}
