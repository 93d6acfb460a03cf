import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';
import { type Composition, describeError, type Subgraph } from '../../src/demo/federated/compose.ts';

export { composeByGuild, type Composition, type Subgraph } from '../../src/demo/federated/compose.ts';

export function composeByApollo(subgraphs: readonly Subgraph[]): Composition {
  const result = composeServices(
    subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })),
  );
  return {
    errors: (result.errors ?? []).map(describeError),
    supergraph: result.supergraphSdl,
    api: result.schema?.toAPISchema().toGraphQLJSSchema(),
  };
}
