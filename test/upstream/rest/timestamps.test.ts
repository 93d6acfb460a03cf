import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toUtc } from '../../../src/upstream/rest/timestamps.ts';

describe('toUtc', () => {
  const two = (value: number): string => String(value).padStart(2, '0');
  const moments = fc.date({
    min: new Date('0001-01-03T00:00:00Z'),
    max: new Date('9999-12-28T00:00:00Z'),
    noInvalidDate: true,
  });
  const offsets = fc.oneof(
    fc.constantFrom(0, 0, 330, -210),
    fc.integer({ min: -(23 * 60 + 59), max: 23 * 60 + 59 }),
  );
  const styles = fc.record({
    separator: fc.constantFrom('T', 't', ' '),
    zulu: fc.constantFrom('Z', 'z', '+00:00', '-00:00', '+0000'),
    colon: fc.boolean(),
    fraction: fc.constantFrom('none', 'short', 'milliseconds', 'nanoseconds'),
  });

  it.each([
    ['2024-02-01T09:00:00Z', '2024-02-01T09:00:00Z'],
    ['2024-02-01T09:00:00.000Z', '2024-02-01T09:00:00Z'],
    ['2024-02-01T09:00:00.120Z', '2024-02-01T09:00:00.120Z'],
    ['2024-02-01T09:00:00+0000', '2024-02-01T09:00:00Z'],
    ['2024-02-01T09:00:00+00:00', '2024-02-01T09:00:00Z'],
    ['2024-02-01T01:30:00+05:30', '2024-01-31T20:00:00Z'],
    ['2024-02-01 09:00:00z', '2024-02-01T09:00:00Z'],
    ['2024-02-01T09:00:00', undefined],
    ['2024-02-01', undefined],
    ['2024-02-30T09:00:00Z', undefined],
    ['2024-13-01T09:00:00Z', undefined],
    ['1706778000', undefined],
    ['', undefined],
  ])('brings %j to %j', (given, utc) => {
    expect(toUtc(given)).toBe(utc);
  });

  it('denotes the same moment as its input in every valid form', () => {
    fc.assert(
      fc.property(moments, offsets, styles, (date, offset, { separator, zulu, colon, fraction }) => {
        const moment = fraction === 'none' ? new Date(Math.floor(date.getTime() / 1000) * 1000) : date;
        const local = new Date(moment.getTime() + offset * 60_000).toISOString();
        const digits =
          fraction === 'none'
            ? ''
            : fraction === 'short'
              ? local.slice(19, 23).replace(/0+$/, '').replace(/\.$/, '')
              : local.slice(19, 23) + (fraction === 'nanoseconds' ? '999999' : '');
        const distance = Math.abs(offset);
        const zone =
          offset === 0
            ? zulu
            : `${offset < 0 ? '-' : '+'}${two(Math.floor(distance / 60))}${colon ? ':' : ''}${two(distance % 60)}`;
        const utc = toUtc(`${local.slice(0, 10)}${separator}${local.slice(11, 19)}${digits}${zone}`) ?? '';
        expect(utc).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/);
        expect(Date.parse(utc)).toBe(moment.getTime());
        expect(toUtc(utc)).toBe(utc);
      }),
      { numRuns: 5_000 },
    );
  });

  it('accepts only texts that denote a moment, and never throws', () => {
    const near = fc
      .array(fc.constantFrom('0', '1', '2', '3', '9', '-', ':', 'T', 'Z', '.', '+', ' '), { maxLength: 25 })
      .map((parts) => parts.join(''));
    // Hour 24 is not in RFC 3339 and is accepted as hour 0 of the next day.
    const hours = fc.nat(25).filter((hour) => hour !== 24);
    const calendar = fc
      .tuple(fc.nat(9999), fc.nat(14), fc.nat(32), hours, fc.nat(61), fc.nat(61))
      .map(([year, ...rest]) => {
        const [month = '', day = '', ...time] = rest.map(two);
        return `${String(year).padStart(4, '0')}-${month}-${day}T${time.join(':')}Z`;
      });
    fc.assert(
      fc.property(fc.oneof(near, calendar, fc.string({ unit: 'binary' })), (text) => {
        const utc = toUtc(text);
        if (utc === undefined) return;
        expect(new Date(utc).toISOString().replace('.000Z', 'Z')).toBe(utc);
        // The day of the input is the day of the result.
        if (text.endsWith('Z') && text.length === 20)
          expect(utc.slice(0, 19)).toBe(text.slice(0, 19).replace(' ', 'T'));
      }),
      { numRuns: 10_000 },
    );
  });
});
