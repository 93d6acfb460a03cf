import {
  defaultExtractPersistedOperationId,
  usePersistedOperations,
} from '@graphql-yoga/plugin-persisted-operations';
import { GraphQLError, type GraphQLSchema, parse, validate } from 'graphql';
import type { GraphQLParams, Plugin } from 'graphql-yoga';

/** Query texts by the id that clients send instead. */
export type TrustedDocuments = ReadonlyMap<string, string>;

/**
 * Runs the listed documents and nothing else, so that what a frontend never asks nobody can ask with its credential.
 * There are no exceptions, introspection and `_service` included: `_entities` alone reaches all there is, and with it
 * open the list would close nothing.
 */
export function useTrustedDocuments(documents: TrustedDocuments): Plugin {
  const texts = new Set(documents.values());

  return {
    onPluginInit({ addPlugin }) {
      addPlugin(
        usePersistedOperations({
          // The protocol of WebSockets has no place for an id alone. What is not in the list fails below.
          allowArbitraryOperations: ({ url }) => url.startsWith('ws:'),
          getPersistedOperation: (id) => documents.get(id) ?? null,
          extractPersistedOperationId: (params, request) =>
            documentIdOf(params, request) ?? defaultExtractPersistedOperationId(params, request, {}),
          customErrors: { notFound: notInList, keyNotFound: idRequired, persistedQueryOnly: idRequired },
        }),
      );
    },

    // Ids are read from the parameters of HTTP requests alone. Whatever way else a text comes, it is refused here.
    onParse({ params }) {
      const source: unknown = params.source;
      if (typeof source !== 'string' || !texts.has(source)) throw idRequired();
    },
  };
}

/** What is wrong with each document that could not run against this schema. */
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

/** Yoga knows no `documentId`: it is left in a body as it came, and has to be read from a URL here. */
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
 * Not `PersistedQueryNotFound`, at which clients send the text, in vain. And 403, not 400, at which older Apollo
 * clients take the server for one without persisted queries and send nothing but texts from then on.
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
