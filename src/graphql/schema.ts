import { readFileSync } from 'node:fs';
import {
  buildASTSchema,
  type GraphQLField,
  GraphQLSchema,
  isObjectType,
  isSpecifiedDirective,
  parse,
} from 'graphql';
import { SCHEMA_FILE } from '../package-files.ts';
import type { GatewayContext } from './context.ts';
import { FEDERATION_SDL, resolveEntities } from './federation.ts';
import { Backfill, BackfillList, BackfillRunError } from './resolvers/backfill.ts';
import { Mutation } from './resolvers/mutation.ts';
import { Query } from './resolvers/query.ts';
import { Subscription } from './resolvers/subscription.ts';
import { Transfer } from './resolvers/transfer.ts';
import { SCHEMA_DESCRIPTION } from './schema-description.ts';
import type { Resolvers } from './types.generated.ts';

const resolvers = {
  Query,
  Mutation,
  Subscription,
  Transfer,
  Backfill,
  BackfillList,
  BackfillRunError,
} satisfies Resolvers;

/** The schema of schema.graphql as a Federation 2 subgraph; `_service` gives routers its text verbatim. */
export function createGatewaySchema(): GraphQLSchema {
  const sdl = readFileSync(SCHEMA_FILE, 'utf8');
  // Both texts are the program's own, and tests look for faults in them: to do so takes a tenth of the start.
  const bare = buildASTSchema(parse(sdl + FEDERATION_SDL, { noLocation: true }), { assumeValidSDL: true });
  attach(resolvers, bare);
  attach({ Query: { _service: () => ({ sdl }), _entities: resolveEntities } }, bare);
  const made = bare.toConfig();
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

/** What a field runs: its resolver alone, or with what a subscription begins with. */
type FieldFunctions = Pick<GraphQLField<unknown, GatewayContext>, 'resolve' | 'subscribe'>;

/**
 * Gives the fields of a schema their functions.
 * @param functions by the names of types, then of fields
 */
function attach(functions: Readonly<Record<string, object>>, schema: GraphQLSchema): void {
  for (const [typeName, fields] of Object.entries(functions)) {
    const type = schema.getType(typeName);
    for (const [name, given] of Object.entries(fields) as [string, unknown][]) {
      const field = isObjectType(type) ? type.getFields()[name] : undefined;
      if (field === undefined) throw new Error(`schema.graphql has no field ${typeName}.${name}`);
      Object.assign(field, (typeof given === 'function' ? { resolve: given } : given) as FieldFunctions);
    }
  }
}
