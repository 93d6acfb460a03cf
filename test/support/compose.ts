import { composeServices as composeWithApollo } from '@apollo/composition';
import { composeServices as composeWithGuild } from '@theguild/federation-composition';
import { buildSchema, type GraphQLSchema, parse } from 'graphql';

export interface Subgraph {
  readonly name: string;
  readonly url: string;
  readonly sdl: string;
}

export interface Composition {
  /** Code and sentence of each error; empty when the subgraphs compose. */
  readonly errors: readonly string[];
  /** Undefined when they do not. */
  readonly supergraph: string | undefined;
  /** What a client of the router sees. */
  readonly api: GraphQLSchema | undefined;
}

interface ComposerError {
  readonly message: string;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export function composeByGuild(subgraphs: readonly Subgraph[]): Composition {
  const result = composeWithGuild(subgraphs.map(toService));
  return {
    errors: (result.errors ?? []).map(describeError),
    supergraph: result.supergraphSdl,
    api: result.publicSdl === undefined ? undefined : buildSchema(result.publicSdl),
  };
}

export function composeByApollo(subgraphs: readonly Subgraph[]): Composition {
  const result = composeWithApollo(subgraphs.map(toService));
  return {
    errors: (result.errors ?? []).map(describeError),
    supergraph: result.supergraphSdl,
    api: result.schema?.toAPISchema().toGraphQLJSSchema(),
  };
}

function toService({ name, url, sdl }: Subgraph) {
  return { name, url, typeDefs: parse(sdl) };
}

function describeError({ message, extensions }: ComposerError): string {
  return `${String(extensions?.['code'])}: ${message}`;
}
