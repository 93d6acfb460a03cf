import {
  type FragmentDefinitionNode,
  type GraphQLResolveInfo,
  type InlineFragmentNode,
  Kind,
  type SelectionSetNode,
} from 'graphql';
import type { ResourceId } from '../ids.ts';
import type { GatewayContext } from './context.ts';
import { badUserInput } from './errors.ts';
import { FailedField } from './failed-field.ts';
import { resourceId } from './input.ts';
import { maxItemsOf } from './list-limits.ts';
import { createTickLimiter } from './tick-limiter.ts';

/**
 * The definitions behind the `@link` of schema.graphql, written out for graphql-js, and the two fields through which a
 * router talks to a subgraph (Apollo Federation 2 subgraph specification). The gateway needs no more of it.
 * `@apollo/subgraph` would take most of the start-up time, and nulls the whole answer when one representation names an
 * unknown type.
 */
export const FEDERATION_SDL = /* GraphQL */ `
  directive @link(url: String!, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
  directive @key(fields: federation__FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE
  directive @shareable repeatable on OBJECT | FIELD_DEFINITION
  scalar federation__FieldSet
  scalar link__Import
  enum link__Purpose {
    SECURITY
    EXECUTION
  }

  "A representation of an entity: its \`__typename\` and the fields of one of its keys."
  scalar _Any
  "An entity that a router can look up."
  union _Entity = Backfill | Transfer
  "What a router asks of a subgraph about itself."
  type _Service {
    "The schema as this subgraph was written, federation directives included."
    sdl: String!
  }
  extend type Query {
    "For routers: this subgraph's schema."
    _service: _Service!
    "For routers: entities by their keys. What cannot be had is null in its own place."
    _entities("One for each entity." representations: [_Any!]!): [_Entity]!
  }
`;

/** A key as given, with the `__typename` from which graphql-js resolves the type of the union. */
interface Reference {
  readonly __typename: 'Transfer' | 'Backfill';
  readonly teamId: ResourceId;
  readonly id: ResourceId;
}

/** Thousands of representations let others in between. */
const BEGUN_PER_TICK = 100;
const MAX_REPRESENTATIONS = maxItemsOf('_entities');

/** The representations that the operation has named so far: a document may use one list under many aliases. */
const named = new WeakMap<GatewayContext, number>();

/**
 * Resolves `Query._entities`. Each entity is a promise of its own, so that an error nulls that entity only. What is
 * wrong with the whole field is said once, before the list is walked.
 */
export function resolveEntities(
  _query: unknown,
  { representations }: { readonly representations: readonly unknown[] },
  context: GatewayContext,
  info: GraphQLResolveInfo,
): readonly Promise<object | null>[] {
  // Called for its error: a missing credential is reported here, and not by each representation.
  context.loaders();
  const count = (named.get(context) ?? 0) + representations.length;
  named.set(context, count);
  if (count > MAX_REPRESENTATIONS) {
    throw badUserInput(
      `The argument "representations" takes at most ${MAX_REPRESENTATIONS} representations in one operation; got ${count}.`,
    );
  }
  const readsNothing = { Transfer: true, Backfill: selectsKeyOnly(info, 'Backfill') };
  const limiter = createTickLimiter(BEGUN_PER_TICK);
  async function entity(representation: unknown): Promise<object | null> {
    const turn = limiter();
    if (turn !== undefined) await turn;
    if (context.answer?.isExceeded === true) return null;
    const reference = readReference(representation, context);
    const { __typename } = reference;
    if (readsNothing[__typename]) return reference;
    const snapshot = await context.loaders().backfill(reference);
    if (context.answer?.admit(snapshot, info) === null) return null;
    // A copy, because the loader's value belongs to the cache.
    return { __typename, ...snapshot };
  }
  return representations.map((representation, index) =>
    entity(representation).catch((thrown: unknown) => {
      throw FailedField.at(info, thrown, index);
    }),
  );
}

/** @throws {GraphQLError} `BAD_USER_INPUT` naming what is wrong with the representation */
function readReference(representation: unknown, context: GatewayContext): Reference {
  if (typeof representation !== 'object' || representation === null) {
    throw badUserInput('A representation must be an object with "__typename" and the fields of a key.');
  }
  const { __typename, id, teamId } = representation as Readonly<Record<string, unknown>>;
  if (__typename !== 'Transfer' && __typename !== 'Backfill') {
    throw badUserInput('The "__typename" of a representation must be "Transfer" or "Backfill".');
  }
  return {
    __typename,
    teamId: context.teamId(teamId == null ? undefined : keyText(teamId, 'teamId')),
    id: resourceId(keyText(id, 'id'), 'The key "id"'),
  };
}

/** Ids may come as numbers, but one beyond 2^53 has been rounded by JSON.parse, so it is refused. */
function keyText(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  throw badUserInput(`The key "${name}" of a representation must be a string or an integer up to 2^53.`);
}

const KEY_FIELDS: ReadonlySet<string> = new Set(['__typename', 'id', 'teamId']);

/** Whether the operation selects nothing but fields of the entity's key, so that no read is needed. */
function selectsKeyOnly({ fieldNodes, fragments }: GraphQLResolveInfo, typename: string): boolean {
  // Without this, a chain of fragments that each spread the next one twice would be walked exponentially often.
  const seen = new Set<string>();
  const keyOnly = ({ selections }: SelectionSetNode): boolean =>
    selections.every((selection) => {
      if (selection.kind === Kind.FIELD) return KEY_FIELDS.has(selection.name.value);
      if (selection.kind === Kind.INLINE_FRAGMENT) return fragmentKeyOnly(selection);
      const name = selection.name.value;
      if (seen.has(name)) return true;
      seen.add(name);
      const fragment = fragments[name];
      return fragment !== undefined && fragmentKeyOnly(fragment);
    });
  const fragmentKeyOnly = ({
    typeCondition,
    selectionSet,
  }: FragmentDefinitionNode | InlineFragmentNode): boolean => {
    const condition = typeCondition?.name.value;
    return (
      (condition !== undefined && condition !== typename && condition !== '_Entity') || keyOnly(selectionSet)
    );
  };
  return fieldNodes.every(({ selectionSet }) => selectionSet === undefined || keyOnly(selectionSet));
}
