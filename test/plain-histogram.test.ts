import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { PlainHistogram } from '../src/plain-histogram.ts';

it('a plain histogram writes what one of prom-client does for the same values, those on a bound included', async () => {
  const buckets = [0.1, 1, 2.5, 300];
  const value = fc.oneof(
    fc.constantFrom(...buckets, 0),
    fc.integer({ min: 0, max: 400_000 }).map((n) => n / 1024),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(value, { maxLength: 50 }), async (values) => {
      const registry = new Registry();
      const right = new Histogram({ name: 'age', help: 'Ages.', buckets, registers: [registry] });
      const plain = new PlainHistogram('age', 'Ages.', buckets);
      for (const each of values) {
        right.observe(each);
        plain.observe(each);
      }
      expect(plain.text()).toBe(await registry.metrics());
    }),
  );
});
