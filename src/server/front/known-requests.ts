import type { IncomingMessage } from 'node:http';
import { isJson, isTooDeep } from '../plugins/json-requests.ts';

/** An operation as a request of known shape gives it. */
export interface Asked {
  /** The text of the document. Undefined where the request names a trusted document. */
  readonly query: string | undefined;
  readonly documentId: string | undefined;
  readonly operationName: string | undefined;
  readonly variables: Readonly<Record<string, unknown>>;
}

/**
 * The media type of the answer, where the request has the shape of nearly all: JSON in a POST, or a GET, that asks for JSON
 * and for no cost. Yoga reads `Accept` in the same way.
 */
export function mediaTypeOf({ method, headers }: IncomingMessage): string | undefined {
  if (headers['x-explain-cost'] !== undefined) return undefined;
  switch (method) {
    case 'POST':
      return isJson(headers['content-type']) ? acceptedIn(headers.accept) : undefined;
    case 'GET':
      return headers.accept?.includes('html') === true ? undefined : acceptedIn(headers.accept);
    default:
      return undefined;
  }
}

const JSON_TYPE = 'application/json';
const RESPONSE_TYPE = 'application/graphql-response+json';

function acceptedIn(accept: string | undefined): string | undefined {
  if (accept === undefined || accept === JSON_TYPE || accept === '*/*') return JSON_TYPE;
  for (const entry of accept.toLowerCase().split(',')) {
    if (entry.includes('charset')) return undefined;
    switch (entry.split(';', 1)[0]?.trim()) {
      case RESPONSE_TYPE:
        return RESPONSE_TYPE;
      case JSON_TYPE:
      case 'application/*':
      case '*/*':
        return JSON_TYPE;
    }
  }
  return undefined;
}

/** @returns undefined where yoga is to say what is wrong, or to do more than a plan can */
export function askedBy({ method, url = '' }: IncomingMessage, body: Buffer | undefined): Asked | undefined {
  const params = method === 'GET' ? paramsOf(url) : paramsIn(body);
  if (params === undefined) return undefined;
  for (const name in params) if (!MEMBERS.has(name)) return undefined;
  const { query, operationName, variables } = params;
  const documentId = params['documentId'] ?? hashIn(params['extensions']);
  const isAsked =
    isTextOrNone(query) &&
    isTextOrNone(documentId) &&
    isNameOrNone(operationName) &&
    (variables == null || (typeof variables === 'object' && !Array.isArray(variables)));
  if (!isAsked || (query == null) === (documentId == null)) return undefined;
  return {
    query: query ?? undefined,
    documentId: documentId ?? undefined,
    operationName: operationName ?? undefined,
    variables: variables == null ? {} : (variables as Readonly<Record<string, unknown>>),
  };
}

function isNameOrNone(value: unknown): value is string | null | undefined {
  return value == null || (typeof value === 'string' && /^\w+$/.test(value));
}

type Params = Readonly<Record<string, unknown>>;

const MEMBERS: ReadonlySet<string> = new Set([
  'query',
  'documentId',
  'operationName',
  'variables',
  'extensions',
]);

/** An empty text stands for none in some places and not in others. */
function isTextOrNone(value: unknown): value is string | null | undefined {
  return value == null || (typeof value === 'string' && value !== '');
}

function paramsIn(body: Buffer | undefined): Params | undefined {
  if (body === undefined || isTooDeep(body)) return undefined;
  try {
    const params: unknown = JSON.parse(body.toString('utf8'));
    return typeof params === 'object' && params !== null && !Array.isArray(params)
      ? (params as Params)
      : undefined;
  } catch {
    return undefined;
  }
}

function paramsOf(url: string): Params | undefined {
  const params: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(url.slice('/graphql'.length))) {
    if (name in params) return undefined;
    params[name] = value;
  }
  try {
    for (const name of ['variables', 'extensions']) {
      if (name in params) params[name] = JSON.parse(String(params[name])) as unknown;
    }
    return params;
  } catch {
    return undefined;
  }
}

/** The id of a trusted document, as clients of automatic persisted queries send it. */
function hashIn(extensions: unknown): unknown {
  if (extensions == null) return undefined;
  const { persistedQuery, ...others } = extensions as Params;
  const { version, sha256Hash } = (persistedQuery ?? {}) as Params;
  const isHash = version === 1 && typeof sha256Hash === 'string' && Object.keys(others).length === 0;
  // No id is a number, so that yoga gets anything else.
  return isHash ? sha256Hash : 0;
}
