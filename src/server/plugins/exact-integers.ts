import type { Plugin } from 'graphql-yoga';
import { badUserInput } from '../../graphql/errors.ts';

/**
 * JSON integers beyond 2^53 are rounded by the time anyone sees them, so an id sent as a bare number would silently
 * name another backfill. They are refused; as strings, or written in the query itself, they are exact.
 */
export function useExactIntegers(): Plugin {
  return {
    onParams({ params: { variables } }) {
      const path = findUnsafe(variables);
      if (path !== undefined) {
        throw badUserInput(
          `Variable "$${path}" is a number beyond 2^53, which JSON readers round; send it as a string.`,
        );
      }
    },
  };
}

/** The dotted path of the first such number. Not by recursion: a body may nest deeper than the stack. */
function findUnsafe(variables: unknown): string | undefined {
  const places: { readonly value: unknown; readonly path: string }[] = [{ value: variables, path: '' }];
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { value, path } = place;
    if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) return path;
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, item] of Object.entries(value)) {
      // Strings, which nearly all values are, need no place.
      if (typeof item === 'string') continue;
      places.push({ value: item, path: path === '' ? key : `${path}.${key}` });
    }
  }
  return undefined;
}
