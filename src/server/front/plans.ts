import {
  type DefinitionNode,
  type DocumentNode,
  getOperationAST,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql';
import { type CompiledQuery, compileQuery, isCompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';
import { parseWithinLimits, tokensOf, validateWithinLimits } from '../plugins/operation-limits.ts';
import { findRepeatedFields } from './repeated-fields.ts';
import { askForText, rowInfo, withRowFields } from './row-fields.ts';
import { type KeptSize, RowTexts } from './row-texts.ts';

/** A query that is parsed, validated and compiled. */
export interface Plan {
  /** As the client wrote it. */
  readonly document: DocumentNode;
  /** What a request may name as its operation: where there is one only, that is no more than a remark. */
  readonly names: readonly (string | undefined)[];
  readonly operation: OperationDefinitionNode;
  readonly run: CompiledQuery['query'];
}

/** The plans of texts. One that is no plain query, or has a fault, never gets one: yoga says what is wrong with it. */
export interface Plans {
  /** @param operationName of the operation to run, where the text has several */
  find(text: string, operationName?: string): Plan | undefined;
  /** Makes the plan of a text before it is asked for. */
  add(text: string): void;
  /** How much is kept: plans, as estimated, and the texts of rows that they have written. */
  size(): { readonly plans: KeptSize; readonly rows: KeptSize };
}

/** Memory of the plans together. */
const MAX_PLAN_BYTES = 32 * 1024 * 1024;
/** Measured on Node 20, document included. */
const BYTES_PER_PLAN = 24 * 1024;
const BYTES_PER_TOKEN = 1024;
/** A text of as many tokens takes some 30 ms to compile, in which nobody else is served. Larger ones are left to yoga. */
const MAX_TOKENS = 600;
/** The part of the time that compiling may take, so that a caller who sends ever new texts twice takes no more. */
const MAX_PART_OF_TIME = 0.1;
/** Length of the texts that were seen and have no plan yet, together. */
const MAX_SEEN_LENGTH = 2 * 1024 * 1024;

/**
 * @param maxTextBytes of the texts of rows
 * @param madeAt the use of a text at which its plan is made
 */
export function createPlans(schema: GraphQLSchema, maxTextBytes: number, madeAt: 1 | 2): Plans {
  const texts = new RowTexts(schema, maxTextBytes);
  const extended = withRowFields(schema, texts);
  const seen = new LRUCache<string, true>({
    maxSize: MAX_SEEN_LENGTH,
    sizeCalculation: (_, text) => Math.max(1, text.length),
  });
  const plans = new LRUCache<string, Plan | 'none'>({
    maxSize: MAX_PLAN_BYTES,
    sizeCalculation: (plan, key) =>
      2 * key.length + (plan === 'none' ? 100 : BYTES_PER_PLAN + BYTES_PER_TOKEN * tokensOf(plan.document)),
  });
  let nextAt = -Infinity;

  function make(text: string, operationName: string | undefined): Plan | undefined {
    const document = parsed(text);
    if (document === undefined || tokensOf(document) > MAX_TOKENS) return undefined;
    if (validateWithinLimits(schema, document).length > 0) return undefined;
    const operation = getOperationAST(document, operationName);
    if (operation?.operation !== OperationTypeNode.QUERY || INTROSPECTION.test(text)) return undefined;
    const repeated = findRepeatedFields(document, operation);
    // A field that is selected twice has its place in the answer where it is first included, and in a compiled query where
    // it is first written.
    if (repeated === undefined || (repeated.any && text.includes('@'))) return undefined;
    const { document: changed, rows } = askForText(schema, document, texts, repeated.fields);
    // Errors of fields need no stack: what was thrown has its own.
    const compiled = compileQuery(extended, changed, operationName, {
      disablingCapturingStackErrors: true,
      resolverInfoEnricher: rowInfo(rows),
    });
    if (!isCompiledQuery(compiled)) return undefined;
    const isOnly = document.definitions.filter(isOperation).length === 1;
    const names = isOnly ? [undefined, ...(operation.name ? [operation.name.value] : [])] : [operationName];
    return { document, names, operation, run: compiled.query };
  }

  function put(text: string, operationName: string | undefined): Plan | undefined {
    const startedAt = performance.now();
    const plan = make(text, operationName);
    const endedAt = performance.now();
    nextAt = endedAt + (endedAt - startedAt) / MAX_PART_OF_TIME;
    for (const name of plan?.names ?? [operationName]) plans.set(keyOf(text, name), plan ?? 'none');
    return plan;
  }

  return {
    find(text, operationName) {
      const key = keyOf(text, operationName);
      const plan = plans.get(key);
      if (plan !== undefined) return plan === 'none' ? undefined : plan;
      if (madeAt === 1) return put(text, operationName);
      if (seen.has(key) && performance.now() >= nextAt) {
        seen.delete(key);
        return put(text, operationName);
      }
      seen.set(key, true);
      return undefined;
    },
    add(text) {
      put(text, undefined);
    },
    size: () => ({ plans: { entries: plans.size, bytes: plans.calculatedSize }, rows: texts.size }),
  };
}

function isOperation({ kind }: DefinitionNode): boolean {
  return kind === Kind.OPERATION_DEFINITION;
}

/** Rare, and refused in some settings. */
const INTROSPECTION = /\b__(?:schema|type)\b/;

/** A name has no line break. */
function keyOf(text: string, operationName = ''): string {
  return `${operationName}\n${text}`;
}

function parsed(text: string): DocumentNode | undefined {
  try {
    return parseWithinLimits(text);
  } catch (error) {
    if (error instanceof GraphQLError) return undefined;
    throw error;
  }
}
