import { describe, expect, it } from 'vitest';
import { createTurns } from '../../src/server/turns.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** @param takesMs how long it takes to begin a request */
function startTurns(takesMs = 0) {
  let now = 0;
  const begun: string[] = [];
  const { wait, connected } = createTurns({ monotonic: () => now });
  return {
    begun,
    connected,
    pass(milliseconds: number) {
      now += milliseconds;
    },
    ask(caller: string, name = caller) {
      const begin = (): void => {
        begun.push(name);
        now += takesMs;
      };
      const waits = wait(caller);
      if (waits === undefined) begin();
      else void waits.then(begin);
    },
  };
}

describe('requests that come in one turn of the event loop', () => {
  it('begin at once for some milliseconds, and the others in later turns', async () => {
    const { ask, pass, begun } = startTurns();
    ask('a');
    pass(3);
    ask('b');
    pass(10);
    ask('c');
    expect(begun).toEqual(['a', 'b']);
    while (begun.length < 3) await turn();
    expect(begun).toEqual(['a', 'b', 'c']);
    await turn();
    ask('d');
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are served by turns, whoever asked most', async () => {
    const { ask, pass, begun } = startTurns();
    ask('flood');
    pass(15);
    for (let n = 0; n < 40; n++) ask('flood', `flood ${n}`);
    ask('modest');
    await turn();
    ask('late');
    while (begun.length < 43) await turn();
    expect(begun.slice(0, 5)).toEqual(['flood', 'flood 0', 'modest', 'late', 'flood 1']);
    expect(begun.filter((name) => name.startsWith('flood '))).toEqual(
      Array.from({ length: 40 }, (_, n) => `flood ${n}`),
    );
  });

  it('begin for some milliseconds of a turn, of those that waited too', async () => {
    const { ask, begun } = startTurns(2);
    for (let n = 0; n < 30; n++) ask('a');
    const inTurns = [begun.length];
    while (begun.length < 30) {
      const before = begun.length;
      await turn();
      inTurns.push(begun.length - before);
    }
    expect(Math.max(...inTurns)).toBe(3);
  });

  it('begin for one millisecond of a turn that accepted a connection', async () => {
    const { ask, connected, begun } = startTurns(0.5);
    for (let n = 0; n < 60; n++) ask('a');
    const beginInTurn = async (): Promise<number> => {
      const before = begun.length;
      await turn();
      return begun.length - before;
    };
    expect(begun).toHaveLength(10);
    await turn();
    connected();
    expect(await beginInTurn()).toBe(2);
    connected();
    expect(await beginInTurn()).toBe(2);
    expect(await beginInTurn()).toBe(10);
  });
});
