import { costLimitRule } from '@escape.tech/graphql-armor-cost-limit';
import { maxAliasesRule } from '@escape.tech/graphql-armor-max-aliases';
import { maxDepthRule } from '@escape.tech/graphql-armor-max-depth';
import { maxDirectivesRule } from '@escape.tech/graphql-armor-max-directives';
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  parse,
  type SelectionNode,
  type SelectionSetNode,
  type Source,
  specifiedRules,
  validate,
  type ValidationContext,
  type ValidationRule,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';

/**
 * Limits of an operation's size. GraphiQL's introspection, a router's `_entities` and a wall of 100 aliased transfers
 * pass with room to spare. MAX_UPSTREAM_CALLS_PER_OPERATION limits what an operation may cost the upstream.
 */
const MAX_TOKENS = 5_000;
const MAX_NESTING = 100;
const MAX_DEPTH = 15;
const MAX_ALIASES = 300;
const MAX_DIRECTIVES = 50;
/** Room for {@link MAX_ALIASES} aliases and every field of the schema beside them. */
const MAX_SELECTIONS = 400;
/** Validation compares them pair by pair. The schema has a tenth as many types. */
const MAX_FRAGMENTS = 50;
/** Further ones tell an honest client nothing more, and give another a larger answer than its request. */
const MAX_VALIDATION_ERRORS = 5;
const MAX_COST = 20_000;

/** Reports a violation as a validation error instead of throwing it, so that it comes with the others. */
const reported = {
  propagateOnRejection: false,
  onReject: [
    (context: ValidationContext | null, error: GraphQLError): void => {
      context?.reportError(new GraphQLError(error.message.replace('Syntax Error: ', '')));
    },
  ],
};

/** Made once: as plugins they would be added to the rules anew at each request. */
const RULES: readonly ValidationRule[] = [
  maxDepthRule({ n: MAX_DEPTH, ignoreIntrospection: true, ...reported }),
  maxAliasesRule({ n: MAX_ALIASES, ...reported }),
  maxDirectivesRule({ n: MAX_DIRECTIVES, ...reported }),
  costLimitRule({ maxCost: MAX_COST, ignoreIntrospection: true, ...reported }),
];

/** Refuses operations larger than any client needs, before they are parsed or executed. */
export function useOperationLimits(): Plugin {
  /** What validation found. All requests have the same schema and the same rules. */
  const found = new WeakMap<DocumentNode, readonly GraphQLError[]>();

  return {
    onParse({ setParseFn }) {
      setParseFn(parseWithinLimits);
    },
    onValidate({ setValidationFn }) {
      setValidationFn((schema: GraphQLSchema, document: DocumentNode, rules?: readonly ValidationRule[]) => {
        const known = found.get(document);
        if (known !== undefined) return known;
        const errors = validateWithinLimits(schema, document, rules);
        found.set(document, errors);
        return errors;
      });
    },
  };
}

export function parseWithinLimits(source: string | Source): DocumentNode {
  assertNotTooNested(typeof source === 'string' ? source : source.body);
  return parse(source, { maxTokens: MAX_TOKENS });
}

/** The rules compare the fields of a selection set with each other, so its size is looked at before they run. */
export function validateWithinLimits(
  schema: GraphQLSchema,
  document: DocumentNode,
  rules?: readonly ValidationRule[],
): readonly GraphQLError[] {
  const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
  if (fragments.length > MAX_FRAGMENTS) {
    return [new GraphQLError(`A document may define at most ${MAX_FRAGMENTS} fragments.`)];
  }
  const tooLarge = findTooLarge(document);
  if (tooLarge !== undefined) {
    return [
      new GraphQLError(`A selection set may hold at most ${MAX_SELECTIONS} selections.`, { nodes: tooLarge }),
    ];
  }
  return validate(schema, document, [...(rules ?? specifiedRules), ...RULES], {
    maxErrors: MAX_VALIDATION_ERRORS,
  });
}

/** @returns a selection set that is too large, together with the inline fragments in it */
function findTooLarge({ definitions }: DocumentNode): SelectionSetNode | undefined {
  const sets = definitions.flatMap((definition) =>
    'selectionSet' in definition ? definition.selectionSet : [],
  );
  for (let set = sets.pop(); set !== undefined; set = sets.pop()) {
    const selections: SelectionNode[] = [...set.selections];
    // Grows while it is walked.
    for (const selection of selections) {
      if (selection.kind === Kind.INLINE_FRAGMENT) selections.push(...selection.selectionSet.selections);
      else if (selection.kind === Kind.FIELD && selection.selectionSet) sets.push(selection.selectionSet);
    }
    if (selections.length > MAX_SELECTIONS) return set;
  }
  return undefined;
}

/** graphql-js parses brackets by recursion, and the stack ends before the token limit does. */
function assertNotTooNested(query: string): void {
  let depth = 0;
  for (const [bracket] of query.matchAll(/[{}[\]()]/g)) {
    depth += '{[('.includes(bracket) ? 1 : -1;
    if (depth > MAX_NESTING) throw tooNested();
  }
}

function tooNested(): GraphQLError {
  return new GraphQLError(`The query nests brackets deeper than ${MAX_NESTING} levels.`, {
    extensions: { code: 'GRAPHQL_PARSE_FAILED', http: { status: 400 } },
  });
}

/** Memory of the documents kept parsed, enough for a thousand of sixty tokens. */
const MAX_DOCUMENT_BYTES = 24 * 1024 * 1024;
/** Measured on Node 20 for fields, with and without aliases. */
const BYTES_PER_TOKEN = 300;
/** Length of the texts that were seen once, together. */
const MAX_SEEN_LENGTH = 4 * 1024 * 1024;

/**
 * The caches that spare yoga parsing a document again. Yoga's own count documents and not their size, and keep texts that
 * do not parse too: a thousand large ones would take gigabytes. Here a document is kept when it comes a second time, so
 * that documents which come once, as all do of a client that writes values into them, take the place of no others.
 * {@link useOperationLimits} remembers what validation found: yoga would look for it by the names of all rules, which
 * takes as long as all other lookups of a request.
 */
export function createDocumentCaches(): {
  readonly documentCache: {
    get(text: string): DocumentNode | undefined;
    set(text: string, document: DocumentNode): void;
  };
  readonly errorCache: { get(): undefined; set(): void };
  readonly validationCache: false;
} {
  const seen = new LRUCache<string, true>({
    maxSize: MAX_SEEN_LENGTH,
    sizeCalculation: (_, text) => Math.max(1, text.length),
  });
  const kept = new LRUCache<string, DocumentNode>({
    max: 1_000,
    maxSize: MAX_DOCUMENT_BYTES,
    sizeCalculation: bytesOfDocument,
  });
  return {
    documentCache: {
      get: (text) => kept.get(text),
      set(text, document) {
        if (seen.delete(text)) kept.set(text, document);
        else seen.set(text, true);
      },
    },
    errorCache: { get: () => undefined, set: () => undefined },
    validationCache: false,
  };
}

/** The memory of a parsed document and its text. */
function bytesOfDocument(document: DocumentNode, text: string): number {
  return BYTES_PER_TOKEN * tokensOf(document) + 2 * text.length;
}

/** At least one. The parser links the tokens of a document to each other. */
export function tokensOf({ loc }: DocumentNode): number {
  let tokens = 1;
  for (let token = loc?.startToken.next; token; token = token.next) tokens++;
  return tokens;
}
