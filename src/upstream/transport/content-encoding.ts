import type { IncomingHttpHeaders } from 'node:http';
import { gunzip, gunzipSync } from 'node:zlib';

/** The content codings that responses may have, as the value of a request header. */
export const ACCEPTED_ENCODINGS = 'gzip';

/** Whether the body is gzip. It is not where a header says so and the body does not begin like it. */
export function isGzip(headers: IncomingHttpHeaders, body: Buffer): boolean {
  const given = headers['content-encoding'];
  if (given === undefined) return false;
  // A header that came twice is a list.
  const [coding = ''] = Array.isArray(given) ? given : [given];
  return /^(?:x-)?gzip$/i.test(String(coding).trim()) && body[0] === 0x1f && body[1] === 0x8b;
}

/** The content, `tooLarge` when it has more bytes than allowed, or `broken` when it is no whole gzip. */
export type Inflated = Buffer | 'tooLarge' | 'broken';

/** Blocks the thread, so it is for a few bytes: handing them to another thread takes longer. */
export function inflateNow(body: Buffer, maxBytes: number): Inflated {
  try {
    return gunzipSync(body, { maxOutputLength: maxBytes });
  } catch (error) {
    return failureOf(error);
  }
}

/** Inflates in another thread. */
export function inflate(body: Buffer, maxBytes: number, done: (inflated: Inflated) => void): void {
  gunzip(body, { maxOutputLength: maxBytes }, (error, content) => {
    done(error === null ? content : failureOf(error));
  });
}

function failureOf(error: unknown): 'tooLarge' | 'broken' {
  const isTooLarge = error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
  return isTooLarge ? 'tooLarge' : 'broken';
}

/** The text of a body in UTF-8, without a byte order mark. */
export function textOf(body: Buffer): string {
  const hasMark = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
  return body.toString('utf8', hasMark ? 3 : 0);
}
