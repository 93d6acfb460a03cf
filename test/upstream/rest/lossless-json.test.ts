import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../../src/upstream/rest/lossless-json.ts';

describe('parseJson', () => {
  /** Replaces integers that a JavaScript number cannot hold exactly. */
  const exact = (value: unknown): unknown => {
    if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value) ? 0 : value;
    if (Array.isArray(value)) return value.map(exact);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, exact(item)]));
  };
  const outcome = (parse: (text: string) => unknown, text: string): unknown => {
    try {
      return { value: parse(text) };
    } catch (error) {
      return error instanceof SyntaxError ? 'SyntaxError' : error;
    }
  };
  const LONG = '12345678901234567890';

  it('keeps an integer beyond 2^53 as its digits, and any other as a number', () => {
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

  it('throws on a text that is not JSON, with long digits or without', () => {
    expect(() => parseJson('{"a":')).toThrow(SyntaxError);
    expect(() => parseJson('{"a":9007199254740993')).toThrow(SyntaxError);
    expect(() => parseJson('{9007199254740993 : 1}')).toThrow(SyntaxError);
    expect(() => parseJson('[009007199254740993]')).toThrow(SyntaxError);
  });

  it('agrees with JSON.parse on every text whose numbers are exact, also beside long digits', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 }).map(exact),
        fc.nat(4),
        (value, space) => {
          const text = JSON.stringify(value, null, space);
          expect(parseJson(text)).toEqual(JSON.parse(text));
          expect(parseJson(`[${text},"${LONG}"]`)).toEqual([JSON.parse(text), LONG]);
          expect(parseJson(`[${LONG},${text}]`)).toEqual([LONG, JSON.parse(text)]);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('accepts the same texts as JSON.parse, and takes the same value for a repeated key', () => {
    const tokens = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"',
        '\\',
        '0',
        '12',
        '-',
        '.',
        'e',
        '+',
        ' ',
        '\t',
        '\n',
        'true',
        'null',
      ],
      ...[
        '"a"',
        '"a":',
        '"a":1,',
        '"__proto__":',
        '"\\u0061":',
        '\u00a0',
        '\ufeff',
        '\u2028',
        '\u0000',
        '\ud800',
      ],
    );
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        expect(outcome(parseJson, text)).toEqual(outcome(JSON.parse, text));
        const long = `[${text},"${LONG}"]`;
        expect(outcome(parseJson, long)).toEqual(outcome(JSON.parse, long));
        const object = `{"a":[${text}],"a":"last","b":"${LONG}"}`;
        expect(outcome(parseJson, object)).toEqual(outcome(JSON.parse, object));
      }),
      { numRuns: 10_000 },
    );
  });

  it('keeps every integer exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), (integer) => {
        expect(String(parseJson(`{"id":${integer}}`.replace(/^.*:|}$/g, '')))).toBe(String(integer));
      }),
      { numRuns: 3_000 },
    );
  });
});
