// Relay for the gateway: the environment that a frontend gives to <RelayEnvironmentProvider>.
// In a frontend the import reads 'backfill-gateway-client'.
import {
  Environment,
  type FetchFunction,
  type GraphQLResponse,
  Network,
  Observable,
  RecordSource,
  Store,
  type SubscribeFunction,
} from 'relay-runtime';
import { isGatewayError } from '../../../src/graphql/error-codes.ts';
import { type Caller, createSocket } from '../socket.ts';

export function createRelayEnvironment(caller: Caller): Environment {
  return new Environment({
    network: Network.create(createFetch(caller), createSubscribe(caller)),
    store: new Store(new RecordSource()),
    getDataID,
  });
}

/**
 * The key of a record in the store. Relay takes `id` alone, by which transfer 5, backfill 5 and both of another team are
 * one record. The compiler adds `id` to every selection, but not `teamId`: each selection has to name it.
 */
export function getDataID(fieldValue: unknown, typename: string): string | undefined {
  if (typename !== 'Transfer' && typename !== 'Backfill') return undefined;
  const { id, teamId } = fieldValue as { readonly id?: string; readonly teamId?: string };
  if (id === undefined || teamId === undefined) {
    throw new Error(`A selection on ${typename} lacks "teamId": without it, rows of two teams would be one.`);
  }
  return `${typename}:${teamId}:${id}`;
}

/** Queries and mutations. */
function createFetch({ url, token }: Caller): FetchFunction {
  async function post(query: string, variables: object, withToken: string): Promise<GraphQLResponse> {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/json',
        Authorization: `Bearer ${withToken}`,
      },
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as GraphQLResponse;
  }

  return async ({ text }, variables) => {
    const first = await token();
    const answer = await post(text ?? '', variables, first);
    if (!isRefused(answer)) return answer;
    // Refused with a token that has been replaced meanwhile: nothing was done, so it is sent once more.
    const now = await token();
    return now === first ? answer : post(text ?? '', variables, now);
  };
}

function isRefused(answer: GraphQLResponse): boolean {
  const errors = [answer].flat().flatMap((part) => ('errors' in part ? (part.errors ?? []) : []));
  return errors.some((error) => isGatewayError(error) && error.extensions.code === 'UNAUTHENTICATED');
}

/** Subscriptions. */
function createSubscribe(caller: Caller): SubscribeFunction {
  const subscribe = createSocket(caller);
  return ({ text }, variables) =>
    Observable.create<GraphQLResponse>((sink) =>
      subscribe(
        { query: text ?? '', variables },
        {
          next: (event) => sink.next(event as GraphQLResponse),
          error: (error) => sink.error(error as Error),
          complete: () => sink.complete(),
        },
      ),
    );
}
