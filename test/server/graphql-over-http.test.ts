import { serverAudits } from 'graphql-http';
import { expect, it } from 'vitest';
import { startStack } from '../harness.ts';

const audits = serverAudits({ url: 'http://unused.invalid' });

it.each(audits.map(({ id, name }) => ({ id, name })))('$id $name', async ({ id }) => {
  const { origin } = await startStack();
  const audit = serverAudits({ url: `${origin}/graphql` }).find((one) => one.id === id);
  const result = await audit?.fn();
  expect(result).toMatchObject({ status: 'ok' });
});
