import type { Plugin } from 'graphql-yoga';
import { badUserInput } from '../../graphql/errors.ts';

/** 5,000 representations of four fields each. There may be as many lists and objects besides. */
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

/** Counts lists and objects apart from what is in them, so that neither long nor deep variables pass. */
export function findFault(variables: unknown): string | undefined {
  let values = 0;
  // The variables themselves are no value of theirs.
  let containers = -1;
  let holdsUnsafe = false;
  // A loop and not a recursion, because a body may nest deeper than the stack.
  const waiting: unknown[] = [variables];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value === 'object' && value !== null) {
      const items: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
      containers++;
      // What waits is counted too: a flat list of a hundred thousand is not walked at all.
      if (containers > MAX_VALUES || values + waiting.length + items.length > 2 * MAX_VALUES) return TOO_MANY;
      for (const item of items) {
        // Nearly all values are strings, and need no look.
        if (typeof item === 'string') values++;
        else waiting.push(item);
      }
    } else {
      values++;
      if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) holdsUnsafe = true;
    }
    if (values > MAX_VALUES) return TOO_MANY;
  }
  return holdsUnsafe
    ? `Variable "$${pathOfUnsafe(variables)}" is a number beyond 2^53, which JSON readers round; send it as a string.`
    : undefined;
}

const TOO_MANY = `The variables of a request may hold at most ${MAX_VALUES} values together, and as many lists and objects.`;

function pathOfUnsafe(variables: unknown): string {
  const waiting: { readonly value: unknown; readonly path: string }[] = [{ value: variables, path: '' }];
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    const { value, path } = place;
    if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) return path;
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, item] of Object.entries(value)) {
      waiting.push({ value: item, path: path === '' ? key : `${path}.${key}` });
    }
  }
  return '';
}
