import { write as writeTo } from 'node:fs';
import { type Clock, systemClock } from './clock.ts';

/** Where the lines of the log go. It never throws and never waits: no line is worth a request. */
export interface LogDestination {
  /** @param line with its line break */
  write(line: string): void;
  /** Resolves when nothing waits: each line is written or dropped. */
  flushed(): Promise<void>;
  /** The number of lines dropped since the start. */
  readonly dropped: number;
}

/** Writes some or all of the bytes, and says how many. It calls back later, never at once. */
export type WriteBytes = (
  bytes: Uint8Array,
  done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void;

export interface LogDestinationOptions {
  /** Standard output, if it is not given. */
  readonly write?: WriteBytes;
  readonly clock?: Clock;
  /** The limit of what waits. */
  readonly maxBytes?: number;
  /** Begins a batch, after some milliseconds if it is not given. */
  readonly soon?: (begin: () => void) => void;
}

const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** What one write takes at most, as much as the usual pipe holds. */
const MAX_BATCH_BYTES = 64 * 1024;
const BATCH_MS = 5;
const FIRST_RETRY_MS = 1;
const LAST_RETRY_MS = 64;
const NEWLINE = 0x0a;

/**
 * Lines wait in memory for one write at a time, so a slow reader delays nobody, and their order is kept. What is beyond
 * the limit is dropped, and so is what the system refuses for good, as on a full disk or when the reader is gone. The
 * next line is tried again, and the first write that succeeds after a loss is followed by a line that says how many
 * were lost.
 *
 * pino's own asynchronous destination does not do here: while the disk is full it spins at the end of the process.
 */
export function createLogDestination({
  write = toFile(1),
  clock = systemClock,
  maxBytes = MAX_WAITING_BYTES,
  soon = (begin) => setTimeout(begin, BATCH_MS),
}: LogDestinationOptions = {}): LogDestination {
  const waiting: string[] = [];
  /** In bytes, of each line that waits. */
  const sizes: number[] = [];
  let waitingBytes = 0;
  /** Of the batch that is being written. */
  let bytesUnderWay = 0;
  let busy = false;
  /** Whether what is written ends within a line. */
  let torn = false;
  let retryMs = FIRST_RETRY_MS;
  let dropped = 0;
  let reported = 0;
  const whenFlushed: (() => void)[] = [];

  function enqueue(line: string, size: number): void {
    waiting.push(line);
    sizes.push(size);
    waitingBytes += size;
    writeNext();
  }

  function writeNext(): void {
    if (busy) return;
    if (waiting.length === 0) {
      for (const resolve of whenFlushed.splice(0)) resolve();
      return;
    }
    busy = true;
    // The lines of some milliseconds are written together: a write takes longer than all else of a line.
    soon(() => writeRest(nextBatch()));
  }

  /** At least one line, however long it is. After half a line it begins with the line break that is missing. */
  function nextBatch(): Buffer {
    let lines = 0;
    let bytes = 0;
    for (const size of sizes) {
      if (lines > 0 && bytes + size > MAX_BATCH_BYTES) break;
      lines++;
      bytes += size;
    }
    waitingBytes -= bytes;
    sizes.splice(0, lines);
    return Buffer.from((torn ? '\n' : '') + waiting.splice(0, lines).join(''));
  }

  function writeRest(batch: Buffer): void {
    bytesUnderWay = batch.length;
    write(batch, (error, written) => {
      const rest = batch.subarray(written);
      bytesUnderWay = rest.length;
      if (written > 0) {
        torn = batch[written - 1] !== NEWLINE;
        retryMs = FIRST_RETRY_MS;
      }
      if (rest.length === 0) end();
      else if (error !== null && error.code !== 'EAGAIN') lose(rest);
      else if (written > 0) writeRest(rest);
      else retryLater(rest);
    });
  }

  /** A full pipe gives no sign when its reader goes on. */
  function retryLater(rest: Buffer): void {
    clock.after(retryMs, () => writeRest(rest));
    retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
  }

  function lose(rest: Buffer): void {
    // A line that lacks nothing but its line break is not lost: the next batch begins with one.
    dropped += linesIn(rest[0] === NEWLINE ? rest.subarray(1) : rest);
    bytesUnderWay = 0;
    busy = false;
    writeNext();
  }

  function end(): void {
    busy = false;
    if (dropped > reported) {
      reported = dropped;
      const line = lossLine(clock, dropped);
      enqueue(line, line.length);
    } else writeNext();
  }

  return {
    write(line) {
      const size = Buffer.byteLength(line);
      if (waitingBytes + bytesUnderWay + size > maxBytes) dropped++;
      else enqueue(line, size);
    },
    flushed() {
      return new Promise((resolve) => {
        whenFlushed.push(resolve);
        writeNext();
      });
    },
    get dropped() {
      return dropped;
    },
  };
}

/**
 * Writes in a thread of the pool, so the event loop goes on whatever the file does. A write that blocks holds one of
 * the few threads, and the process cannot end before it: a pipe must be non-blocking, see process.ts.
 */
export function toFile(descriptor: number): WriteBytes {
  return (bytes, done) => writeTo(descriptor, bytes, done);
}

/** The total since the start, so that a line of this kind that is lost itself leaves no gap in the count. */
function lossLine(clock: Clock, total: number): string {
  const time = new Date(clock.now()).toISOString();
  return `${JSON.stringify({ level: 'warn', time, total, msg: 'log lines dropped' })}\n`;
}

function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
