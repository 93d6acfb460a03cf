import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './answers.ts';
import type { FaultAnswer } from './faults.ts';
import { freshRequestId } from './request-ids.ts';

export interface Exchange {
  readonly response: ServerResponse;
  /** Makes the answer without the fault. It counts against the quota and changes the world, so call it at most once. */
  ordinary(): Answer;
  send(answer: Answer): void;
  /** Writes the status and headers; the caller writes the body. */
  begin(status: number, headers: Readonly<Record<string, string>>): void;
}

const JSON_HEADERS = { 'content-type': 'application/json', 'access-control-allow-origin': '*' };
const FLOOD_CHUNK = Buffer.alloc(64 * 1024, 'x');
const MISSING_BYTES = 64;

/** Plays the fault on one exchange. */
export async function playFault(fault: FaultAnswer, exchange: Exchange): Promise<void> {
  const { response } = exchange;
  switch (fault.kind) {
    case 'status': {
      exchange.send(statusAnswer(fault));
      return;
    }
    case 'raw': {
      const { status = 200, headers = {}, bytes } = fault;
      exchange.begin(status, { ...headers, 'content-length': String(Buffer.byteLength(bytes)) });
      response.end(bytes);
      return;
    }
    case 'hang':
      return;
    case 'delay':
      return sendLater(sleep(fault.ms, undefined, { ref: false }), fault.answerFrom, exchange);
    case 'hold':
      return sendLater(fault.until, fault.answerFrom, exchange);
    case 'reset': {
      reset(fault.at, exchange);
      return;
    }
    case 'drip': {
      drip(fault, exchange);
      return;
    }
    case 'flood':
      return flood(fault.bytes, exchange);
    case 'truncate': {
      const { status, headers, body } = exchange.ordinary();
      exchange.begin(status, {
        ...headers,
        'content-length': String(Buffer.byteLength(body) + MISSING_BYTES),
      });
      response.write(body, () => response.destroy());
      return;
    }
    case 'edit': {
      const answer = exchange.ordinary();
      exchange.send({ ...answer, body: fault.edit(answer.body) });
      return;
    }
  }
}

function statusAnswer(fault: Extract<FaultAnswer, { kind: 'status' }>): Answer {
  const { status, headers = {}, body = '' } = fault;
  const contentType = fault.contentType ?? (typeof body === 'object' ? 'application/json' : 'text/plain');
  return {
    status,
    headers: {
      'content-type': contentType,
      'access-control-allow-origin': '*',
      'x-request-id': requestIdOf(body) ?? freshRequestId(),
      ...headers,
    },
    body: typeof body === 'object' ? JSON.stringify(body) : body,
  };
}

/** The request id of the envelope, so that the header can carry the same. */
function requestIdOf(body: string | object): string | undefined {
  if (typeof body !== 'object' || !('meta' in body)) return undefined;
  const { meta } = body;
  if (typeof meta !== 'object' || meta === null || !('request_id' in meta)) return undefined;
  return typeof meta.request_id === 'string' ? meta.request_id : undefined;
}

async function sendLater(
  until: Promise<unknown>,
  answerFrom: 'sending' | 'request' = 'sending',
  exchange: Exchange,
): Promise<void> {
  const early = answerFrom === 'request' ? exchange.ordinary() : undefined;
  await until;
  exchange.send(early ?? exchange.ordinary());
}

function reset(at: 'before-headers' | 'after-headers' | 'in-body', exchange: Exchange): void {
  const { response } = exchange;
  if (at === 'before-headers') {
    response.socket?.resetAndDestroy();
    return;
  }
  const { status, headers, body } = exchange.ordinary();
  const bytes = Buffer.from(body);
  exchange.begin(status, { ...headers, 'content-length': String(bytes.length) });
  response.flushHeaders();
  if (at === 'after-headers') response.destroy();
  else response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => response.destroy());
}

function drip({ everyMs, bytes }: { everyMs: number; bytes: number }, { response, begin }: Exchange): void {
  begin(200, JSON_HEADERS);
  response.write('{');
  // White space is valid JSON, so a reader cannot give up because of what it has read.
  const timer = setInterval(() => response.write(' '.repeat(bytes)), everyMs);
  response.once('close', () => clearInterval(timer));
}

async function flood(bytes: number, { response, begin }: Exchange): Promise<void> {
  // Without a Content-Length a client that limits bodies has to count.
  begin(200, JSON_HEADERS);
  await pipeline(floodOf(bytes), response);
}

function* floodOf(bytes: number): Generator<Buffer> {
  const head = Buffer.from(`{"meta":{"request_id":"${freshRequestId()}"},"data":{"filler":"`);
  const tail = Buffer.from('"}}');
  yield head;
  for (let left = bytes - head.length - tail.length; left > 0; left -= FLOOD_CHUNK.length) {
    yield FLOOD_CHUNK.subarray(0, Math.min(left, FLOOD_CHUNK.length));
  }
  yield tail;
}
