import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isResourceId } from '../src/ids.ts';

describe('isResourceId', () => {
  it('accepts 1 to the greatest int64', () => {
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

  it('accepts positive int64 and nothing else', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.bigInt({ min: -5n, max: 2n ** 65n }).map(String), fc.string({ unit: 'binary' })),
        (text) => {
          const digits = /^(0|[1-9]\d*)$/.test(text) ? BigInt(text) : 0n;
          expect(isResourceId(text)).toBe(digits > 0n && digits < 2n ** 63n);
        },
      ),
      { numRuns: 5_000 },
    );
  });
});
