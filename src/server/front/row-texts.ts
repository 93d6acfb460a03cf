import {
  type FragmentDefinitionNode,
  type GraphQLFieldResolver,
  GraphQLSchema,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
} from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';
import type { GatewayContext } from '../../graphql/context.ts';
import type { BackfillParent } from '../../graphql/parents.ts';
import { JsonText } from './json-texts.ts';

/** How much is kept. */
export interface KeptSize {
  readonly entries: number;
  readonly bytes: number;
}

/** What an operation selects of a backfill in one place, compiled. */
export interface RowSelection {
  /** Resolves it, without any read. Throws what a field throws. */
  resolve(backfill: BackfillParent, context: GatewayContext): Readonly<Record<string, unknown>>;
  /** The keys in the answer whose values depend on the time of the answer. */
  readonly moving: ReadonlySet<string>;
}

/** The text of a backfill, in pieces between the places of the value that depends on the time of the answer. */
interface Written {
  readonly pieces: readonly string[];
  /** That value, as it was written last. */
  value: unknown;
  whole: JsonText | undefined;
}

type Moving = GraphQLFieldResolver<BackfillParent, GatewayContext>;

/** Bytes of what is kept beside the characters of a text. */
const OVERHEAD = 300;

/** The texts of one state of a backfill. */
type Texts = Map<RowSelection, Written>;

/**
 * The texts of backfills. A state of a backfill that the cache gives out is an object that never changes, so its text for a
 * selection is made once, however many answers it is in. A text is found by that object alone: who is not given the object
 * does not get the text. The texts do not keep the object, which may be many times as large.
 */
export class RowTexts {
  readonly #schema: GraphQLSchema;
  readonly #byState = new WeakMap<BackfillParent, Texts>();
  /** The oldest go first. States are followed by others every few seconds, so it matters little who was used last. */
  readonly #kept: LRUCache<Texts, true>;
  readonly #moving: Moving | undefined;

  /** @param maxBytes of all texts together */
  constructor(schema: GraphQLSchema, maxBytes: number) {
    const type = schema.getType('Backfill');
    if (!isObjectType(type)) throw new Error('the schema has no type Backfill');
    this.#schema = new GraphQLSchema({ query: type, assumeValid: true });
    this.#moving = type.getFields()['estimatedEndTime']?.resolve as Moving | undefined;
    this.#kept = new LRUCache<Texts, true>({
      maxSize: maxBytes,
      sizeCalculation: (_, texts) => sizeOf(texts),
      dispose(_, texts, reason) {
        if (reason === 'evict') texts.clear();
      },
    });
  }

  /** The states whose texts are kept, and the memory that they take, as estimated. */
  get size(): KeptSize {
    return { entries: this.#kept.size, bytes: this.#kept.calculatedSize };
  }

  /** @returns undefined where it cannot be compiled */
  compile(
    selectionSet: SelectionSetNode,
    fragments: readonly FragmentDefinitionNode[],
    moving: ReadonlySet<string>,
  ): RowSelection | undefined {
    const operation: OperationDefinitionNode = {
      kind: Kind.OPERATION_DEFINITION,
      operation: OperationTypeNode.QUERY,
      selectionSet,
    };
    const document = { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] } as const;
    const compiled = compileQuery(this.#schema, document);
    if (!isCompiledQuery(compiled)) return undefined;
    return {
      moving,
      resolve(backfill, context) {
        const result = compiled.query(backfill, context, {});
        if (result instanceof Promise) throw new Error('a row that has to be waited for');
        const [error] = result.errors ?? [];
        if (error !== undefined) throw error.originalError ?? error;
        return result.data ?? {};
      },
    };
  }

  /** @throws whatever a field throws, which is a bug */
  of(backfill: BackfillParent, selection: RowSelection, context: GatewayContext): JsonText {
    const texts = this.#byState.get(backfill);
    const written = texts?.get(selection) ?? this.#write(backfill, selection, context, texts);
    // Nothing else of a row depends on time, and this is rounded, so that it mostly stays as it was.
    const value: unknown =
      written.pieces.length === 1 ? undefined : this.#moving?.(backfill, {}, context, undefined as never);
    if (written.whole === undefined || written.value !== value) {
      written.value = value;
      written.whole = new JsonText(written.pieces.join(JSON.stringify(value ?? null)));
    }
    return written.whole;
  }

  #write(
    backfill: BackfillParent,
    selection: RowSelection,
    context: GatewayContext,
    texts: Texts = new Map<RowSelection, Written>(),
  ): Written {
    const data = selection.resolve(backfill, context);
    const pieces: string[] = [];
    // Joined, a text is one string. Added up, it would stay a tree of fifty, which every answer would go through.
    let piece = ['{'];
    let separator = '';
    for (const key in data) {
      piece.push(separator, '"', key, '":');
      separator = ',';
      if (selection.moving.has(key)) {
        pieces.push(piece.join(''));
        piece = [];
      } else piece.push(JSON.stringify(data[key]));
    }
    pieces.push([...piece, '}'].join(''));
    const written: Written = { pieces, value: undefined, whole: undefined };
    this.#byState.set(backfill, texts.set(selection, written));
    this.#kept.set(texts, true);
    // It was too large to be kept.
    if (!this.#kept.has(texts)) texts.clear();
    return written;
  }
}

function sizeOf(texts: Texts): number {
  let size = OVERHEAD;
  for (const { pieces } of texts.values()) {
    // A single piece is the whole. More are kept beside the whole, whose value is a time.
    const times = pieces.length > 1 ? 2 : 1;
    for (const piece of pieces) size += times * (piece.length + 100);
  }
  return size;
}
