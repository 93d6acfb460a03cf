/* eslint @typescript-eslint/no-unsafe-class-instance-assignment: off -- it overflows the stack on types of syntax trees */
import { readdirSync, readFileSync } from 'node:fs';
import {
  buildSchema,
  type DocumentNode,
  type FragmentDefinitionNode,
  getNamedType,
  Kind,
  parse,
  type SelectionSetNode,
  TypeInfo,
  validate,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { CANCEL_TAB, CREATE_TAB, FIRST_TAB } from '../../src/demo/operations.ts';
import { CANCEL, LIVE, START, TRANSFERS, WHAT_BECAME } from '../../src/demo/page/operations.ts';
import { LIST_TAB, LIVE_LIST_TAB, progressTab } from '../../src/server/graphiql-tabs.ts';

const ROOT = new URL('../..', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const schema = buildSchema(read('schema.graphql'), { assumeValidSDL: true });

/** Types whose ids are unique only within a team. */
const WITHIN_A_TEAM: ReadonlySet<string> = new Set(['Transfer', 'Backfill']);

/** The selections that a cache cannot tell from those of another team, as `Query.transfers` or `fragment Progress`. */
function withoutTeam(document: DocumentNode): readonly string[] {
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  const found: string[] = [];
  const types = new TypeInfo(schema);
  const check = (selections: SelectionSetNode, place: string): void => {
    const type = getNamedType(types.getType());
    const fields = fieldsOf(selections, fragments);
    if (WITHIN_A_TEAM.has(type?.name ?? '') && !(fields.includes('id') && fields.includes('teamId')))
      found.push(place);
  };
  const visitor = {
    Field(field: {
      readonly name: { readonly value: string };
      readonly selectionSet?: SelectionSetNode | undefined;
    }) {
      const parent = types.getParentType()?.name ?? '';
      if (field.selectionSet) check(field.selectionSet, `${parent}.${field.name.value}`);
    },
    FragmentDefinition({ name, selectionSet }: FragmentDefinitionNode) {
      check(selectionSet, `fragment ${name.value}`);
    },
  };
  visit(document, visitWithTypeInfo(types, visitor));
  return found;
}

/** The names of fields in the answer, those of fragments included. */
function fieldsOf(
  { selections }: SelectionSetNode,
  fragments: readonly FragmentDefinitionNode[],
): readonly string[] {
  return selections.flatMap((selection) => {
    switch (selection.kind) {
      case Kind.FIELD:
        return selection.alias === undefined ? [selection.name.value] : [];
      case Kind.INLINE_FRAGMENT:
        return fieldsOf(selection.selectionSet, fragments);
      case Kind.FRAGMENT_SPREAD: {
        const fragment = fragments.find(({ name }) => name.value === selection.name.value);
        return fragment === undefined ? [] : fieldsOf(fragment.selectionSet, fragments);
      }
    }
  });
}

/** The operations of a page: blocks of GraphQL, `query = '…'` in code, and `"query":"…"` in JSON. */
function operationsOf(page: string): readonly string[] {
  const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  return blocks.flatMap(([, language = '', text = '']) => {
    if (language === 'graphql') return /^(query|mutation|subscription|\{)/m.test(text) ? [text] : [];
    const inCode = [...text.matchAll(/\bquery = (['`])(.*?)\1/gs)].map(([, , operation = '']) => operation);
    const inJson = [...text.matchAll(/"query":("(?:[^"\\]|\\.)*")/g)].map(
      ([, json = '""']) => JSON.parse(json) as string,
    );
    return [...inCode, ...inJson];
  });
}

function expectToNameTeams(text: string): void {
  const document = parse(text);
  expect(validate(schema, document).map(({ message }) => message)).toEqual([]);
  expect(withoutTeam(document)).toEqual([]);
}

describe('each example operation fits the schema and has id and teamId wherever a cache needs them', () => {
  const folder = new URL('./', import.meta.url);

  it('in the documents of the recipes', () => {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.graphql'),
    );
    expect(files).toContain('dashboard.graphql');
    expectToNameTeams(files.map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n'));
  });

  it.each(['README.md', 'src/graphql/README.md', 'test/client/README.md'])('in %s', (page) => {
    for (const operation of operationsOf(read(page))) expectToNameTeams(operation);
  });

  it("in GraphiQL's tabs, the demo's included", () => {
    const tabs = [FIRST_TAB, LIST_TAB, LIVE_LIST_TAB, progressTab('1', '# One.'), CREATE_TAB, CANCEL_TAB];
    for (const { query } of tabs) expectToNameTeams(query);
  });

  it("on the demo's page", () => {
    for (const { text } of [LIVE, TRANSFERS, START, CANCEL, WHAT_BECAME]) expectToNameTeams(text);
  });

  it('finds the operations of a page, whatever they stand in', () => {
    const page = [
      '```graphql\nquery A { x }\n```',
      '```graphql\ntype T {\n  id: ID!\n}\n```',
      "```ts\nconst query = 'subscription B { y }';\n```",
      '```sh\ncurl -d \'{"query":"{ z(a: \\"1\\") { id } }"}\'\n```',
    ].join('\n\n');
    expect(operationsOf(page)).toEqual(['query A { x }\n', 'subscription B { y }', '{ z(a: "1") { id } }']);
  });

  it.each([
    ['{ transfer(id: "1") { id latestBackfill { id teamId } } }', ['Query.transfer']],
    [
      '{ transfer(id: "1") { ...Latest } } fragment Latest on Transfer { id }',
      ['Query.transfer', 'fragment Latest'],
    ],
    [
      '{ transfers(ids: ["1"]) { id teamId: id latestBackfill { status } } }',
      ['Query.transfers', 'Transfer.latestBackfill'],
    ],
    ['{ incompleteBackfills { items { id teamId errorReport { error } } isPartial } }', []],
    ['subscription { backfillUpdated(id: "1") { ...P } } fragment P on Backfill { id teamId status }', []],
  ])('finds what has none: %s', (text, places) => {
    expect(withoutTeam(parse(text))).toEqual(places);
  });
});
