import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { quoteResults, readResult } from './results.ts';

const README = readFileSync(new URL('README.md', import.meta.url), 'utf8');

it('the README quotes every part that the bench records, word for word', () => {
  const quoted = [...README.matchAll(/<!-- results\/(\S+)\.md -->/g)].map(([, name]) => name);
  expect(quoted).toEqual([
    'speed',
    'start',
    'memory',
    'nodes',
    'fleet',
    'burst',
    'truth',
    'frontier',
    'economy',
    'sizing',
    'replicas',
  ]);
  expect(quoteResults(README, readResult)).toBe(README);
});

it('a quotation becomes what its file has, and says so where there is none', () => {
  const readme =
    'A\n<!-- results/a.md -->\nold\n<!-- end of results/a.md -->\nB\n<!-- results/b.md -->\n<!-- end of results/b.md -->\n';
  expect(
    quoteResults(readme, (name) =>
      name === 'a.md' ? '| $1 |\n\n![of](picture.svg) [x](https://x.org)\n' : undefined,
    ),
  ).toBe(
    'A\n<!-- results/a.md -->\n\n| $1 |\n\n![of](results/picture.svg) [x](https://x.org)\n\n<!-- end of results/a.md -->\nB\n<!-- results/b.md -->\n\nNot recorded yet.\n\n<!-- end of results/b.md -->\n',
  );
});
