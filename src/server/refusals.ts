import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLError } from 'graphql';
import type { Metrics } from '../metrics.ts';
import { requestIdFrom } from './plugins/request-state.ts';
import { SECURITY_HEADERS } from './plugins/security-headers.ts';

const WITHOUT_BODY = { ...Object.fromEntries(SECURITY_HEADERS), 'Cache-Control': 'no-store' };
const HEADERS = { ...WITHOUT_BODY, 'Content-Type': 'application/json; charset=utf-8' };

type Refusal = Pick<GraphQLError, 'message' | 'extensions'>;

/**
 * Refuses a request before it gets to yoga, and counts it. Not logged: those who try out paths by the thousand would
 * fill the log, and under a flood the lines would cost more than the refusals.
 */
export function turnAway(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  error: Refusal,
  metrics: Metrics,
  more?: Readonly<Record<string, string>>,
): void {
  refuse(request, response, status, error, more);
  countRefusal(metrics, status, error);
}

export function countRefusal(metrics: Metrics, status: number, { extensions }: Refusal): void {
  metrics.recordRequest(status, 0);
  metrics.recordError(String(extensions['code']));
}

/** Answers with an error in the place of yoga: before a request gets there, or when yoga has failed. */
export function refuse(
  { headers }: IncomingMessage,
  response: ServerResponse,
  status: number,
  { message, extensions }: Refusal,
  more: Readonly<Record<string, string>> = {},
): void {
  const requestId = requestIdFrom(headers);
  const body = JSON.stringify({ errors: [{ message, extensions: { ...extensions, requestId } }] });
  const { retryAfterSeconds } = extensions;
  response.writeHead(status, {
    ...HEADERS,
    ...more,
    ...(typeof retryAfterSeconds === 'number' ? { 'Retry-After': String(retryAfterSeconds) } : {}),
    'Content-Length': String(Buffer.byteLength(body)),
    'X-Request-Id': requestId,
  });
  response.end(body);
}

/** Answers 204, which has no body. */
export function answerEmpty(
  { headers }: IncomingMessage,
  response: ServerResponse,
  more: Readonly<Record<string, string>>,
): void {
  response.writeHead(204, { ...WITHOUT_BODY, ...more, 'X-Request-Id': requestIdFrom(headers) });
  response.end();
}

/** Answers on a connection that Node does not read as HTTP any more, and ends it. */
export function refuseSocket(
  socket: Duplex,
  status: number,
  more: Readonly<Record<string, string>> = {},
): void {
  const lines = Object.entries({
    ...Object.fromEntries(SECURITY_HEADERS),
    ...more,
    Connection: 'close',
    'Content-Length': '0',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`, () =>
    socket.destroy(),
  );
}
