// What rowState of ../row-state.ts needs. In a frontend the import reads 'backfill-gateway-client'.
import {
  type AnyVariables,
  type Client,
  type CombinedError,
  createRequest,
  type OperationResult,
  type TypedDocumentNode,
} from '@urql/core';
import { type ErrorCode, type GatewayError, isGatewayError } from '../../../src/graphql/error-codes.ts';
import type { Answer } from '../client.ts';

/**
 * Watches a query: as its answers come, and as anything changes in the cache, such as by an event of a subscription.
 * urql does not poll by itself, so this asks the network again.
 * @param show gets undefined before the first answer
 * @returns stops it
 */
export function watchAnswer<Data, Variables extends AnyVariables>(
  client: Client,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  pollMs: number,
  show: (answer: Answer<Data> | undefined) => void,
): () => void {
  show(undefined);
  const request = createRequest(document, variables);
  const operation = client.createRequestOperation('query', request, { requestPolicy: 'network-only' });
  const { unsubscribe } = client.executeQuery(request).subscribe((result) => {
    // Where no answer came, as at a restart, `data` is gone: what is on the page stays until the next poll.
    if (result.error?.networkError === undefined) show(answerOf(result));
  });
  const polling = setInterval(() => client.reexecuteOperation(operation), pollMs);
  return () => {
    clearInterval(polling);
    unsubscribe();
  };
}

function answerOf<Data, Variables extends AnyVariables>({
  data,
  error,
}: OperationResult<Data, Variables>): Answer<Data> {
  return { data: data ?? null, errors: (error?.graphQLErrors ?? []).map(gatewayError) };
}

/** The code of a mutation's error. One that got no answer at all may have been done, too. */
export function codeOfFailure(error: CombinedError | undefined): ErrorCode {
  const [first] = (error?.graphQLErrors ?? []).map(gatewayError);
  return first?.extensions.code ?? 'OUTCOME_UNKNOWN';
}

/** A router's or proxy's own error has no code of the table. */
function gatewayError(error: { readonly message: string }): GatewayError {
  return isGatewayError(error)
    ? error
    : { message: error.message, extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}
