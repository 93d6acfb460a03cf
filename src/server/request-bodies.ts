import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { GraphQLError } from 'graphql';
import { badRequest, overloaded } from '../graphql/errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Shares, ShareSize } from '../shares.ts';
import { callerOf } from './callers.ts';
import type { ReceivedBody } from './plugins/request-state.ts';
import { countRefusal, turnAway } from './refusals.ts';

/** The limit of a request over HTTP, and of a message over WebSocket. */
export const MAX_BODY_BYTES = 256 * 1024;
/**
 * What an operation holds for each byte of its body. Measured over an upstream that hangs: lists of references took 35
 * to 74 bytes, nearly all of it promises, JSON of empty objects 22, and long strings 1.5.
 */
const HELD_FOR_A_BYTE = 64;
/**
 * Half of a heap of 384 MiB, in bytes. Nine of one caller's largest bodies get in at once, or 75 of a router's 500
 * references.
 */
export const BODIES_TOGETHER: ShareSize = { total: 192 * 1024 * 1024, timesFree: 3 };

export interface BodyLimits {
  /** Milliseconds from the end of the headers to the end of the body. */
  readonly receiveMs?: number;
}

export interface BodiesOptions extends BodyLimits {
  /** Of the bytes of bodies that are being received, or whose operations are under way. */
  readonly together: Shares;
  readonly metrics: Metrics;
}

const TOO_LARGE = badRequest(`The body of a request may hold at most ${MAX_BODY_BYTES} bytes.`);
const BROKEN_OFF = badRequest('The body of the request broke off.');
const NO_ROOM = overloaded('The gateway holds as many request bodies as it can at the moment.');
const NOTHING: Buffer = Buffer.alloc(0);

type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  caller: string,
  body?: ReceivedBody,
) => void;

/**
 * Receives the body of a POST before anything else is done for it, so that a client who sends slowly holds nothing but
 * the bytes that he has sent. What he has announced is not counted: a thousand who announce much and send little would
 * shut everybody out.
 */
export function receiveBodies(
  answer: Answer,
  { together, metrics, receiveMs = 5_000 }: BodiesOptions,
): RequestListener {
  const tooLate = badRequest(
    `The body of a request must arrive within ${receiveMs / 1000} s of its headers.`,
  );

  function receive(request: IncomingMessage, response: ServerResponse, caller: string, most: number): void {
    const hold = together.hold(caller);
    let bytes: Buffer = NOTHING;
    let length = 0;
    let isOver = false;

    function end(): void {
      isOver = true;
      clearTimeout(timer);
    }
    // What still comes is read and dropped, because a client that is still sending does not read the answer.
    function stop(status: number, error: GraphQLError, more?: Readonly<Record<string, string>>): void {
      end();
      hold.release();
      bytes = NOTHING;
      turnAway(request, response, status, error, metrics, more);
    }
    const timer = setTimeout(() => stop(408, tooLate, { Connection: 'close' }), receiveMs);

    request.on('data', (chunk: Buffer) => {
      if (isOver) return;
      const before = length;
      length += chunk.length;
      if (length > MAX_BODY_BYTES) {
        stop(413, TOO_LARGE);
        return;
      }
      // Nearly all bodies are one chunk. Others are copied, because many small chunks take many times their bytes.
      const size = before === 0 ? length : Math.min(most, 2 * length);
      if (length > bytes.length && !hold.set(size)) {
        stop(503, NO_ROOM);
        return;
      }
      if (before === 0) bytes = chunk;
      else {
        if (length > bytes.length) bytes = Buffer.concat([bytes.subarray(0, before)], size);
        chunk.copy(bytes, before);
      }
    });
    request.once('end', () => {
      if (isOver) return;
      if (!hold.set(HELD_FOR_A_BYTE * length)) {
        stop(503, NO_ROOM);
        return;
      }
      end();
      let rest: Buffer | undefined = bytes.subarray(0, length);
      bytes = NOTHING;
      response.once('close', hold.release);
      answer(request, response, caller, {
        take() {
          const taken = rest ?? NOTHING;
          rest = undefined;
          return taken;
        },
        release: hold.release,
      });
    });
    request.once('close', () => {
      if (isOver) return;
      end();
      hold.release();
      countRefusal(metrics, 400, BROKEN_OFF);
    });
  }

  return (request, response) => {
    const caller = callerOf(request.headers.authorization);
    if (request.method !== 'POST') {
      answer(request, response, caller);
      return;
    }
    const stated = Number(request.headers['content-length'] ?? 0);
    if (stated > MAX_BODY_BYTES) turnAway(request, response, 413, TOO_LARGE, metrics);
    else if (!together.hasRoomFor(caller, HELD_FOR_A_BYTE * stated))
      turnAway(request, response, 503, NO_ROOM, metrics);
    else receive(request, response, caller, stated === 0 ? MAX_BODY_BYTES : stated);
  };
}
