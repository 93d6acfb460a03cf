import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { recipe } from '../../support/recipes.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const instructions = [...recipe('Containerfile').matchAll(/^([A-Z]+) (.*)$/gm)].map(
  ([, name = '', value = '']) => [name, value] as const,
);
const all = (name: string): readonly string[] =>
  instructions.filter((instruction) => instruction[0] === name).map(([, value]) => value);

it('the container runs the gateway as process 1, unprivileged, at the default port', () => {
  const [program, file] = JSON.parse(all('ENTRYPOINT')[0] ?? '[]') as string[];
  expect([program, file]).toEqual(['/usr/local/bin/node', `${all('WORKDIR').at(-1)}/dist/main.js`]);
  expect(all('USER')).toEqual(['10001:10001']);
  expect(all('EXPOSE')).toEqual([String(loadConfig({}).PORT)]);
});

it('the container is built of files and by scripts that there are', () => {
  const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const [, script = ''] of all('RUN')
    .join(' ')
    .matchAll(/npm run (\S+)/g))
    expect(scripts).toHaveProperty(script);
  const copied = all('COPY').filter((value) => !value.startsWith('--from'));
  for (const file of copied.flatMap((value) => value.split(' ').slice(0, -1)))
    expect([file, existsSync(`${ROOT}${file}`)]).toEqual([file, true]);
});
