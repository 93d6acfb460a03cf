import { composeServices } from '@theguild/federation-composition';
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

/** Composes subgraphs in this process: no network, and no other program. */
export function composeByGuild(subgraphs: readonly Subgraph[]): Composition {
  const result = composeServices(
    subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })),
  );
  return {
    errors: (result.errors ?? []).map(describeError),
    supergraph: result.supergraphSdl,
    api: result.publicSdl === undefined ? undefined : buildSchema(result.publicSdl),
  };
}

/** The error with its code, which composers share, before its sentence, which they do not. */
export function describeError({ message, extensions }: ComposerError): string {
  return `${String(extensions?.['code'])}: ${message}`;
}
