import {
  defaultExtractPersistedOperationId,
  usePersistedOperations,
} from '@graphql-yoga/plugin-persisted-operations';
import { GraphQLError, type GraphQLSchema, parse, validate } from 'graphql';
import type { GraphQLParams, Plugin } from 'graphql-yoga';

/** Query texts by the ids that clients send instead of them. */
export type TrustedDocuments = ReadonlyMap<string, string>;

/**
 * Runs the listed documents and nothing else, so that nobody can ask with a frontend's credential what the frontend
 * never asks. There are no exceptions, not even introspection and a router's fields: `_entities` alone reaches
 * everything, and an open `_entities` would defeat the list.
 */
export function useTrustedDocuments(documents: TrustedDocuments): Plugin {
  const texts = new Set(documents.values());

  return {
    onPluginInit({ addPlugin }) {
      addPlugin(
        usePersistedOperations({
          // The protocol of WebSockets cannot send an id alone. A text that is not in the list fails in onParse.
          allowArbitraryOperations: ({ url }) => url.startsWith('ws:'),
          getPersistedOperation: (id) => documents.get(id) ?? null,
          extractPersistedOperationId: (params, request) =>
            documentIdOf(params, request) ?? defaultExtractPersistedOperationId(params, request, {}),
          customErrors: { notFound: notInList, keyNotFound: idRequired, persistedQueryOnly: idRequired },
        }),
      );
    },

    // The plugin checks the parameters of HTTP requests only. A text that comes any other way is refused here.
    onParse({ params }) {
      const source: unknown = params.source;
      if (typeof source !== 'string' || !texts.has(source)) throw idRequired();
    },
  };
}

/** @returns a line for each document that cannot run against this schema: its id and the first fault */
export function findInvalidDocuments(schema: GraphQLSchema, documents: TrustedDocuments): readonly string[] {
  return [...documents].flatMap(([id, text]) => {
    const fault = faultOf(schema, text);
    return fault === undefined ? [] : [`document ${JSON.stringify(id)}: ${fault}`];
  });
}

function faultOf(schema: GraphQLSchema, text: string): string | undefined {
  try {
    return validate(schema, parse(text))[0]?.message;
  } catch (error) {
    if (error instanceof GraphQLError) return error.message;
    throw error;
  }
}

/** Yoga does not know `documentId`: it leaves one in a body as it came, and one in a URL has to be read here. */
function documentIdOf(
  params: GraphQLParams & { documentId?: unknown },
  request: Request,
): string | undefined {
  const id =
    request.method === 'GET'
      ? new URLSearchParams(request.url.slice(request.url.indexOf('?') + 1)).get('documentId')
      : params.documentId;
  return typeof id === 'string' && id !== '' ? id : undefined;
}

/**
 * The code is not `PersistedQueryNotFound`, because clients would then send the text in vain. The status is 403 and not
 * 400, because older Apollo clients would take a 400 for a server without persisted queries and send only texts.
 */
function notInList(): GraphQLError {
  return refusal(
    'PERSISTED_QUERY_NOT_IN_LIST',
    'This gateway runs trusted documents only, and none of them has this id.',
  );
}

function idRequired(): GraphQLError {
  return refusal(
    'PERSISTED_QUERY_ID_REQUIRED',
    'This gateway runs trusted documents only: send the id of one of them, and no query text.',
  );
}

function refusal(code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status: 403 } } });
}
