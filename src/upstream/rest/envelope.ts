import * as z from 'zod';
import { UpstreamError, type UpstreamDetails, type UpstreamErrorKind } from '../errors.ts';
import type { HttpResponse } from '../transport/http.ts';
import { parseJson } from './lossless-json.ts';
import { shownText } from './shown-text.ts';

/** The REST API's error envelope, and the plainer forms that its clients have met. */
const errorEnvelope = z.object({
  meta: z.object({ request_id: z.string() }).nullish().catch(null),
  error: z.union([
    z.string().transform((message) => ({ code: undefined, message, description: undefined })),
    z.object({
      code: z.string().optional().catch(undefined),
      message: z.string().optional().catch(undefined),
      description: z.string().optional().catch(undefined),
    }),
  ]),
});
type ErrorEnvelope = z.output<typeof errorEnvelope>;

/** The status decides: the REST API's documents disagree on the codes for the same status. */
const KIND_OF_STATUS: Readonly<Partial<Record<number, UpstreamErrorKind>>> = {
  400: 'badRequest',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'notFound',
  409: 'conflict',
  422: 'badRequest',
  429: 'rateLimited',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

/** For errors that come with a success status, where the code is all there is to go by. */
const KIND_OF_CODE: ReadonlyMap<string, UpstreamErrorKind> = new Map([
  ['BAD_REQUEST', 'badRequest'],
  ['INVALID_PARAMETER', 'badRequest'],
  ['UNPROCESSABLE_ENTITY', 'badRequest'],
  ['UNPROCESSABLE_CONTENT', 'badRequest'],
  ['VALIDATION_FAILED', 'badRequest'],
  ['CANNOT_CANCEL_BACKFILL', 'badRequest'],
  ['API_KEY_INVALID', 'unauthenticated'],
  ['UNAUTHORIZED', 'unauthenticated'],
  ['INVALID_ACCESS_TOKEN', 'unauthenticated'],
  ['ACCESS_DENIED', 'forbidden'],
  ['FORBIDDEN', 'forbidden'],
  ['PERMISSION_ERROR', 'forbidden'],
  ['NOT_FOUND', 'notFound'],
  ['CONFLICT_ERROR', 'conflict'],
  ['TOO_MANY_REQUESTS', 'rateLimited'],
  ['RATE_LIMIT_EXCEEDED', 'rateLimited'],
  ['API_ROW_QUOTA_EXCEEDED', 'quotaExceeded'],
  ['INTERNAL_SERVER_ERROR', 'failed'],
  ['SERVICE_UNAVAILABLE', 'unavailable'],
]);

const ROW_QUOTA_EXCEEDED = 'API_ROW_QUOTA_EXCEEDED';
const MAX_DESCRIPTION = 2048;
/** The longest wait that the REST API documents; a longer one is taken for a mistake. */
const MAX_RETRY_AFTER_SECONDS = 86_400;
const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}$/;
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;

/**
 * The `data` of a 200 response.
 * @param secrets texts that must not be passed on even where the upstream repeats them
 * @param now milliseconds since the epoch, to read a `Retry-After` date against where the response has no `Date`
 * @throws {UpstreamError} for every other response, after the error table of the contract
 */
export function readData(response: HttpResponse, secrets: readonly string[], now: number): unknown {
  return dataIn(parseBody(response), response.status === 200, response, secrets, now);
}

/** What a write was answered. */
export interface WriteAnswer {
  readonly data: unknown;
  /** The REST API's id of the request, where it gave one. */
  readonly requestId: string | undefined;
}

/**
 * The same of a write, whose success may have any 2xx: what was done is not to be taken for undone.
 * @throws {UpstreamError} as {@link readData}
 */
export function readWriteAnswer(
  response: HttpResponse,
  secrets: readonly string[],
  now: number,
): WriteAnswer {
  const body = parseBody(response);
  const isSuccess = response.status >= 200 && response.status < 300;
  const data = dataIn(body, isSuccess, response, secrets, now);
  const id = isObject(body) && isObject(body['meta']) ? body['meta']['request_id'] : undefined;
  return { data, requestId: requestIdIn(response, id, secrets) };
}

/** @throws {UpstreamError} unless it is a success with data */
function dataIn(
  body: unknown,
  isSuccess: boolean,
  response: HttpResponse,
  secrets: readonly string[],
  now: number,
): unknown {
  if (isSuccess && isObject(body) && (body['error'] ?? null) === null) {
    if (!('data' in body)) throw invalidResponse(response, 'the body of a 200 has no "data"', secrets);
    return body['data'];
  }
  const envelope = errorEnvelope.safeParse(body);
  throw toError(response, envelope.success ? envelope.data : undefined, secrets, now);
}

function toError(
  response: HttpResponse,
  envelope: ErrorEnvelope | undefined,
  secrets: readonly string[],
  now: number,
): UpstreamError {
  const kind = classify(response.status, envelope);
  if (kind === 'misrouted') {
    return invalidResponse(
      response,
      'a 404 without the documented error envelope: does SUPERMETRICS_API_URL name the Data Warehouse API?',
      secrets,
      envelope,
    );
  }
  if (kind === undefined) {
    return invalidResponse(
      response,
      response.status === 200
        ? 'the body of a 200 is neither data nor a known error'
        : `status ${response.status} is not documented for this operation`,
      secrets,
      envelope,
    );
  }
  const retryAfterSeconds = readRetryAfter(response, now);
  return new UpstreamError(kind, `answered with status ${response.status}`, {
    details: describe(response, envelope, secrets),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

function classify(
  status: number,
  envelope: ErrorEnvelope | undefined,
): UpstreamErrorKind | 'misrouted' | undefined {
  const code = envelope?.error.code;
  if (status < 300) return code === undefined ? undefined : KIND_OF_CODE.get(code);
  if (status === 404 && code === undefined) return 'misrouted';
  if (status === 429 && code === ROW_QUOTA_EXCEEDED) return 'quotaExceeded';
  return KIND_OF_STATUS[status] ?? (status >= 500 ? 'failed' : undefined);
}

/** The text of a 5xx is not shown: it may come from anything between us and the REST API. */
function describe(
  response: HttpResponse,
  envelope: ErrorEnvelope | undefined,
  secrets: readonly string[],
): UpstreamDetails {
  const { message, description } = (response.status < 500 ? envelope?.error : undefined) ?? {};
  const text = description ?? message;
  return {
    ...identify(response, envelope, secrets),
    ...(text === undefined ? {} : { description: shownText(scrub(text, secrets), MAX_DESCRIPTION) }),
  };
}

/** What is shown of every response: a text in the shape of a code or of an id is no prose, whoever wrote it. */
function identify(
  response: HttpResponse,
  envelope: ErrorEnvelope | undefined,
  secrets: readonly string[],
): UpstreamDetails {
  const code = envelope?.error.code;
  const requestId = requestIdIn(response, envelope?.meta?.request_id, secrets);
  return {
    status: response.status,
    ...(code !== undefined && CODE.test(code) && !holdsAny(secrets, code) ? { code } : {}),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** @param inBody the id that the body names */
function requestIdIn(
  { headers }: HttpResponse,
  inBody: unknown,
  secrets: readonly string[],
): string | undefined {
  return [inBody, headers['x-request-id']].find((id) => isRequestId(id, secrets));
}

function scrub(text: string, secrets: readonly string[]): string {
  return secrets.reduce((scrubbed, secret) => scrubbed.replaceAll(secret, '[redacted]'), text);
}

/** Support searches by this id, so a text that is not shaped like an id, or holds a secret, is left out. */
function isRequestId(id: unknown, secrets: readonly string[]): id is string {
  return typeof id === 'string' && REQUEST_ID.test(id) && !holdsAny(secrets, id);
}

function holdsAny(secrets: readonly string[], text: string): boolean {
  return secrets.some((secret) => text.includes(secret));
}

/** Seconds from now. The header holds seconds, or an HTTP date by the clock of the response's `Date`. */
function readRetryAfter({ headers }: HttpResponse, now: number): number | undefined {
  const text = first(headers['retry-after']);
  if (/^\d+$/.test(text)) return Math.min(MAX_RETRY_AFTER_SECONDS, Number(text));
  const at = parseDate(text);
  if (at === undefined) return undefined;
  const seconds = Math.ceil((at - (parseDate(first(headers.date)) ?? now)) / 1000);
  return Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(0, seconds));
}

/** The first value of a header that may have been sent more than once. */
function first(header: string | readonly string[] | undefined): string {
  return (typeof header === 'string' ? header : header?.[0])?.trim() ?? '';
}

/** Milliseconds since the epoch. The engine takes "-5" and "1.5" for dates too; HTTP dates begin with a weekday. */
function parseDate(text: string): number | undefined {
  const at = /^[A-Z]/i.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? undefined : at;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function parseBody({ text }: HttpResponse): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** The error for a response that makes no sense. The message is for the log and repeats nothing of the response. */
export function invalidResponse(
  response: HttpResponse,
  message: string,
  secrets: readonly string[],
  envelope?: ErrorEnvelope,
): UpstreamError {
  return new UpstreamError('invalidResponse', message, { details: identify(response, envelope, secrets) });
}
