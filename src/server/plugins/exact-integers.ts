import type { Plugin } from 'graphql-yoga';
import { badUserInput } from '../../graphql/errors.ts';

/** 5,000 representations of four fields each. */
const MAX_VALUES = 20_000;

/**
 * Refuses variables with numbers beyond 2^53. JSON.parse has rounded them, so an id sent as a bare number would
 * silently name another backfill. Ids as strings, or written in the query itself, are exact.
 *
 * The same walk counts the values, because a body holds a hundred thousand of them, and each may cost an error.
 */
export function useExactIntegers(): Plugin {
  return {
    onParams({ params: { variables }, setResult }) {
      const fault = findFault(variables);
      // A result and not a throw, so that the answer has `data: null` like that to any list that is too long.
      if (fault !== undefined) setResult({ data: null, errors: [badUserInput(fault)] });
    },
  };
}

/**
 * Counts scalars and empty lists and objects, so that the limit does not depend on how they are nested. A loop and not
 * a recursion, because a body may nest deeper than the stack.
 */
function findFault(variables: unknown): string | undefined {
  let count = 0;
  const places: { readonly value: unknown; readonly path: string }[] = [{ value: variables, path: '' }];
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { value, path } = place;
    if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
      return `Variable "$${path}" is a number beyond 2^53, which JSON readers round; send it as a string.`;
    }
    const items = typeof value === 'object' && value !== null ? Object.entries(value) : [];
    if (items.length === 0) count++;
    for (const [key, item] of items) {
      // Nearly all values are strings, and need no look.
      if (typeof item === 'string') count++;
      else places.push({ value: item, path: path === '' ? key : `${path}.${key}` });
    }
    // What waits is counted too: a flat list of a hundred thousand numbers is not walked to its twenty thousandth.
    if (count + places.length > MAX_VALUES) {
      return `The variables of a request may hold at most ${MAX_VALUES} values together.`;
    }
  }
  return undefined;
}
