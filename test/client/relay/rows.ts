// What a page does with the environment where it has no React. In a frontend the import reads 'backfill-gateway-client'.
import {
  commitMutation,
  createOperationDescriptor,
  type Environment,
  fetchQuery,
  getRequest,
  type GraphQLTaggedNode,
  type MutationParameters,
  type OperationType,
  type Result,
} from 'relay-runtime';
import { ERROR_CODES, type ErrorCode, isGatewayError } from '../../../src/graphql/error-codes.ts';
import type { RowState } from '../row-state.ts';

/** What a query has: what the store knows, and why the last answer had nothing. */
export interface Known<Data> {
  /** Undefined before the first answer. */
  readonly data: Data | undefined;
  readonly failure: ErrorCode | undefined;
}

/**
 * Asks now and every `pollMs` after an answer, and tells what the store knows at each change of it: by answers, by events
 * of subscriptions, and by mutations.
 * @returns what ends it
 */
export function watch<Query extends OperationType>(
  environment: Environment,
  query: GraphQLTaggedNode,
  variables: Query['variables'],
  pollMs: number,
  show: (known: Known<Query['response']>) => void,
): () => void {
  const operation = createOperationDescriptor(getRequest(query), variables);
  let failure: ErrorCode | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asked = { unsubscribe: (): void => undefined };
  // What nobody retains is swept out of the store.
  const retained = environment.retain(operation);
  let latest = environment.lookup(operation.fragment);
  const watched = environment.subscribe(latest, (snapshot) => {
    latest = snapshot;
    tell();
  });

  function tell(): void {
    const data = latest.isMissingData ? undefined : (latest.data as Query['response']);
    show({ data, failure });
  }

  function ask(): void {
    const again = (): void => {
      tell();
      timer = setTimeout(ask, pollMs);
    };
    asked = fetchQuery<Query>(environment, query, variables, { fetchPolicy: 'network-only' }).subscribe({
      next: () => (failure = undefined),
      // With no answer at all the rows stay as they are.
      error: (error: Error) => {
        failure = codesOf(error)[0] ?? failure;
        again();
      },
      complete: again,
    });
  }

  tell();
  ask();
  return () => {
    clearTimeout(timer);
    asked.unsubscribe();
    watched.dispose();
    retained.dispose();
  };
}

/** The state of a field that the operation reads with `@catch(to: RESULT)`. */
export function resultState<Row extends { readonly isStale: boolean }>(
  result: Result<Row | null | undefined, unknown> | undefined,
  failure?: ErrorCode,
): RowState<Row> {
  if (result === undefined) return failure === undefined ? { kind: 'loading' } : failed(failure);
  // A router's own error has no code of the table.
  if (!result.ok)
    return failed(result.errors.find(isGatewayError)?.extensions.code ?? 'INTERNAL_SERVER_ERROR');
  const { value: row } = result;
  if (row === null || row === undefined) return { kind: 'never run' };
  return { kind: row.isStale ? 'stale' : 'known', row };
}

function failed(code: ErrorCode): RowState<never> {
  return { kind: 'failed', code, retryable: ERROR_CODES[code].retryable };
}

/**
 * Sends a mutation once.
 * @throws {MutationFailure} where it failed, or may have been done
 */
export function mutate<Mutation extends MutationParameters>(
  environment: Environment,
  mutation: GraphQLTaggedNode,
  variables: Mutation['variables'],
): Promise<Mutation['response']> {
  return new Promise((resolve, reject) => {
    commitMutation<Mutation>(environment, {
      mutation,
      variables,
      onCompleted: (response, errors) => {
        const [code] = codesOf({ errors });
        if (code === undefined) resolve(response);
        else reject(new MutationFailure(code));
      },
      // No answer came at all, and it may have been done all the same.
      onError: (error) => reject(new MutationFailure(codesOf(error)[0] ?? 'OUTCOME_UNKNOWN')),
    });
  });
}

export class MutationFailure extends Error {
  override readonly name = 'MutationFailure';
  readonly code: ErrorCode;

  constructor(code: ErrorCode) {
    super(ERROR_CODES[code].meaning);
    this.code = code;
  }
}

/** The codes of what Relay hands out: an answer's `errors`, the error of an answer with no data, a stream's error. */
export function codesOf(error: object): readonly ErrorCode[] {
  const { errors, source } = error as {
    readonly errors?: unknown;
    readonly source?: { readonly errors?: unknown };
  };
  const all = [error, errors ?? [], source?.errors ?? []].flat() as readonly unknown[];
  return all.filter(isGatewayError).map(({ extensions }) => extensions.code);
}
