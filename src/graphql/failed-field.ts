import { type FieldNode, type GraphQLResolveInfo, responsePathAsArray } from 'graphql';

/**
 * What went wrong with a field, at its place in the answer.
 *
 * Execution makes a `GraphQLError` of all else that a resolver throws, and takes two stacks for it, the asynchronous one
 * included. That is 30 microseconds of work, and an answer may hold thousands of errors. What has a path, execution
 * leaves as it is.
 */
export class FailedField extends Error {
  override readonly name = 'FailedField';
  /** Compiled queries read the stack of whatever fails, which has V8 write it out. */
  override readonly stack = '';
  readonly path: readonly (string | number)[];
  readonly nodes: readonly FieldNode[];
  /** What was thrown. */
  readonly thrown: unknown;

  private constructor(thrown: unknown, path: readonly (string | number)[], nodes: readonly FieldNode[]) {
    super('a field failed');
    this.path = path;
    this.nodes = nodes;
    this.thrown = thrown;
  }

  /** @param index of the item, where the field is a list of which only one item failed */
  static at({ path, fieldNodes }: GraphQLResolveInfo, thrown: unknown, index?: number): FailedField {
    const place = responsePathAsArray(path);
    if (index !== undefined) place.push(index);
    return withoutStack(() => new FailedField(thrown, place, fieldNodes));
  }
}

/** Makes an error that is no bug, and needs no stack. */
export function withoutStack<Made extends Error>(make: () => Made): Made {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
