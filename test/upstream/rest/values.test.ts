import { describe, expect, it } from 'vitest';
import { isResourceId } from '../../../src/ids.ts';
import { parseJson } from '../../../src/upstream/rest/lossless-json.ts';
import { toUtc } from '../../../src/upstream/rest/timestamps.ts';

describe('isResourceId', () => {
  it('takes int64 from 1 to its greatest', () => {
    for (const id of ['1', '9007199254740993', '999999999999999999', '9223372036854775807'])
      expect(isResourceId(id)).toBe(true);
    for (const id of [
      '',
      '0',
      '01',
      '9223372036854775808',
      '9999999999999999999',
      '10000000000000000000',
      '1\n',
    ]) {
      expect(isResourceId(id)).toBe(false);
    }
  });
});

describe('parseJson', () => {
  it('keeps integers that a number cannot hold as their digits, and others as numbers', () => {
    expect(
      parseJson('{"a":9007199254740993,"b":[9223372036854775807],"c":9007199254740991,"d":1.5,"e":-1}'),
    ).toEqual({
      a: '9007199254740993',
      b: ['9223372036854775807'],
      c: 9007199254740991,
      d: 1.5,
      e: -1,
    });
  });

  it('throws on what is not JSON, with long digits or without', () => {
    expect(() => parseJson('{"a":')).toThrow(SyntaxError);
    expect(() => parseJson('{"a":9007199254740993')).toThrow(SyntaxError);
  });
});

describe('toUtc', () => {
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
});
