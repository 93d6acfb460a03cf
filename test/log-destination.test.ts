import { describe, expect, it } from 'vitest';
import { createLogDestination, type LogDestination, type WriteBytes } from '../src/log-destination.ts';
import { createManualClock, type ManualClock } from './support/manual-clock.ts';

/** A file whose writes the test ends, one after the other. */
interface FakeFile {
  /** What the file holds. */
  readonly text: string;
  /** What is being written, if anything is. */
  readonly underWay: string | undefined;
  /** Takes so many bytes of the write that is under way, or all of them. */
  take(bytes?: number): void;
  refuse(code: 'ENOSPC' | 'EPIPE' | 'EAGAIN'): void;
}

function setUp(
  maxBytes?: number,
  soon = (begin: () => void): void => begin(),
): { file: FakeFile; log: LogDestination; clock: ManualClock } {
  const taken: Uint8Array[] = [];
  let underWay: { readonly bytes: Uint8Array; readonly done: Parameters<WriteBytes>[1] } | undefined;
  const clock = createManualClock();
  const log = createLogDestination({
    write(bytes, done) {
      expect(underWay).toBeUndefined();
      underWay = { bytes, done };
    },
    clock,
    soon,
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });

  function end(error: NodeJS.ErrnoException | null, count: number): void {
    const ended = underWay;
    underWay = undefined;
    if (ended === undefined) throw new Error('nothing is being written');
    taken.push(ended.bytes.subarray(0, count));
    ended.done(error, count);
  }

  const file: FakeFile = {
    get text() {
      return Buffer.concat(taken).toString();
    },
    get underWay() {
      return underWay && Buffer.from(underWay.bytes).toString();
    },
    take: (bytes = underWay?.bytes.length ?? 0) => end(null, bytes),
    refuse: (code) => end(Object.assign(new Error(code), { code }), 0),
  };
  return { file, log, clock };
}

function lossLine(total: number): string {
  return `{"level":"warn","time":"2026-03-02T10:00:00.000Z","total":${total},"msg":"log lines dropped"}\n`;
}

describe('the destination of the log', () => {
  it('writes one batch at a time, in order, with all that came meanwhile in the next', () => {
    const { file, log } = setUp();
    log.write('a\n');
    log.write('b\n');
    log.write('c\n');
    expect(file.underWay).toBe('a\n');
    file.take();
    expect(file.underWay).toBe('b\nc\n');
    file.take();
    expect(file).toMatchObject({ text: 'a\nb\nc\n', underWay: undefined });
    expect(log.dropped).toBe(0);
  });

  it('writes the lines of one turn of the event loop at once, since a write costs more than a line', () => {
    const turns: (() => void)[] = [];
    const { file, log } = setUp(undefined, (begin) => void turns.push(begin));
    log.write('a\n');
    log.write('b\n');
    expect(file.underWay).toBeUndefined();
    turns.shift()?.();
    expect(file.underWay).toBe('a\nb\n');
    file.take();
    expect([file.text, turns]).toEqual(['a\nb\n', []]);
  });

  it('writes the rest of what was written in part', () => {
    const { file, log } = setUp();
    log.write('später\n');
    // Within a character.
    file.take(3);
    log.write('b\n');
    file.take();
    file.take();
    expect(file.text).toBe('später\nb\n');
  });

  it('goes on after a pause when a pipe is full, without loss', () => {
    const { file, log, clock } = setUp();
    log.write('a\n');
    file.refuse('EAGAIN');
    expect(file.underWay).toBeUndefined();
    for (let n = 0; n < 20; n++) {
      clock.advance(64);
      expect(file.underWay).toBe('a\n');
      file.refuse('EAGAIN');
    }
    clock.advance(64);
    file.take();
    expect(file.text).toBe('a\n');
    expect(log.dropped).toBe(0);
    expect(clock.waiting).toBe(0);
  });

  it('drops and counts what is beyond its limit, and says so behind the lines before the gap', () => {
    const { file, log } = setUp(200);
    const lines = ['a', 'b', 'c', 'd'].map((name) => `${name.repeat(99)}\n`);
    for (const line of lines) log.write(line);
    expect(log.dropped).toBe(2);
    file.take();
    log.write('e\n');
    file.take();
    file.take();
    expect(file).toMatchObject({ text: `${lines[0]}${lines[1]}${lossLine(2)}e\n`, underWay: undefined });
    expect(log.dropped).toBe(2);
  });

  it.each(['ENOSPC', 'EPIPE'] as const)(
    'drops and counts what is refused with %s, tries the next line, and then says how many are missing',
    (code) => {
      const { file, log } = setUp();
      log.write('a\n');
      log.write('b\n');
      log.write('c\n');
      file.refuse(code);
      file.refuse(code);
      expect(log.dropped).toBe(3);
      expect(file.underWay).toBeUndefined();
      log.write('d\n');
      file.take();
      file.take();
      expect(file).toMatchObject({ text: `d\n${lossLine(3)}`, underWay: undefined });
    },
  );

  it('begins a new line after a disk that was full within one', () => {
    const { file, log } = setUp();
    log.write('whole\n');
    log.write('x\n');
    log.write('half\n');
    log.write('none\n');
    file.take();
    file.take(4);
    file.refuse('ENOSPC');
    expect(log.dropped).toBe(2);
    log.write('next\n');
    file.refuse('ENOSPC');
    expect(log.dropped).toBe(3);
    log.write('last\n');
    file.take();
    file.take();
    expect(file.text).toBe(`whole\nx\nha\nlast\n${lossLine(3)}`);
  });

  it('does not count a line that lacks nothing but its line break', () => {
    const { file, log } = setUp();
    log.write('a\n');
    file.take(1);
    file.refuse('ENOSPC');
    log.write('b\n');
    file.take();
    expect(file).toMatchObject({ text: 'a\nb\n', underWay: undefined });
    expect(log.dropped).toBe(0);
  });

  it('says again how many are missing when that line was lost too', () => {
    const { file, log } = setUp();
    log.write('a\n');
    file.refuse('ENOSPC');
    log.write('b\n');
    file.take();
    expect(file.underWay).toBe(lossLine(1));
    file.refuse('ENOSPC');
    log.write('c\n');
    file.take();
    file.take();
    expect(file.text).toBe(`b\nc\n${lossLine(2)}`);
  });

  it('writes no more at once than a pipe holds, but a longer line whole', () => {
    const { file, log } = setUp();
    const long = `${'x'.repeat(100_000)}\n`;
    const middling = `${'x'.repeat(40_000)}\n`;
    log.write('a\n');
    for (const line of [middling, middling, long]) log.write(line);
    file.take();
    for (const line of [middling, middling, long]) {
      expect(file.underWay).toBe(line);
      file.take();
    }
  });

  it('is flushed when nothing waits any more', async () => {
    const { file, log } = setUp();
    await log.flushed();
    log.write('a\n');
    log.write('b\n');
    let flushed = false;
    const flushing = log.flushed().then(() => {
      flushed = true;
    });
    file.take();
    await Promise.resolve();
    expect(flushed).toBe(false);
    file.refuse('ENOSPC');
    await flushing;
  });
});
