import type { Plugin } from 'graphql-yoga';
import { badUserInput } from '../../graphql/errors.ts';

/**
 * Refuses variables with numbers beyond 2^53. JSON.parse has rounded them, so an id sent as a bare number would
 * silently name another backfill. Ids as strings, or written in the query itself, are exact.
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

/** The dotted path of such a number. A loop and not a recursion, because a body may nest deeper than the stack. */
function findUnsafe(variables: unknown): string | undefined {
  const places: { readonly value: unknown; readonly path: string }[] = [{ value: variables, path: '' }];
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { value, path } = place;
    if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) return path;
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, item] of Object.entries(value)) {
      // Nearly all values are strings, and need no check.
      if (typeof item === 'string') continue;
      places.push({ value: item, path: path === '' ? key : `${path}.${key}` });
    }
  }
  return undefined;
}
