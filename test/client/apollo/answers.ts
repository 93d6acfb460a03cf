// What rowState of ../row-state.ts needs. In a frontend the import reads 'backfill-gateway-client'.
import { type ApolloClient, CombinedGraphQLErrors, type OperationVariables } from '@apollo/client';
import { map, type Observable, scan } from 'rxjs';
import { type ErrorCode, type GatewayError, isGatewayError } from '../../../src/graphql/error-codes.ts';
import type { Answer } from '../client.ts';

/**
 * Watches a query, with the errors of its latest answer. Apollo forgets them as soon as anything in the cache changes,
 * such as by an event of a subscription, and a row that failed would then look like one that never ran.
 */
export function watchAnswer<Data, Variables extends OperationVariables>(
  client: ApolloClient,
  options: ApolloClient.WatchQueryOptions<Data, Variables>,
): Observable<Answer<Data> | undefined> {
  return client.watchQuery<Data, Variables>(options).pipe(
    scan(
      (before: { readonly answer?: Answer<Data>; readonly isAsking: boolean }, { data, error, loading }) => {
        // What is not loading any more is the network's answer. Everything else comes from the cache.
        const isAnswer = before.isAsking && !loading;
        const errors = CombinedGraphQLErrors.is(error)
          ? error.errors.map(gatewayError)
          : isAnswer && error === undefined
            ? []
            : (before.answer?.errors ?? []);
        const isEmpty = data === undefined && errors.length === 0;
        const answer: Answer<Data> = { data: (data ?? null) as Data | null, errors };
        return { ...(isEmpty ? {} : { answer }), isAsking: loading };
      },
      { isAsking: true },
    ),
    map(({ answer }) => answer),
  );
}

/** The code of a mutation's error. One that got no answer at all may have been done, too. */
export function codeOfFailure(error: unknown): ErrorCode {
  if (!CombinedGraphQLErrors.is(error)) return 'OUTCOME_UNKNOWN';
  const [first] = error.errors.map(gatewayError);
  return first?.extensions.code ?? 'INTERNAL_SERVER_ERROR';
}

/** A router's or proxy's own error has no code of the table. */
function gatewayError(error: { readonly message: string }): GatewayError {
  return isGatewayError(error) ? error : { ...error, extensions: { code: 'INTERNAL_SERVER_ERROR' } };
}
