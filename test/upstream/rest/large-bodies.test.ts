import { expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createLargeBodies } from '../../../src/upstream/rest/large-bodies.ts';

it('parses large bodies one after the other, and leaves as much time to others as each took', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let now = 0;
  const parsedAt: number[] = [];
  const largeBodies = createLargeBodies({ monotonic: () => now, after: systemClock.after });
  const parse = (ms: number) => () => {
    parsedAt.push(now);
    now += ms;
    if (ms === 30) throw new Error('no JSON');
    return ms;
  };
  const all = Promise.allSettled([20, 30, 10].map((ms) => largeBodies(parse(ms))));
  for (let ms = 0; ms < 60; ms++) {
    await vi.advanceTimersByTimeAsync(1);
    now++;
  }
  expect((await all).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(parsedAt).toEqual([0, 40, 100].map((moment) => expect.closeTo(moment, -0.5)));
});
