// The whole client. In a frontend the import reads 'backfill-gateway-client'.
import { type GatewayError, isGatewayError } from '../../src/graphql/error-codes.ts';
import type { TypedDocumentString } from './generated/graphql.ts';

/** Fields that failed are null in `data` and have an error with their `path`; the others are there all the same. */
export interface Answer<Data> {
  readonly data: Data | null;
  readonly errors: readonly GatewayError[];
}

export type Ask = <Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: NoInfer<Variables>,
) => Promise<Answer<Data>>;

export function createClient(url: string, headers: () => Readonly<Record<string, string>>): Ask {
  return async <Data, Variables>(
    document: TypedDocumentString<Data, Variables>,
    variables: NoInfer<Variables>,
  ) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json', ...headers() },
      body: JSON.stringify({ query: document.toString(), variables }),
    });
    const { data = null, errors = [] } = (await response.json()) as Body<Data>;
    // A router's or proxy's own error, or a code that is newer than this client.
    if (!errors.every(isGatewayError)) throw new Error(`HTTP ${response.status}: ${JSON.stringify(errors)}`);
    return { data, errors };
  };
}

interface Body<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly unknown[];
}
