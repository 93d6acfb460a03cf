import { FailedField } from '../../graphql/failed-field.ts';
import { isOfField } from '../../graphql/errors.ts';

interface Placed {
  readonly error: unknown;
  readonly path: readonly (string | number)[];
  /** Where the field stands in the document. */
  readonly position: number;
}

/**
 * The errors in the order of their places in the answer. Execution has them in the order in which the fields ended, which
 * depends on the upstream.
 * @param data of the answer; null or absent where a field that failed has taken everything with it
 */
export function inOrderOfAnswer(errors: readonly unknown[], data: unknown): readonly unknown[] {
  if (errors.length < 2) return errors;
  const placed = errors.map(placeOf);
  const roots = isObject(data) ? Object.keys(data) : rootsOf(placed);
  return placed.sort((a, b) => compare(a.path, b.path, data, roots)).map(({ error }) => error);
}

function placeOf(error: unknown): Placed {
  if (!isOfField(error)) return { error, path: [], position: 0 };
  const { path = [], nodes } = error;
  const { locations = [] } = error instanceof FailedField ? {} : error;
  const [{ line, column } = { line: 0, column: 0 }] = locations;
  const [{ loc } = {}] = nodes ?? [];
  const token = loc?.startToken;
  return { error, path, position: (token?.line ?? line) * LINE + (token?.column ?? column) };
}

/** Longer than any line. */
const LINE = 2 ** 20;

function rootsOf(placed: readonly Placed[]): readonly string[] {
  const firsts = new Map<string, number>();
  for (const { path, position } of placed) {
    const root = String(path[0]);
    firsts.set(root, Math.min(position, firsts.get(root) ?? Infinity));
  }
  return [...firsts].sort(([, a], [, b]) => a - b).map(([root]) => root);
}

/** Zero where the answer has neither of the two places. */
function compare(a: Placed['path'], b: Placed['path'], data: unknown, roots: readonly string[]): number {
  let keys = roots;
  let at = data;
  for (let depth = 0; depth < a.length && depth < b.length; depth++) {
    const own = a[depth] ?? 0;
    const other = b[depth] ?? 0;
    if (own !== other) {
      if (typeof own === 'number' && typeof other === 'number') return own - other;
      return keys.indexOf(String(own)) - keys.indexOf(String(other));
    }
    at = isObject(at) ? at[own] : undefined;
    keys = isObject(at) && !Array.isArray(at) ? Object.keys(at) : [];
  }
  return a.length - b.length;
}

function isObject(value: unknown): value is Readonly<Record<string | number, unknown>> {
  return typeof value === 'object' && value !== null;
}
