// What a frontend shows in one row of a page. In a frontend the import reads 'backfill-gateway-client'.
import { ERROR_CODES, type ErrorCode, type GatewayError } from '../../src/graphql/error-codes.ts';
import type { Answer } from './client.ts';

export type RowState<Row> =
  /** No answer has come yet, or the one that came did not ask for this row. */
  | { readonly kind: 'loading' }
  | { readonly kind: 'known'; readonly row: Row }
  /** The last word of a REST API that cannot be asked: show it, and say so. */
  | { readonly kind: 'stale'; readonly row: Row }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly retryable: boolean;
      readonly retryAfterSeconds?: number;
    }
  /** There is none: the transfer never had a backfill. */
  | { readonly kind: 'never run' };

type Path = readonly (string | number)[];

/** The value at a path of `data`; null where there is no such field. */
type At<Value, Steps extends Path> = Steps extends readonly [infer Step, ...infer Rest extends Path]
  ? NonNullable<Value> extends readonly (infer Item)[]
    ? At<Item, Rest>
    : Step extends keyof NonNullable<Value>
      ? At<NonNullable<Value>[Step], Rest>
      : null
  : NonNullable<Value>;

/**
 * Tells the state of one row by `data`, and by `path` and `code` of the errors.
 * @param answer undefined until one has come
 * @param path of the row in `data`, such as `['transfers', 3, 'latestBackfill']`, with the aliases of the operation.
 *   The operation asks for `isStale` there.
 */
export function rowState<Data, const Steps extends Path>(
  answer: Answer<Data> | undefined,
  path: At<Data, Steps> extends { readonly isStale: boolean } ? Steps : never,
): RowState<At<Data, Steps>> {
  if (answer === undefined) return { kind: 'loading' };
  let value: unknown = answer.data;
  let depth = 0;
  for (; depth < path.length && value !== null && value !== undefined; depth++) {
    value = (value as Readonly<Record<string | number, unknown>>)[path[depth] ?? ''];
  }
  if (value === undefined) return { kind: 'loading' };
  if (value !== null) {
    const row = value as At<Data, Steps> & { readonly isStale: boolean };
    return { kind: row.isStale ? 'stale' : 'known', row };
  }
  // A field that may not be null takes the one around it along, so the error may be about more or about a part.
  const error = answer.errors.find(({ path: failed }) => isWithin(failed, path.slice(0, depth)));
  if (error !== undefined) return { kind: 'failed', ...failureOf(error, answer.errors) };
  return depth === 0 ? { kind: 'loading' } : { kind: 'never run' };
}

/**
 * Whether a failed field is at a place or below it. Some routers leave the indices of lists out of the path: then all
 * nulls of that field count as failed, because one that failed must not pass for one that never ran.
 */
function isWithin(failed: Path = [], place: Path): boolean {
  const steps = failed.some(isIndex) ? place : place.filter((step) => !isIndex(step));
  return steps.every((step, n) => step === failed[n]);
}

function isIndex(step: string | number): step is number {
  return typeof step === 'number';
}

/** The repeats of one failure say no more than their code, and some routers keep nothing else of any error. */
function failureOf({ extensions: { code } }: GatewayError, errors: readonly GatewayError[]) {
  const { retryable } = ERROR_CODES[code];
  const told = errors.find(
    ({ extensions }) => extensions.code === code && extensions.retryAfterSeconds !== undefined,
  );
  const retryAfterSeconds = told?.extensions.retryAfterSeconds;
  return { code, retryable, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) };
}
