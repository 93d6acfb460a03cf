import { useAPQ } from '@graphql-yoga/plugin-apq';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';

const MAX_DOCUMENTS = 1_000;
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Lets a client send the hash of a query instead of its text, which also makes queries short enough for GET; the text
 * comes along once, when the hash is not known here yet.
 *
 * Whoever reaches the gateway can register texts, with no credential, so what is kept has a limit: the plugin's own
 * store counts documents and not their size, and forgets each after 36 seconds. Here the longest unused go first, and
 * a client whose text went sends it once more.
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
 * To miss is a step of the protocol, not a failure, and so answers 200 in whatever media type, as Apollo Server does:
 * Apollo's client for iOS gives up at any status but 2xx before it reads that it is to send the text.
 */
function withStatus(error: unknown): unknown {
  if (!(error instanceof GraphQLError) || error.extensions['code'] !== 'PERSISTED_QUERY_NOT_FOUND')
    return error;
  return new GraphQLError(error.message, { extensions: { ...error.extensions, http: { status: 200 } } });
}
