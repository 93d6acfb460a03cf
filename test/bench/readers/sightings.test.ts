import { describe, expect, it } from 'vitest';
import type { Row } from '../living-world.ts';
import { Sightings } from './sightings.ts';

const ROW: Row = {
  transferId: 5,
  states: [
    { at: 0, version: 0, backfillId: 50, status: 'RUNNING' },
    { at: 1_000, version: 1, backfillId: 50, status: 'RUNNING' },
    { at: 2_000, version: 2, backfillId: 50, status: 'COMPLETED' },
    { at: 9_000, version: 3, backfillId: 51, status: 'RUNNING' },
  ],
};

const STATUS = ['RUNNING', 'RUNNING', 'COMPLETED', 'RUNNING'];
const shown = (version: number) => ({
  id: version < 3 ? '50' : '51',
  status: STATUS[version] ?? '',
  version,
});

function reader(window = { from: 0, until: 10_000 }) {
  const delays: number[] = [];
  const sightings = new Sightings(ROW, { lastVersion: 3, ...window, onDelay: (ms) => delays.push(ms) });
  return {
    delays,
    sightings,
    see: (version: number, now: number) => sightings.take(shown(version), now, sightings.seen),
  };
}

describe('what a reader sees', () => {
  it('is timed from each change, also from those that were overtaken before it saw them', () => {
    const { see, delays, sightings } = reader();
    expect([see(0, 500), see(0, 900), see(2, 2_600), see(3, 9_050)]).toEqual(['new', 'known', 'new', 'new']);
    expect(delays).toEqual([1_600, 600, 50]);
    expect(sightings.unseen).toBe(0);
  });

  it('is not timed where the reader came after the change, or the change is outside of the window', () => {
    const late = reader();
    late.see(1, 5_000);
    expect(late.delays).toEqual([]);
    const narrow = reader({ from: 1_500, until: 2_000 });
    narrow.see(0, 10);
    narrow.see(3, 9_010);
    expect(narrow.delays).toEqual([]);
  });

  it('counts what it has not seen yet', () => {
    const { see, sightings } = reader();
    expect(sightings.unseen).toBe(4);
    see(1, 1_500);
    expect(sightings.unseen).toBe(2);
  });

  it.each([
    ['a state that is still to come', { ...shown(1) }, 900],
    ['a version that never is', { id: '51', status: 'RUNNING', version: 9 }, 20_000],
    ['another backfill', { ...shown(1), id: '51' }, 1_500],
    ['another status', { ...shown(2), status: 'RUNNING' }, 2_500],
  ])('is wrong where it is %s', (_what, value, now) => {
    const { sightings, delays } = reader();
    expect(sightings.take(value, now, -1)).toBe('wrong');
    expect([sightings.seen, delays]).toEqual([-1, []]);
  });

  it('is older only where the reader knew better when it asked, not where answers overtook each other', () => {
    const { sightings, see, delays } = reader();
    see(0, 100);
    const knownWhenAsked = sightings.seen;
    see(2, 2_100);
    expect(sightings.take(shown(1), 2_150, knownWhenAsked)).toBe('known');
    expect(sightings.take(shown(1), 2_200, sightings.seen)).toBe('older');
    expect([sightings.seen, delays]).toEqual([2, [1_100, 100]]);
  });
});
