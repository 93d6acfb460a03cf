import { getHeapSpaceStatistics } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { Crowd, type Place } from '../src/crowd.ts';

interface Guest {
  readonly name: string;
}

function crowdOf(...names: readonly string[]) {
  const crowd = new Crowd<Guest>();
  const places = new Map(names.map((name) => [name, crowd.join({ name })]));
  const leave = (name: string): boolean | undefined => {
    const place = places.get(name);
    return place && crowd.leave(place);
  };
  return { crowd, leave, names: () => [...crowd].map(({ name }) => name) };
}

describe('a crowd', () => {
  it('has its members in the order in which they came', () => {
    const { crowd, names } = crowdOf('a', 'b', 'c');
    expect(names()).toEqual(['a', 'b', 'c']);
    expect([crowd.size, crowd.first?.name, crowd.last?.name]).toEqual([3, 'a', 'c']);
  });

  it.each([
    ['a', ['b', 'c']],
    ['b', ['a', 'c']],
    ['c', ['a', 'b']],
  ])('closes up when %s leaves', (name, left) => {
    const { crowd, leave, names } = crowdOf('a', 'b', 'c');
    expect(leave(name)).toBe(true);
    expect(names()).toEqual(left);
    expect([crowd.size, crowd.first?.name, crowd.last?.name]).toEqual([2, left[0], left[1]]);
    crowd.join({ name: 'd' });
    expect(names()).toEqual([...left, 'd']);
  });

  it('lets a member leave once', () => {
    const { crowd, leave } = crowdOf('a', 'b');
    leave('a');
    expect(leave('a')).toBe(false);
    expect(crowd.size).toBe(1);
  });

  it('is empty when all have left, whatever their order', () => {
    const { crowd, leave, names } = crowdOf('a', 'b', 'c');
    for (const name of ['b', 'c', 'a']) leave(name);
    expect([crowd.size, crowd.first, crowd.last, names()]).toEqual([0, undefined, undefined, []]);
  });

  it('can be gone through while members come and leave', () => {
    const { crowd, leave } = crowdOf('a', 'b', 'c');
    const met: string[] = [];
    for (const { name } of crowd) {
      met.push(name);
      for (const each of ['a', 'b', 'c']) leave(each);
      crowd.join({ name: 'd' });
    }
    expect(met).toEqual(['a', 'b', 'c']);
  });

  it('lets go of what passes through it without a collection of old objects, when it is itself old', () => {
    const crowd = new Crowd<number[]>();
    const present: Place<number[]>[] = [];
    const pass = (count: number): void => {
      for (let n = 0; n < count; n++) {
        const before = present[n % 64];
        if (before !== undefined) crowd.leave(before);
        present[n % 64] = crowd.join(new Array<number>(500).fill(n));
      }
    };
    pass(64);
    let garbage: unknown;
    for (let n = 0; n < 50_000; n++) garbage = new Array<number>(500).fill(n);
    const before = oldBytes();
    let most = 0;
    for (let n = 0; n < 200; n++) {
      pass(100);
      most = Math.max(most, oldBytes() - before);
    }
    expect(garbage).toBeDefined();
    // 80 MB have passed through. A Set would have held on to 20 MB of them.
    expect(most).toBeLessThan(8_000_000);
  });
});

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')?.space_used_size ?? 0;
}
