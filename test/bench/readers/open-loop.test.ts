import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { atItsMoments } from './open-loop.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 10_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

it('asks at each moment until the end, whatever became of the request before', async () => {
  const asked: (readonly [number, number])[] = [];
  const done = atItsMoments(
    { firstAt: 10_500, everyMs: 1_000, until: () => 13_000 },
    ({ scheduledAt, sentAt }) => {
      asked.push([scheduledAt, sentAt]);
    },
  );
  await vi.advanceTimersByTimeAsync(60_000);
  await done;
  expect(asked).toEqual([
    [10_500, 10_500],
    [11_500, 11_500],
    [12_500, 12_500],
  ]);
});

it('sends what is late at once, and tells when it was due', async () => {
  const asked: (readonly [number, number])[] = [];
  const done = atItsMoments(
    { firstAt: 8_000, everyMs: 1_500, until: () => 11_500 },
    ({ scheduledAt, sentAt }) => {
      asked.push([scheduledAt, sentAt]);
    },
  );
  await vi.advanceTimersByTimeAsync(60_000);
  await done;
  expect(asked.map(([due]) => due)).toEqual([8_000, 9_500, 11_000]);
  expect(asked[1]?.[1]).toBeLessThan(10_100);
  expect(asked[2]?.[1]).toBe(11_000);
});

it('asks no more once the end has come nearer', async () => {
  let until = Infinity;
  let asked = 0;
  const done = atItsMoments({ firstAt: 10_500, everyMs: 1_000, until: () => until }, () => asked++);
  await vi.advanceTimersByTimeAsync(2_600);
  until = 0;
  await vi.advanceTimersByTimeAsync(1_000);
  await done;
  expect(asked).toBe(3);
});
