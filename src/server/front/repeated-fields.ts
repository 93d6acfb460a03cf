import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

/** What an operation selects more than once at one place of its answer. */
export interface RepeatedFields {
  readonly fields: ReadonlySet<FieldNode>;
  /** Whether anything repeats, a fragment included. */
  readonly any: boolean;
}

/** An operation of more places is not looked at to its end. */
const MAX_PLACES = 5_000;

/**
 * Finds the fields that execution puts together, since they have one place in the answer: each has a part of what is
 * selected there. Fields of different types count as one place, which they may be.
 * @param document a valid one
 * @returns undefined where there is too much to look at
 */
export function findRepeatedFields(
  document: DocumentNode,
  operation: OperationDefinitionNode,
): RepeatedFields | undefined {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const firsts = new Map<string, FieldNode>();
  const spread = new Set<string>();
  const fields = new Set<FieldNode>();
  let any = false;

  function walk({ selections }: SelectionSetNode, path: string): void {
    for (const selection of selections) {
      if (firsts.size + spread.size > MAX_PLACES) return;
      if (selection.kind === Kind.FIELD) walkField(selection, path);
      else if (selection.kind === Kind.INLINE_FRAGMENT) walk(selection.selectionSet, path);
      else {
        const name = selection.name.value;
        const place = `${path}...${name}`;
        const fragment = fragments.get(name);
        // Once for each place: a chain of fragments that each spread the next one twice would be walked for ever.
        if (spread.has(place)) any = true;
        else if (fragment !== undefined) {
          spread.add(place);
          walk(fragment.selectionSet, path);
        }
      }
    }
  }

  function walkField(field: FieldNode, path: string): void {
    const place = `${path}/${(field.alias ?? field.name).value}`;
    const first = firsts.get(place);
    if (first === undefined) firsts.set(place, field);
    else {
      any = true;
      fields.add(first).add(field);
    }
    if (field.selectionSet !== undefined) walk(field.selectionSet, place);
  }

  walk(operation.selectionSet, '');
  return firsts.size + spread.size > MAX_PLACES ? undefined : { fields, any };
}
