import type { WebSocket } from 'ws';
import { MAX_ANSWER } from '../graphql/answer-budget.ts';
import type { Shares } from '../shares.ts';
import { MAX_BODY_BYTES } from './request-bodies.ts';

/** The most bytes that may wait to be sent to one client; beyond them the gateway stops reading from it. */
const MAX_BUFFERED_BYTES = 1024 * 1024;
/** The largest answer, with the type and the id of its message. */
const MAX_TEXT_BYTES = MAX_ANSWER.bytes + MAX_BODY_BYTES;

const TOO_LARGE = 1009;
const TRY_AGAIN_LATER = 1013;

/**
 * Resolves when the text has been handed to the network, which a slow client delays, or when the socket is closed. A
 * text for which there is no room closes the socket: clients open it again and subscribe again by themselves.
 */
export function sendText(
  socket: WebSocket,
  text: string,
  unsentAnswers: Shares,
  caller: string,
): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState !== socket.OPEN) {
      resolve();
      return;
    }
    const bytes = Buffer.byteLength(text);
    if (bytes > MAX_TEXT_BYTES) {
      socket.close(TOO_LARGE, 'The answer is too large');
      resolve();
      return;
    }
    const giveBack = unsentAnswers.take(caller, bytes);
    if (giveBack === undefined) {
      socket.close(TRY_AGAIN_LATER, 'Too many answers wait to be read');
      resolve();
      return;
    }
    socket.send(text, () => {
      giveBack();
      if (socket.isPaused && socket.bufferedAmount < MAX_BUFFERED_BYTES) socket.resume();
      resolve();
    });
    if (socket.bufferedAmount >= MAX_BUFFERED_BYTES) socket.pause();
  });
}
