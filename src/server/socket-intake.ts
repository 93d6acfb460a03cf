import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { SocketFacts } from './websocket-operations.ts';

/** Watches what a client has sent of messages that are not whole yet: each byte of these is held in memory. */
export interface Intake {
  /** Whether a large message has not gone on to its end since this was asked before. */
  isStuck(): boolean;
}

/** What a socket may hold that was not acknowledged, and what any socket may hold for ever. */
export const MAX_HELD_BYTES = 16 * 1024;
/** About what the object costs that holds a piece, however small. */
const PIECE_BYTES = 256;
/** The least that a frame of a client has besides its content. */
const FRAME_BYTES = 6;

/**
 * `ws` knows one size limit for all messages of a socket, and no time in which one must be whole.
 * @param onTooMuch called once, when a socket sends more than {@link MAX_HELD_BYTES} before it is acknowledged
 */
export function createIntake(
  socket: WebSocket,
  connection: Duplex,
  facts: Readonly<Pick<SocketFacts, 'acknowledged'>>,
  onTooMuch: () => void,
): Intake {
  let beforeAck = 0;
  /** Bytes that came and belong to no whole message yet. */
  let unfinished = 0;
  let lastPiece = 0;
  let messages = 0;
  let messagesBefore = -1;

  function take({ length }: Buffer): void {
    unfinished += length;
    lastPiece = length;
    if (facts.acknowledged || beforeAck > MAX_HELD_BYTES) return;
    beforeAck += length + PIECE_BYTES;
    if (beforeAck > MAX_HELD_BYTES) onTooMuch();
  }

  /** What remains after a whole message came with the last piece, whatever the message was split into. */
  function finish({ length }: Buffer): void {
    messages++;
    unfinished = Math.max(0, Math.min(unfinished - length - FRAME_BYTES, lastPiece));
  }

  /** Pings and pongs may come between the frames of a message. */
  function skip({ length }: Buffer): void {
    unfinished = Math.max(0, unfinished - length - FRAME_BYTES);
  }

  // Before the listener of `ws`, which finds messages in the piece.
  connection.prependListener('data', take);
  socket.on('message', finish).on('ping', skip).on('pong', skip);

  return {
    isStuck() {
      if (unfinished <= MAX_HELD_BYTES) {
        messagesBefore = -1;
        return false;
      }
      const isStuck = messages === messagesBefore;
      messagesBefore = messages;
      return isStuck;
    },
  };
}
