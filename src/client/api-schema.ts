import {
  type GraphQLNamedType,
  GraphQLObjectType,
  GraphQLSchema,
  isSpecifiedDirective,
  printSchema,
} from 'graphql';

/**
 * The text of a subgraph's schema as its clients see it: with no federation in it, every description kept, and the types
 * in their order. Tools that refuse directives which are not declared can read it.
 */
export function printApiSchema(subgraph: GraphQLSchema): string {
  const { query, types, directives, ...rest } = subgraph.toConfig();
  const own = query && withoutPlumbing(query);
  const api = new GraphQLSchema({
    ...rest,
    query: own,
    types: types.filter(isOwn).map((type): GraphQLNamedType => (type === query && own ? own : type)),
    directives: directives.filter(isSpecifiedDirective),
  });
  return `${printSchema(api)}\n`;
}

function withoutPlumbing(query: GraphQLObjectType): GraphQLObjectType {
  const { fields, ...rest } = query.toConfig();
  return new GraphQLObjectType({
    ...rest,
    fields: Object.fromEntries(Object.entries(fields).filter(([name]) => isOwn({ name }))),
  });
}

/** Federation and `@link` keep the names that begin with `_` or have `__` in them, and leave all others to the subgraph. */
function isOwn({ name }: { readonly name: string }): boolean {
  return !name.startsWith('_') && !name.includes('__');
}
