// Apollo Client 4 for the gateway. In a frontend the import reads 'backfill-gateway-client'.
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { ErrorLink } from '@apollo/client/link/error';
import { RetryLink } from '@apollo/client/link/retry';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import { defer, from, map, mergeMap, type ObservableInput, of, retry, tap, throwError, timer } from 'rxjs';
import { ERROR_CODES, isErrorCode } from '../../../src/graphql/error-codes.ts';

// The options below, for the types of Apollo Client.
declare module '@apollo/client' {
  // eslint-disable-next-line @typescript-eslint/no-namespace -- the library declares them so
  namespace ApolloClient.DeclareDefaultOptions {
    interface WatchQuery {
      errorPolicy: 'all';
    }
    interface Query {
      errorPolicy: 'all';
    }
    interface Mutate {
      errorPolicy: 'all';
    }
  }
}

export interface Caller {
  /** Of the gateway's endpoint, such as `https://backfills.example/graphql`. */
  readonly url: string;
  /** The token at the moment. It is asked for each request and each socket, so it may change at any time. */
  readonly token: () => string | Promise<string>;
}

export function createApolloClient(caller: Caller): ApolloClient {
  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      linkOfStreams(caller),
      linkOfRequests(caller),
    ),
    cache: new InMemoryCache({
      typePolicies: {
        // Ids are unique within a team only: by `id` alone, a transfer of one team would overwrite that of another.
        // So each selection on these types has `id teamId`.
        Transfer: { keyFields: ['teamId', 'id'] },
        Backfill: { keyFields: ['teamId', 'id'] },
        // A list and an event have no id. The newer one replaces the older one, whose rows may have left it.
        BackfillList: { merge: false },
        Subscription: {
          fields: { incompleteBackfillsUpdated: { merge: false }, backfillsUpdated: { merge: false } },
        },
      },
    }),
    defaultOptions: {
      // 'all', because one row that failed would otherwise take the others along.
      // 'cache-and-network', because the cache has no errors: what failed for another query is plain null there.
      watchQuery: { errorPolicy: 'all', fetchPolicy: 'cache-and-network' },
      query: { errorPolicy: 'all', fetchPolicy: 'network-only' },
      mutate: { errorPolicy: 'all' },
    },
  });
}

/** Queries and mutations. */
function linkOfRequests({ url, token }: Caller): ApolloLink {
  return ApolloLink.from([
    // A query whose token was replaced while it was under way is sent once more.
    new ErrorLink(({ error, result, operation, forward }) => {
      if (operation.operationType !== OperationTypeNode.QUERY) return undefined;
      if (result === undefined || codeOf(error) !== 'UNAUTHENTICATED') return undefined;
      const { token: refused } = operation.getContext() as { readonly token?: string };
      return from(Promise.resolve(token())).pipe(
        mergeMap((now) => (now === refused ? of(result) : forward(operation))),
      );
    }),
    // It repeats what got no answer. A mutation may have been done all the same, so it is never repeated.
    new RetryLink({
      delay: { initial: 300, max: 5_000 },
      attempts: { retryIf: (_error, { operationType }) => operationType === OperationTypeNode.QUERY },
    }),
    new SetContextLink(async () => {
      const now = await token();
      return { token: now, headers: { Authorization: `Bearer ${now}` } };
    }),
    new HttpLink({ uri: url }),
  ]);
}

/** Subscriptions, all of them on one WebSocket. */
function linkOfStreams({ url, token }: Caller): ApolloLink {
  /** The token of the socket: `connection_init` has it, so a socket cannot change it. */
  let sent: string | undefined;
  const socket = createClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: async () => {
      sent = await token();
      return { Authorization: `Bearer ${sent}` };
    },
    // Both are needed to come back after a restart: without `shouldRetry` it gives up when nobody listens.
    retryAttempts: Infinity,
    shouldRetry: () => true,
  });

  /** Fulfilled when the stream may be asked for again, rejected with the error when that would not help. */
  function whenToAskAgain(error: unknown, attempt: number): ObservableInput<unknown> {
    const code = codeOf(error);
    if (code === 'UNAUTHENTICATED') {
      const refused = sent;
      return from(Promise.resolve(token())).pipe(
        tap((now) => {
          if (now === refused) throw error;
          // Other streams hold the socket open, and with it the old token.
          if (sent === refused) socket.terminate();
        }),
      );
    }
    const isRetryable = isErrorCode(code) && ERROR_CODES[code].retryable;
    return isRetryable ? timer(Math.min(1_000 * 2 ** attempt, 30_000)) : throwError(() => error);
  }

  const untilItIsOver = new ApolloLink((operation, forward) =>
    defer(() => forward(operation)).pipe(
      // An event with errors and no data is the end of its stream.
      map((event) => {
        if (event.errors !== undefined && !event.data) throw new CombinedGraphQLErrors(event, event.errors);
        return event;
      }),
      retry({ delay: whenToAskAgain, resetOnSuccess: true }),
    ),
  );
  return ApolloLink.from([untilItIsOver, new GraphQLWsLink(socket)]);
}

function codeOf(error: unknown): unknown {
  return CombinedGraphQLErrors.is(error) ? error.errors[0]?.extensions?.['code'] : undefined;
}
