import { useAPQ } from '@graphql-yoga/plugin-apq';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';

const MAX_DOCUMENTS = 1_000;
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Lets a client send the hash of a query instead of its text, which also makes queries short enough for GET. The client
 * sends the text too when the gateway does not know the hash.
 *
 * Anybody who reaches the gateway can register texts, without a credential, so the store is limited by size. The
 * plugin's own store counts documents and not their size, and forgets each after 36 seconds. This one evicts the least
 * recently used, and a client whose text is gone sends it again.
 */
export function useAutomaticPersistedQueries(): Plugin {
  const { onParams } = useAPQ({
    store: new LRUCache<string, string>({
      max: MAX_DOCUMENTS,
      maxSize: MAX_BYTES,
      // A character takes two bytes in memory at most.
      sizeCalculation: (text, hash) => 2 * (text.length + hash.length),
    }),
  });

  return {
    onParams(payload) {
      if (payload.params.extensions?.['persistedQuery'] === undefined) return undefined;
      return Promise.resolve(onParams?.(payload)).catch((error: unknown) => {
        throw withStatus(error);
      });
    },
  };
}

/**
 * An unknown hash is a step of the protocol and no failure, so it answers 200 in any media type, as Apollo Server does:
 * Apollo's client for iOS gives up at any status but 2xx, before it reads that it should send the text.
 */
function withStatus(error: unknown): unknown {
  if (!(error instanceof GraphQLError) || error.extensions['code'] !== 'PERSISTED_QUERY_NOT_FOUND')
    return error;
  return new GraphQLError(error.message, { extensions: { ...error.extensions, http: { status: 200 } } });
}
