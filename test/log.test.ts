import { describe, expect, it } from 'vitest';
import { createLog, type Log } from '../src/log.ts';
import { createManualClock, type ManualClock } from './support/manual-clock.ts';

function setUp(): { log: Log; messages: string[]; clock: ManualClock } {
  const messages: string[] = [];
  const clock = createManualClock();
  const destination = {
    write: (line: string) => void messages.push((JSON.parse(line) as { msg: string }).msg),
    dropped: 0,
  };
  return { log: createLog('info', destination, clock), messages, clock };
}

describe('the log', () => {
  it('takes ten lines of a kind in a second, whatever they hold, and counts the others', () => {
    const { log, messages, clock } = setUp();
    for (let n = 0; n < 15; n++) log.error({ requestId: String(n) }, 'bug');
    log.warn('another');
    expect(messages).toEqual([...Array.from({ length: 10 }, () => 'bug'), 'another']);
    expect(log.linesDropped()).toBe(5);

    clock.advance(1_000);
    log.error({}, 'bug');
    expect(messages).toHaveLength(12);
    expect(log.linesDropped()).toBe(5);
  });

  it('takes a line for each request and for each subscription', () => {
    const { log, messages } = setUp();
    for (let n = 0; n < 15; n++) {
      log.record('request', {});
      log.record('subscription ended', {});
    }
    expect(messages).toHaveLength(30);
  });

  it('counts no line of a level that is not written', () => {
    const { log } = setUp();
    for (let n = 0; n < 15; n++) log.debug('socket failed');
    expect(log.linesDropped()).toBe(0);
  });

  it('adds what its destination has dropped', () => {
    const log = createLog('info', { write: () => undefined, dropped: 7 });
    for (let n = 0; n < 11; n++) log.warn('again');
    expect(log.linesDropped()).toBe(8);
  });
});
