// Queries and mutations by one `fetch` each. In a frontend the import reads 'backfill-gateway-client'.
import { type GatewayError, isGatewayError } from '../../src/graphql/error-codes.ts';
import type { TypedDocumentString } from './generated/graphql.ts';

/** Fields that failed are null in `data` and have an error with their `path`; the others are there all the same. */
export interface Answer<Data> {
  readonly data: Data | null;
  readonly errors: readonly GatewayError[];
}

export interface FetchedAnswer<Data> extends Answer<Data> {
  /** How long the gateway would answer the same, by `Cache-Control`; 0 where it does not say. */
  readonly freshForMs: number;
}

export type Ask = <Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: NoInfer<Variables>,
) => Promise<FetchedAnswer<Data>>;

type RequestHeaders = Readonly<Record<string, string>>;

/** @param headers asked for each request, so that a token may change at any time */
export function createClient(url: string, headers: () => RequestHeaders | Promise<RequestHeaders>): Ask {
  return async <Data, Variables>(
    document: TypedDocumentString<Data, Variables>,
    variables: NoInfer<Variables>,
  ) => {
    const body = JSON.stringify({ query: document.toString(), variables });
    const first = await headers();
    const answer = await post<Data>(url, first, body);
    if (!answer.errors.some(({ extensions }) => extensions.code === 'UNAUTHENTICATED')) return answer;
    // Refused with a token that has been replaced meanwhile: nothing was done, so it is sent once more.
    const now = await headers();
    return now['Authorization'] === first['Authorization'] ? answer : post<Data>(url, now, body);
  };
}

/** @throws {Error} where no answer came, or not one of the gateway: a mutation may have been done all the same */
async function post<Data>(url: string, headers: RequestHeaders, body: string): Promise<FetchedAnswer<Data>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json', ...headers },
    body,
  });
  const { data = null, errors = [] } = (await response.json()) as Body<Data>;
  // A router's or proxy's own error, or a code that is newer than this client.
  if (!errors.every(isGatewayError)) throw new Error(`HTTP ${response.status}: ${JSON.stringify(errors)}`);
  const [, maxAge = '0'] = /\bmax-age=(\d+)/.exec(response.headers.get('Cache-Control') ?? '') ?? [];
  return { data, errors, freshForMs: Number(maxAge) * 1_000 };
}

interface Body<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly unknown[];
}
