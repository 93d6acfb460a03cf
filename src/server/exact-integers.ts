import type { Plugin } from 'graphql-yoga';
import { badUserInput } from '../graphql/errors.ts';

/**
 * JSON integers beyond 2^53 are rounded by the time anyone sees them, so an id sent as a bare number would silently
 * name another backfill. They are refused; as strings, or written in the query itself, they are exact.
 */
export function useExactIntegers(): Plugin {
  return {
    onParams({ params: { variables } }) {
      const path = variables && findUnsafe(variables, []);
      if (path) {
        throw badUserInput(
          `Variable "$${path.join('.')}" is a number beyond 2^53, which JSON readers round; send it as a string.`,
        );
      }
    },
  };
}

function findUnsafe(value: unknown, path: readonly string[]): readonly string[] | undefined {
  if (typeof value === 'number') return Math.abs(value) > Number.MAX_SAFE_INTEGER ? path : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, item] of Object.entries(value)) {
    const found = findUnsafe(item, [...path, key]);
    if (found) return found;
  }
  return undefined;
}
