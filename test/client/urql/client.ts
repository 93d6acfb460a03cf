// urql for the gateway. In a frontend the import reads 'backfill-gateway-client'.
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { cacheExchange, type KeyGenerator } from '@urql/exchange-graphcache';
import { isGatewayError } from '../../../src/graphql/error-codes.ts';
import { createStreams } from './streams.ts';

export interface Caller {
  /** Of the gateway's endpoint, such as `https://backfills.example/graphql`. */
  readonly url: string;
  /** The token at the moment. It is asked for each request and each stream, so it may change at any time. */
  readonly token: () => string | Promise<string>;
}

export function createUrqlClient(caller: Caller): Client {
  const { url } = caller;
  return new Client({
    url,
    // Sends the token that holds at the moment. `fetchOptions` cannot wait for one.
    fetch: (input, init) => fetchWithToken(caller, input, init),
    preferGetMethod: false,
    // Cached rows at once, and then those of the network.
    requestPolicy: 'cache-and-network',
    exchanges: [
      cacheExchange({
        keys: {
          // Ids are unique within a team only: by `id` alone, a transfer of one team would overwrite that of another.
          // So each selection on these types has `id teamId`.
          Transfer: keyWithinTeam,
          Backfill: keyWithinTeam,
          // These have no id.
          BackfillList: () => null,
          BackfillRunError: () => null,
        },
      }),
      // There is no retryExchange, since it repeats mutations too unless its `retryIf` excepts them.
      subscriptionExchange({ forwardSubscription: createStreams(caller) }),
      fetchExchange,
    ],
  });
}

const keyWithinTeam: KeyGenerator = ({ teamId, id }) => `${teamId as string}:${id as string}`;

/** A query whose token was replaced while it was under way is sent once more. Mutations are never sent twice. */
async function fetchWithToken(
  { token }: Caller,
  input: Parameters<typeof fetch>[0],
  init: RequestInit = {},
): Promise<Response> {
  const send = (with_: string): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set('Authorization', `Bearer ${with_}`);
    return fetch(input, { ...init, headers });
  };
  const used = await token();
  const response = await send(used);
  const mayRepeat = typeof init.body === 'string' && !/\bmutation\b/.test(init.body);
  if (!mayRepeat || !(await isRefused(response.clone()))) return response;
  const now = await token();
  return now === used ? response : send(now);
}

async function isRefused(response: Response): Promise<boolean> {
  const { errors = [] } = (await response.json().catch(() => ({}))) as {
    readonly errors?: readonly unknown[];
  };
  return errors.some((error) => isGatewayError(error) && error.extensions.code === 'UNAUTHENTICATED');
}
