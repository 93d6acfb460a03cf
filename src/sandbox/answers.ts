import { freshRequestId } from './request-ids.ts';
import { wireJson } from './world/wire.ts';
import type { WireBackfill } from './world/wire.ts';

/** A whole HTTP answer, before it goes on the wire. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Envelope {
  readonly meta: { readonly request_id: string };
  readonly error: { readonly code: string; readonly message: string; readonly description?: string };
}

/** The documented body of every error answer, with a request id of its own. */
export function envelope(code: string, message: string, description?: string): Envelope {
  return {
    meta: { request_id: freshRequestId() },
    error: { code, message, ...(description === undefined ? {} : { description }) },
  };
}

export function dataAnswer(data: WireBackfill | readonly WireBackfill[]): Answer {
  const json = isList(data) ? `[${data.map(wireJson).join(',')}]` : wireJson(data);
  const requestId = freshRequestId();
  return jsonAnswer(200, requestId, `{"meta":{"request_id":"${requestId}"},"data":${json}}`);
}

export function errorAnswer(
  status: number,
  body: Envelope,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return jsonAnswer(status, body.meta.request_id, JSON.stringify(body), headers);
}

/** The answer of a proxy in front of the API to an unknown path or method: HTML without the envelope. */
export function strangerAnswer(status: 404 | 405): Answer {
  const title = status === 404 ? '404 Not Found' : '405 Method Not Allowed';
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: `<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`,
  };
}

function jsonAnswer(
  status: number,
  requestId: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'access-control-allow-origin': '*',
      'x-request-id': requestId,
      ...headers,
    },
    body,
  };
}

// `Array.isArray` does not narrow readonly arrays.
function isList(data: WireBackfill | readonly WireBackfill[]): data is readonly WireBackfill[] {
  return Array.isArray(data);
}
