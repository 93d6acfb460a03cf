import {
  type DocumentNode,
  type FieldNode,
  getNamedType,
  getOperationAST,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNullableType,
  isAbstractType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  type ValueNode,
} from 'graphql';
import { maxItemsOf } from './list-limits.ts';

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

/** The part of an answer that is known before anything is read, and what is to be known with each backfill. */
export interface AnswerEstimate extends AnswerSize {
  /** By the fields that give a backfill whose report is selected. */
  readonly reports: ReadonlyMap<FieldNode, ReportShape>;
}

/** An operation, worked out but for the lengths of the lists in its variables. */
interface Plan extends AnswerEstimate {
  readonly lists: readonly List[];
}

interface List {
  readonly variable: string;
  /** The length without the variable. */
  readonly defaultLength: number;
  readonly maxLength: number;
  readonly item: AnswerSize;
}

/** A read takes a promise of its own, and its failure an error. */
const FIELDS_OF_A_READ = 11;
const READING: ReadonlySet<string> = new Set(['Query.backfill', 'Transfer.latestBackfill']);

/** A date-time or an int64 with its quotes; the texts of reports are counted by themselves. */
const BYTES_OF_A_VALUE = 40;
/** Quotes, colon and comma. */
const BYTES_AROUND = 4;

/**
 * Lengths of lists that no argument gives, as in the schema on average: this bounds introspection under many aliases.
 * The entries of reports are counted by {@link ReportShape}.
 */
const LENGTHS: Readonly<Record<string, number>> = {
  '__Schema.types': 40,
  '__Schema.directives': 10,
  '__Type.fields': 8,
  '__Type.enumValues': 4,
  '__Field.args': 2,
  '__Directive.locations': 4,
  '__Directive.args': 4,
};

const plans = new WeakMap<DocumentNode, Map<string | null, Plan>>();

/**
 * Estimates the answer of an operation from above, by its document and the lengths of its lists, before anything is
 * done for it. Fields that a directive may skip count, and so do representations of the type that selects most.
 * @param document a valid one, whose plan is remembered with it
 * @returns undefined where the document has no such operation
 */
export function estimateAnswer(
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | null | undefined,
  variables: Readonly<Record<string, unknown>> | null | undefined,
): AnswerEstimate | undefined {
  const name = operationName ?? null;
  const known = plans.get(document) ?? new Map<string | null, Plan>();
  let plan = known.get(name);
  if (plan === undefined) {
    const operation = getOperationAST(document, name);
    if (!operation) return undefined;
    plan = planOf(schema, document, operation);
    plans.set(document, known.set(name, plan));
  }
  if (plan.lists.length === 0) return plan;
  let { fields, bytes } = plan;
  for (const { variable, defaultLength, maxLength, item } of plan.lists) {
    const length = lengthOf(variables?.[variable], defaultLength);
    // A list that is too long is refused by its field before it is walked.
    if (length > maxLength) continue;
    fields += length * item.fields;
    bytes += length * item.bytes;
  }
  return { fields, bytes, reports: plan.reports };
}

function lengthOf(value: unknown, defaultLength: number): number {
  if (value === undefined) return defaultLength;
  if (Array.isArray(value)) return value.length;
  return value === null ? 0 : 1;
}

function planOf(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode): Plan {
  const walk = new Walk(schema, document);
  const root = schema.getRootType(operation.operation);
  const lists: List[] = [];
  let fields = 0;
  let bytes = 0;
  for (const nodes of root ? walk.collect(root, [operation.selectionSet]).values() : []) {
    const [node] = nodes;
    if (!root || node === undefined) continue;
    const list = listOf(root, node, operation);
    if (list === undefined) {
      const size = walk.sizeOfField(root, nodes);
      fields += size.fields;
      bytes += size.bytes;
    } else {
      lists.push({ ...list, item: walk.sizeOfField(root, nodes, 1) });
    }
  }
  return { fields, bytes, lists, reports: walk.reports };
}

/** The list variable that decides how long the list of a root field is. */
function listOf(
  root: GraphQLObjectType,
  node: FieldNode,
  { variableDefinitions = [] }: OperationDefinitionNode,
): Omit<List, 'item'> | undefined {
  const field = root.getFields()[node.name.value];
  const value = field === undefined ? undefined : listArgument(field, node);
  if (value?.kind !== Kind.VARIABLE) return undefined;
  const variable = value.name.value;
  const fallback = variableDefinitions.find((each) => each.variable.name.value === variable)?.defaultValue;
  const defaultLength = fallback === undefined ? 0 : literalLength(fallback);
  return { variable, defaultLength, maxLength: maxItemsOf(node.name.value) };
}

/** The value of the argument from which a list field gets its length. */
function listArgument(field: GraphQLField<unknown, unknown>, node: FieldNode): ValueNode | undefined {
  if (!isListType(getNullableType(field.type))) return undefined;
  const argument = field.args.find(({ type }) => isListType(getNullableType(type)));
  return node.arguments?.find(({ name }) => name.value === argument?.name)?.value;
}

function literalLength(value: ValueNode): number {
  if (value.kind === Kind.LIST) return value.values.length;
  return value.kind === Kind.NULL ? 0 : 1;
}

/** Sizes of selections, with fields merged as execution merges them. */
class Walk {
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
    const perItem = item.fields + (isList ? 1 : 0);
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
