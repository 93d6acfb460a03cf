import { describe, expect, it } from 'vitest';
import { codesOf, startStack } from '../harness.ts';

/**
 * The twelve probes with which scanners try a GraphQL server. Two of them flag this gateway on purpose, and their tests
 * say why.
 */
describe('a scanner that tries', () => {
  it('alias overloading gets 300 aliases, because a wall of transfers is made of them, and never 401', async () => {
    const { query } = await startStack();
    const aliases = (count: number): string =>
      `{ ${Array.from({ length: count }, (_, n) => `a${n}: __typename`).join(' ')} }`;
    expect((await query(aliases(300))).errors).toBeUndefined();
    const beyond = await query(aliases(401));
    expect(beyond.data).toBeUndefined();
    expect(beyond.errors).toMatchObject([
      {
        message: 'A selection set may hold at most 400 selections.',
        extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
      },
    ]);
  });

  it.each([
    ['as it is', `{ ${'__typename '.repeat(500)} }`],
    ['in inline fragments', `{ ${`... { ${'__typename '.repeat(100)} } `.repeat(5)} }`],
    ['below a field', `{ transfer(id: 1) { ${'id '.repeat(500)} } }`],
    ['in a fragment', `{ ...F } fragment F on Query { ${'__typename '.repeat(500)} }`],
  ])('field duplication gets one error for 500 times the same field, %s', async (_where, text) => {
    const { query } = await startStack();
    const { data, errors } = await query(text);
    expect(data).toBeUndefined();
    expect(errors?.map(({ message }) => message)).toEqual([
      'A selection set may hold at most 400 selections.',
    ]);
  });

  it('directive overloading gets five errors for any number of unknown directives, and the end of validation', async () => {
    const { query } = await startStack();
    for (const count of [10, 1_000]) {
      const { errors } = await query(`{ __typename ${'@aa '.repeat(count)} }`);
      expect(errors).toHaveLength(6);
      expect(errors?.at(-1)?.message).toContain('Too many validation errors');
    }
  });

  it('circular introspection is refused by its depth', async () => {
    const { query } = await startStack();
    const circle = 'fields { type { '.repeat(4) + 'name' + ' } }'.repeat(4);
    const { data, errors } = await query(`{ __schema { types { ${circle} } } }`);
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([{ message: expect.stringContaining('introspection depth') }]);
  });

  it('array batching gets one error and no answer of any of the operations', async () => {
    const { origin } = await startStack();
    const response = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(Array.from({ length: 10 }, () => ({ query: '{ __typename }' }))),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ errors: [expect.anything()] });
  });

  it('a query by GET is answered, because HTTP caches and persisted queries need it and a query changes nothing', async () => {
    const { origin } = await startStack();
    const response = await fetch(`${origin}/graphql?query={__typename}`);
    expect(await response.json()).toEqual({ data: { __typename: 'Query' } });
  });

  it('a mutation by GET is refused with 405 before it is validated, though the schema has none yet', async () => {
    const { origin } = await startStack();
    const text = encodeURIComponent('mutation { __typename }');
    const response = await fetch(`${origin}/graphql?query=${text}`);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    expect(await response.json()).not.toHaveProperty('data');
  });

  it('a form is refused with 415, since any web page can make a browser send it', async () => {
    const { origin } = await startStack();
    const response = await fetch(`${origin}/graphql`, {
      method: 'POST',
      body: new URLSearchParams({ query: '{ __typename }' }),
    });
    expect(response.status).toBe(415);
    expect(await response.json()).not.toHaveProperty('data');
  });

  it('field suggestions gets none in production, where they would spell out the hidden schema', async () => {
    const { query } = await startStack({ NODE_ENV: 'production' });
    const { body } = await query('{ backfil(id: 1) { id } }');
    expect(body).not.toMatch(/did you mean|"backfill"/i);
    expect(codesOf(await query('{ __schema { directives { name } } }'))).toContain(
      'GRAPHQL_VALIDATION_FAILED',
    );
  });

  it('trace extensions gets none, whatever it asks for', async () => {
    const { query } = await startStack();
    for (const headers of [{}, { 'apollo-tracing': '1', 'apollo-federation-include-trace': 'ftv1' }]) {
      expect((await query('{ __typename }', { headers })).body).toBe('{"data":{"__typename":"Query"}}');
    }
  });

  it.each(['/', '/graphql', '/graphiql', '/playground', '/console', '/altair', '/debug'])(
    'debug pages gets none at %s in production',
    async (path) => {
      const { origin } = await startStack({ NODE_ENV: 'production' });
      const response = await fetch(`${origin}${path}`, { headers: { accept: 'text/html' } });
      expect(await response.text()).not.toMatch(/<html|graphiql|playground/i);
    },
  );

  it.each([
    'queryy cop { __typename }',
    '{',
    '',
    'query ($a: Nope) { __typename }',
    '{ backfill(id: {}) { id } }',
  ])('unhandled errors gets a sentence and a code for %j, and no stack, path or exception', async (text) => {
    const { query } = await startStack();
    const { body, errors } = await query(text);
    expect(errors?.length).toBeGreaterThan(0);
    expect(codesOf({ errors })).not.toContain('INTERNAL_SERVER_ERROR');
    expect(body).not.toMatch(/exception|stack|node_modules|\.[jt]s\b|at \w+ \(/i);
  });
});
