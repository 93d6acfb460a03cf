import {
  type DocumentNode,
  extendSchema,
  type FieldNode,
  type FragmentDefinitionNode,
  getNamedType,
  getNullableType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  parse,
  type SelectionNode,
  type SelectionSetNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { FailedField } from '../../graphql/failed-field.ts';
import type { BackfillParent } from '../../graphql/parents.ts';
import { NOT_BEGUN, type PlanContext } from './plan-context.ts';
import type { RowSelection, RowTexts } from './row-texts.ts';

const SUFFIX = '__text';
/** No argument of the schema has two underscores. */
const ROW_ARGUMENT = 'row__text';
const ROW_TYPE = 'Backfill';

/**
 * The schema that plans are compiled for, which no client sees. Each field that gives backfills has a second one, which gives
 * them as text: it has the same resolver, and an argument that says which of the document's rows it is. Items of lists never
 * fail, see {@link withoutFailures}.
 */
export function withRowFields(schema: GraphQLSchema, texts: RowTexts): GraphQLSchema {
  const rows = [schema.getQueryType(), schema.getType('Transfer'), schema.getType('BackfillList')]
    .filter(isObjectType)
    .flatMap((type) =>
      Object.values(type.getFields())
        .filter((field) => getNamedType(field.type).name === ROW_TYPE)
        .map((field) => ({ type, field })),
    );
  const sdl = rows.map(({ type, field }) => {
    const args = [
      ...field.args.map(({ name, type: of }) => `${name}: ${String(of)}`),
      `${ROW_ARGUMENT}: Int!`,
    ];
    const given = String(field.type).replace(ROW_TYPE, 'BackfillText');
    return `extend type ${type.name} { ${field.name}${SUFFIX}(${args.join(', ')}): ${given} }`;
  });
  const document = parse(`scalar BackfillText ${sdl.join('\n')}`);
  const extended = extendSchema(schema, document, { assumeValid: true, assumeValidSDL: true });
  for (const { type, field } of rows) {
    const twin = (extended.getType(type.name) as GraphQLObjectType).getFields()[field.name + SUFFIX];
    if (twin !== undefined) twin.resolve = textResolver(field as GraphQLField<unknown, PlanContext>, texts);
  }
  for (const field of Object.values(extended.getQueryType()?.getFields() ?? {})) {
    const { resolve, type } = field as GraphQLField<unknown, PlanContext>;
    if (resolve === undefined) continue;
    const isList = isListType(getNullableType(type));
    field.resolve = inTurn(isList ? withoutFailures(resolve) : resolve, isNonNullType(type));
  }
  return extended;
}

type Resolver = NonNullable<GraphQLField<unknown, PlanContext>['resolve']>;

/** Begins no field after one that may not be null and threw at once, as graphql-js does. */
function inTurn(resolve: Resolver, isNeeded: boolean): Resolver {
  return (parent, args, context, info) => {
    if (context.isLost) throw NOT_BEGUN;
    context.isLost = isNeeded;
    const value: unknown = resolve(parent, args, context, info);
    context.isLost = false;
    return value;
  };
}

/**
 * Has null in the place of each item that fails, and its error in the context. graphql-jit 0.8.9 itself puts that null at the
 * end of the list as it is then, where it may take the place of another item.
 */
function withoutFailures(resolve: Resolver): Resolver {
  return (parent, args, context, info) => {
    const items: unknown = resolve(parent, args, context, info);
    if (!Array.isArray(items)) return items;
    return items.map((item: unknown, index) => {
      if (!(item instanceof Promise)) return item;
      return item.catch((thrown: unknown) => {
        context.failedItems.push(
          thrown instanceof FailedField ? thrown : FailedField.at(info, thrown, index),
        );
        return null;
      });
    });
  };
}

/** What {@link rowInfo} adds. */
type RowInfo = Parameters<Resolver>[3] & { readonly selection: RowSelection };

function textResolver({ name, resolve }: GraphQLField<unknown, PlanContext>, texts: RowTexts): Resolver {
  return (parent, args, context, info) => {
    const { selection } = info as RowInfo;
    const value: unknown =
      resolve === undefined
        ? (parent as Readonly<Record<string, unknown>>)[name]
        : resolve(parent, args, context, info);
    return textOf(value, texts, selection, context);
  };
}

function textOf(value: unknown, texts: RowTexts, selection: RowSelection, context: PlanContext): unknown {
  if (value === null || value === undefined || value instanceof Error) return value;
  if (value instanceof Promise) return value.then((one: unknown) => textOf(one, texts, selection, context));
  if (Array.isArray(value)) return value.map((one: unknown) => textOf(one, texts, selection, context));
  return texts.of(value as BackfillParent, selection, context);
}

/**
 * Tells the compiler what the `info` of a row's field says beside the usual: what is selected, and the field as it stands in
 * the client's document, by which errors and the limits of an answer go.
 */
export function rowInfo(rows: readonly Row[]): (field: Pick<GraphQLResolveInfo, 'fieldNodes'>) => object {
  return ({ fieldNodes: [node] }) => {
    const argument = node?.arguments?.find(({ name }) => name.value === ROW_ARGUMENT);
    const row = argument?.value.kind === Kind.INT ? rows[Number(argument.value.value)] : undefined;
    return row === undefined ? {} : { selection: row.selection, fieldNodes: [row.field] };
  };
}

/** A place of an operation that gives backfills as text. */
export interface Row {
  readonly selection: RowSelection;
  /** The field as it stands in the document of the client. */
  readonly field: FieldNode;
}

/** A document whose rows are text. */
export interface RowDocument {
  readonly document: DocumentNode;
  readonly rows: readonly Row[];
}

/**
 * Has the document ask for text where what it selects of a backfill depends on that backfill alone.
 * @param document a valid one
 * @param repeated fields of which each selects a part only
 */
export function askForText(
  schema: GraphQLSchema,
  document: DocumentNode,
  texts: RowTexts,
  repeated: ReadonlySet<FieldNode>,
): RowDocument {
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  const info = new TypeInfo(schema);
  const rows: Row[] = [];
  const changed = visit(
    document,
    visitWithTypeInfo(info, {
      Field(node) {
        const type = info.getType();
        if (!type || getNamedType(type).name !== ROW_TYPE || node.selectionSet === undefined)
          return undefined;
        const moving = new Set<string>();
        if (repeated.has(node) || !isOfRow(node.selectionSet, fragments, moving)) return undefined;
        const selection = texts.compile(node.selectionSet, fragments, moving);
        if (selection === undefined) return undefined;
        rows.push({ selection, field: node });
        return textField(node, rows.length - 1);
      },
    }),
  );
  return { document: changed, rows };
}

function textField({ selectionSet: _, ...node }: FieldNode, row: number): FieldNode {
  const argument = {
    kind: Kind.ARGUMENT,
    name: { kind: Kind.NAME, value: ROW_ARGUMENT },
    value: { kind: Kind.INT, value: String(row) },
  } as const;
  return {
    ...node,
    alias: node.alias ?? node.name,
    name: { ...node.name, value: node.name.value + SUFFIX },
    arguments: [...(node.arguments ?? []), argument],
  };
}

/**
 * Whether a selection depends on nothing but the backfill and the time of the answer.
 * @param moving gets the keys of what depends on the time
 */
function isOfRow(
  { selections }: SelectionSetNode,
  fragments: readonly FragmentDefinitionNode[],
  moving: Set<string>,
): boolean {
  return selections.every((selection: SelectionNode) => {
    if (selection.directives !== undefined && selection.directives.length > 0) return false;
    switch (selection.kind) {
      case Kind.FIELD: {
        const { name, alias, selectionSet } = selection;
        if (name.value === 'latestBackfill') return false;
        if (name.value === 'estimatedEndTime') moving.add((alias ?? name).value);
        return selectionSet === undefined || isOfRow(selectionSet, fragments, moving);
      }
      case Kind.INLINE_FRAGMENT:
        return isOfRow(selection.selectionSet, fragments, moving);
      case Kind.FRAGMENT_SPREAD: {
        const fragment = fragments.find(({ name }) => name.value === selection.name.value);
        return fragment !== undefined && isOfRow(fragment.selectionSet, fragments, moving);
      }
    }
  });
}
