import {
  type DocumentNode,
  type FieldNode,
  getNamedType,
  getNullableType,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  isAbstractType,
  isListType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  type ValueNode,
} from 'graphql';
import { maxItemsOf } from './list-limits.ts';
import { MAX_ROWS_OF_AN_EVENT } from './live/pending-rows.ts';

/** What an answer takes to make and to send. */
export interface AnswerSize {
  /** Fields to resolve; a field that reads a backfill, and may fail, counts as several. */
  readonly fields: number;
  /** Bytes of JSON. */
  readonly bytes: number;
}

/** What each entry of an error report adds to an answer, for one place where a backfill is selected. */
export interface ReportShape extends AnswerSize {
  /** How often the entry's text comes, whose length only the backfill knows; `bytes` is without it. */
  readonly texts: number;
}

/** A read takes a promise of its own, and its failure an error. */
const FIELDS_OF_A_READ = 11;
const READING: ReadonlySet<string> = new Set([
  'Query.backfill',
  'Query.incompleteBackfills',
  'Transfer.latestBackfill',
  'Mutation.createBackfill',
  'Mutation.cancelBackfill',
]);
/** Fields that read each item. */
const READING_ITEMS: ReadonlySet<string> = new Set(['Query.backfills']);

/** A date-time or an int64 with its quotes; the texts of reports are counted by themselves. */
const BYTES_OF_A_VALUE = 40;
/** Quotes, colon and comma. */
const BYTES_AROUND = 4;

/**
 * Lengths of lists that no argument gives: the most that the REST API lists, and as in the schema on average, which
 * bounds introspection under many aliases. The entries of reports are counted by {@link ReportShape}.
 */
const LENGTHS: Readonly<Record<string, number>> = {
  'BackfillList.items': 100,
  'Subscription.incompleteBackfillsUpdated': MAX_ROWS_OF_AN_EVENT,
  '__Schema.types': 40,
  '__Schema.directives': 10,
  '__Type.fields': 8,
  '__Type.enumValues': 4,
  '__Field.args': 2,
  '__Directive.locations': 4,
  '__Directive.args': 4,
};

/** Sizes of selections, with fields merged as execution merges them. */
export class SelectionSizes {
  readonly reports = new Map<FieldNode, ReportShape>();
  readonly #schema: GraphQLSchema;
  readonly #fragments = new Map<string, SelectionSetNode & { readonly on: string }>();

  constructor(schema: GraphQLSchema, { definitions }: DocumentNode) {
    this.#schema = schema;
    for (const definition of definitions) {
      if (definition.kind !== Kind.FRAGMENT_DEFINITION) continue;
      const { name, selectionSet, typeCondition } = definition;
      this.#fragments.set(name.value, { ...selectionSet, on: typeCondition.name.value });
    }
  }

  /** The fields that an object of the type answers, by their names in the answer. */
  collect(type: GraphQLObjectType, sets: readonly SelectionSetNode[]): Map<string, FieldNode[]> {
    const fields = new Map<string, FieldNode[]>();
    const spread = new Set<string>();
    const visit = ({ selections }: SelectionSetNode): void => {
      for (const selection of selections) {
        if (selection.kind === Kind.FIELD) {
          const key = (selection.alias ?? selection.name).value;
          const same = fields.get(key);
          if (same === undefined) fields.set(key, [selection]);
          else same.push(selection);
        } else if (selection.kind === Kind.INLINE_FRAGMENT) {
          if (this.#applies(selection.typeCondition?.name.value, type)) visit(selection.selectionSet);
        } else if (!spread.has(selection.name.value)) {
          spread.add(selection.name.value);
          const fragment = this.#fragments.get(selection.name.value);
          if (fragment !== undefined && this.#applies(fragment.on, type)) visit(fragment);
        }
      }
    };
    for (const set of sets) visit(set);
    return fields;
  }

  #applies(condition: string | undefined, type: GraphQLObjectType): boolean {
    if (condition === undefined || condition === type.name) return true;
    const on = this.#schema.getType(condition);
    return isAbstractType(on) && this.#schema.isSubType(on, type);
  }

  /**
   * @param nodes the selections of one field of the parent
   * @param items the length of its list, where the caller knows it
   */
  sizeOfField(parent: GraphQLObjectType, nodes: readonly FieldNode[], items?: number): AnswerSize {
    const [node] = nodes;
    if (node === undefined) return { fields: 0, bytes: 0 };
    const name = node.name.value;
    const place = `${parent.name}.${name}`;
    const own = 1 + (READING.has(place) ? FIELDS_OF_A_READ : 0);
    const around = (node.alias ?? node.name).value.length + BYTES_AROUND;
    const field = this.#fieldOf(parent, name);
    const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
    if (field === undefined || sets.length === 0) return { fields: own, bytes: around + BYTES_OF_A_VALUE };

    const type = getNamedType(field.type);
    if (place === 'Backfill.errorReport') return { fields: own, bytes: around };
    const item = this.#sizeOfObject(type, sets, nodes);
    const isList = isListType(getNullableType(field.type));
    const length = items ?? (isList ? this.#lengthOf(place, field, node) : 1);
    // An item of a list costs about as much as a field.
    const perItem = item.fields + (isList ? 1 : 0) + (READING_ITEMS.has(place) ? FIELDS_OF_A_READ : 0);
    return { fields: own + length * perItem, bytes: around + length * (item.bytes + BYTES_AROUND) };
  }

  #fieldOf(parent: GraphQLObjectType, name: string): GraphQLField<unknown, unknown> | undefined {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
    return parent.getFields()[name];
  }

  #lengthOf(place: string, field: GraphQLField<unknown, unknown>, node: FieldNode): number {
    const argument = listArgument(field, node);
    if (argument === undefined) return LENGTHS[place] ?? 1;
    const max = maxItemsOf(field.name);
    const length = argument.kind === Kind.VARIABLE ? max : literalLength(argument);
    return length > max ? 0 : length;
  }

  /** @param from the field that gives the object */
  #sizeOfObject(
    type: GraphQLNamedType,
    sets: readonly SelectionSetNode[],
    from: readonly FieldNode[],
  ): AnswerSize {
    const types = isAbstractType(type) ? this.#schema.getPossibleTypes(type) : [type];
    let fields = 0;
    let bytes = 0;
    for (const each of types) {
      if (!isObjectType(each)) continue;
      const selected = this.collect(each, sets);
      // A reference to a backfill is read.
      let ownFields = isAbstractType(type) && each.name === 'Backfill' ? FIELDS_OF_A_READ : 0;
      let ownBytes = 0;
      for (const nodes of selected.values()) {
        const size = this.sizeOfField(each, nodes);
        ownFields += size.fields;
        ownBytes += size.bytes;
      }
      if (each.name === 'Backfill') this.#noteReports(each, selected, from);
      fields = Math.max(fields, ownFields);
      bytes = Math.max(bytes, ownBytes);
    }
    return { fields, bytes };
  }

  #noteReports(
    backfill: GraphQLObjectType,
    selected: ReadonlyMap<string, readonly FieldNode[]>,
    from: readonly FieldNode[],
  ): void {
    const report = backfill.getFields()['errorReport'];
    const entry = report === undefined ? undefined : getNamedType(report.type);
    if (!isObjectType(entry)) return;
    let fields = 0;
    let bytes = 0;
    let texts = 0;
    for (const nodes of selected.values()) {
      if (nodes[0]?.name.value !== 'errorReport') continue;
      const sets = nodes.flatMap(({ selectionSet }) => selectionSet ?? []);
      for (const [key, [value]] of this.collect(entry, sets)) {
        const isText = value?.name.value === 'error';
        fields++;
        bytes += key.length + BYTES_AROUND + (isText ? 0 : BYTES_OF_A_VALUE);
        if (isText) texts++;
      }
      // The entry itself.
      fields++;
      bytes += BYTES_AROUND;
    }
    if (fields === 0) return;
    // Which of the nodes comes first depends on directives; and a fragment's node may be in several places.
    for (const node of from) {
      const known = this.reports.get(node);
      this.reports.set(node, {
        fields: Math.max(fields, known?.fields ?? 0),
        bytes: Math.max(bytes, known?.bytes ?? 0),
        texts: Math.max(texts, known?.texts ?? 0),
      });
    }
  }
}

/** The value of the argument from which a list field gets its length. */
export function listArgument(field: GraphQLField<unknown, unknown>, node: FieldNode): ValueNode | undefined {
  if (!isListType(getNullableType(field.type))) return undefined;
  const argument = field.args.find(({ type }) => isListType(getNullableType(type)));
  return node.arguments?.find(({ name }) => name.value === argument?.name)?.value;
}

/** The length of a list that is written in the document. */
export function literalLength(value: ValueNode): number {
  if (value.kind === Kind.LIST) return value.values.length;
  return value.kind === Kind.NULL ? 0 : 1;
}
