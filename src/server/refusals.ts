import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLError } from 'graphql';
import { requestIdFrom } from './plugins/request-state.ts';
import { SECURITY_HEADERS } from './plugins/security-headers.ts';

const HEADERS = {
  ...Object.fromEntries(SECURITY_HEADERS),
  'Content-Type': 'application/json; charset=utf-8',
  'Cache-Control': 'no-store',
};

/** Answers with an error in the place of yoga: before a request gets there, or when yoga has failed. */
export function refuse(
  { headers }: IncomingMessage,
  response: ServerResponse,
  status: number,
  { message, extensions }: Pick<GraphQLError, 'message' | 'extensions'>,
  more: Readonly<Record<string, string>> = {},
): void {
  const requestId = requestIdFrom(headers);
  const body = JSON.stringify({ errors: [{ message, extensions: { ...extensions, requestId } }] });
  const length = { 'Content-Length': String(Buffer.byteLength(body)) };
  response.writeHead(status, { ...HEADERS, ...more, ...length, 'X-Request-Id': requestId });
  response.end(body);
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
