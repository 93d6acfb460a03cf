import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createShares, type ShareSize } from '../src/shares.ts';

/** Takes one after the other until there is no room. */
function fill({ take }: ReturnType<typeof createShares>, caller: string, amount = 1): (() => void)[] {
  const taken: (() => void)[] = [];
  for (;;) {
    const giveBack = take(caller, amount);
    if (giveBack === undefined) return taken;
    taken.push(giveBack);
  }
}

const anybody = (): boolean => true;
const nobody = (): boolean => false;
const THREE_QUARTERS: ShareSize = { total: 1_000, timesFree: 3 };
const HALF: ShareSize = { total: 10_000, timesFree: 1 };

describe('a share', () => {
  it.each([
    ['three quarters where it is three times what is free', THREE_QUARTERS, 750],
    ['half where it is once what is free', HALF, 5_000],
  ])('of a caller alone is %s', (_name, size, most) => {
    expect(fill(createShares(size, anybody), 'one')).toHaveLength(most);
  });

  it('that is used up is told from a resource that is, whose last is left to nobody', () => {
    const refused: string[] = [];
    const shares = createShares({ total: 10, timesFree: 3 }, anybody, (scope) => void refused.push(scope));
    expect(fill(shares, 'one')).toHaveLength(7);
    expect(refused.splice(0)).toEqual(['share']);
    expect(shares.hasRoomFor('two', 2)).toBe(true);
    expect(refused).toEqual([]);
    expect(shares.hasRoomFor('two', 3)).toBe(false);
    expect(fill(shares, 'two')).toHaveLength(2);
    expect(shares.take('three')).toBeUndefined();
    expect(refused).toEqual(['global', 'global', 'global']);
  });

  it('is equal for several who all want as much as they get, once the first has given back what is beyond it', () => {
    const shares = createShares(HALF, anybody);
    const first = fill(shares, 'one');
    const second = fill(shares, 'two');
    expect([first.length, second.length]).toEqual([5_000, 2_500]);
    for (let n = 0; n < 5_000; n++) {
      const before = shares.heldBy('one');
      first.shift()?.();
      first.push(...fill(shares, 'one'));
      second.push(...fill(shares, 'two'));
      if (shares.heldBy('one') === before && shares.heldBy('two') === before) break;
    }
    expect(shares.heldBy('one') - shares.heldBy('two')).toBeLessThanOrEqual(1);
    expect(shares.heldBy('one')).toBeGreaterThan(3_330);
  });

  it('is given back once, and whole', () => {
    const shares = createShares(THREE_QUARTERS, anybody);
    for (const giveBack of fill(shares, 'one', 10)) {
      giveBack();
      giveBack();
    }
    expect([shares.held, shares.heldBy('one')]).toEqual([0, 0]);
    expect(fill(shares, 'one')).toHaveLength(750);
  });

  it('of newcomers is one, of which each keeps some for the next', () => {
    const shares = createShares(THREE_QUARTERS, (caller) => caller.startsWith('accepted'));
    expect(fill(shares, 'new').length).toBe(562);
    expect(fill(shares, 'newer').length).toBeGreaterThan(100);
    for (let n = 0; n < 10_000; n++) shares.take(`invented ${n}`);
    expect(shares.held).toBe(749);
    expect(fill(shares, 'accepted').length).toBe(188);
    expect(fill(shares, 'accepted too').length).toBeGreaterThan(40);
  });

  it('of newcomers is free of those who were accepted, while these hold what they held', () => {
    const accepted = new Set<string>();
    const shares = createShares(HALF, (caller) => accepted.has(caller));
    for (let n = 0; n < 9_000; n++) {
      expect(shares.take(`person ${n}`)).toBeDefined();
      accepted.add(`person ${n}`);
    }
    // Refused by the REST API later, and then a newcomer again.
    accepted.delete('person 1');
    shares.take('person 1');
    expect(shares.heldBy('person 1')).toBe(2);
  });

  it('never exceeds what there is, and what all hold is the sum of it, whatever they do', () => {
    const caller = fc.constantFrom('accepted', 'accepted too', 'new', 'newer');
    const step = fc.record({ caller, amount: fc.integer({ min: 0, max: 40 }), which: fc.nat(8) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.constantFrom(1, 3), (steps, timesFree) => {
        const accepted = new Set(['accepted', 'accepted too']);
        const shares = createShares({ total: 100, timesFree }, (name) => accepted.has(name));
        const holdings = new Map<string, { readonly held: number; readonly set: (to: number) => boolean }>();
        for (const { caller, amount, which } of steps) {
          if (which === 8) accepted.delete(caller);
          if (which === 7) accepted.add(caller);
          const key = `${caller} ${which % 3}`;
          const { held, set } = holdings.get(key) ?? { held: 0, set: shares.hold(caller).set };
          holdings.set(key, { held: set(amount) ? amount : held, set });
          const all = [...holdings].map(([name, { held }]) => [name.slice(0, -2), held] as const);
          const sum = (of: readonly (readonly [string, number])[]): number =>
            of.reduce((total, [, held]) => total + held, 0);
          expect(shares.held).toBe(sum(all));
          expect(shares.heldBy(caller)).toBe(sum(all.filter(([name]) => name === caller)));
          expect(shares.held).toBeLessThan(100);
        }
        for (const { set } of holdings.values()) expect(set(0)).toBe(true);
        expect(shares.held).toBe(0);
        for (const giveBack of fill(shares, 'newest')) giveBack();
        expect(fill(shares, 'newest')).toHaveLength(timesFree === 3 ? 56 : 25);
      }),
    );
  });

  it('of nobody whom the REST API has accepted is still most of it', () => {
    const shares = createShares(HALF, nobody);
    for (let n = 0; n < 10_000; n++) shares.take(`invented ${n}`);
    expect(shares.held).toBe(4_999);
  });
});
