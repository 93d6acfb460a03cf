import { readFileSync } from 'node:fs';
import {
  buildASTSchema,
  buildSchema,
  GraphQLSchema,
  lexicographicSortSchema,
  parse,
  printSchema,
  visit,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { printApiSchema } from '../../src/client/api-schema.ts';
import { createGatewaySchema } from '../../src/graphql/schema.ts';
import { SCHEMA_DESCRIPTION } from '../../src/graphql/schema-description.ts';
import { composeByGuild } from '../support/compose.ts';
import { compileByRelay } from '../support/relay-compiler.ts';

const sdl = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');
const api = printApiSchema(createGatewaySchema());

/** Of a schema's text, whatever its order. */
function sorted(text: string): string {
  return printSchema(lexicographicSortSchema(buildSchema(text)));
}

describe('the API schema', () => {
  it('is schema.graphql without the directives of federation, with each description and that of the whole', () => {
    const own = visit(parse(sdl), {
      Directive: ({ name }) => (['specifiedBy', 'deprecated'].includes(name.value) ? undefined : null),
    });
    const described = { ...buildASTSchema(own).toConfig(), description: SCHEMA_DESCRIPTION };
    expect(sorted(api)).toBe(printSchema(lexicographicSortSchema(new GraphQLSchema(described))));
  });

  it('is what clients of a router see', () => {
    const { api: routed } = composeByGuild([{ name: 'backfills', url: 'http://127.0.0.1/graphql', sdl }]);
    if (routed === undefined) throw new Error('it composes');
    const withoutDescriptions = (text: string): string => sorted(text.replaceAll(/^ *""".*?"""\n/gms, ''));
    expect(withoutDescriptions(api)).toBe(withoutDescriptions(printSchema(routed)));
  });

  it('declares every directive that it has, and nothing of federation', () => {
    // It refuses what schema.graphql is refused for.
    expect(() => buildSchema(sdl)).toThrow('Unknown directive "@link"');
    expect(() => buildSchema(api)).not.toThrow();
    expect(api).not.toMatch(/@(?!specifiedBy|deprecated)|\b_\w+|\w__/);
  });

  it("is read by Relay's compiler", async () => {
    const document =
      'query pageQuery { transfers(ids: ["1"]) { id teamId latestBackfill { id teamId status } } }';
    expect(await compileByRelay(api, document)).toEqual(['pageQuery.graphql.ts']);
  });
});
