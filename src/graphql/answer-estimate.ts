import {
  type DocumentNode,
  type FieldNode,
  getOperationAST,
  type GraphQLObjectType,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
} from 'graphql';
import { maxItemsOf } from './list-limits.ts';
import {
  type AnswerSize,
  listArgument,
  literalLength,
  type ReportShape,
  SelectionSizes,
} from './selection-sizes.ts';

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
  const sizes = new SelectionSizes(schema, document);
  const root = schema.getRootType(operation.operation);
  const lists: List[] = [];
  let fields = 0;
  let bytes = 0;
  for (const nodes of root ? sizes.collect(root, [operation.selectionSet]).values() : []) {
    const [node] = nodes;
    if (!root || node === undefined) continue;
    const list = listOf(root, node, operation);
    if (list === undefined) {
      const size = sizes.sizeOfField(root, nodes);
      fields += size.fields;
      bytes += size.bytes;
    } else {
      lists.push({ ...list, item: sizes.sizeOfField(root, nodes, 1) });
    }
  }
  return { fields, bytes, lists, reports: sizes.reports };
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
