import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';
import { compileByRelay } from '../support/relay-compiler.ts';
import { schemaChanges } from '../support/schema-diff.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCHEMA = readFileSync(`${ROOT}schema.graphql`, 'utf8');

/** The schema with one place in it changed. */
function edited(place: string | RegExp, replacement: string): string {
  const text = SCHEMA.replace(place, replacement);
  expect(text).not.toBe(SCHEMA);
  return text;
}

describe('the lint of schema.graphql', () => {
  const eslint = new ESLint({ cwd: ROOT });

  it.each([
    [
      'a field without a description',
      / {2}"Where the backfill is in its life cycle."\n/,
      '',
      'require-description',
    ],
    ['an argument without one', / +"Ids of the transfers, at most 100."\n/, '', 'require-description'],
    ['an enum value without one', / +"A user cancelled it.*"\n/, '', 'require-description'],
    ['a type without one', '"Why one transfer run of a backfill failed."\n', '', 'require-description'],
    ['a field in another style', 'isStale: Boolean!', 'is_stale: Boolean!', 'naming-convention'],
    [
      'a deprecation without a reason',
      'isStale: Boolean!',
      'isStale: Boolean! @deprecated',
      'require-deprecation-reason',
    ],
    [
      'a type that nothing leads to',
      /$/,
      '\n"A type."\ntype Lost {\n  "Id."\n  id: ID!\n}\n',
      'no-unreachable-types',
    ],
    [
      'a type without an id',
      /$/,
      '\n"A type."\ntype Lost {\n  "Name."\n  name: String\n}\n',
      'strict-id-in-types',
    ],
  ])('refuses %s', async (_name, place, replacement, rule) => {
    const [result] = await eslint.lintText(edited(place, replacement), { filePath: `${ROOT}schema.graphql` });
    expect(result?.messages.map(({ ruleId }) => ruleId)).toContain(`@graphql-eslint/${rule}`);
  });

  it('has nothing to say about it as it is', async () => {
    const [result] = await eslint.lintText(SCHEMA, { filePath: `${ROOT}schema.graphql` });
    expect(result?.messages).toEqual([]);
  });
});

describe('the diff of schema.graphql', () => {
  const verdicts = async (after: string): Promise<readonly string[]> =>
    (await schemaChanges(SCHEMA, after)).map(({ verdict, message }) => `${verdict}: ${message}`);

  it.each([
    ['nothing', /$/, '\n# a comment\n', []],
    [
      'a key taken away',
      'type Backfill @key(fields: "teamId id")',
      'type Backfill',
      [`breaking: Key 'Backfill @key(fields: "teamId id")' was removed`],
    ],
    [
      'a key that is new, in front of the other',
      'type Backfill @key(fields: "teamId id")',
      'type Backfill @key(fields: "id") @key(fields: "teamId id")',
      [`safe: Key 'Backfill @key(fields: "id")' was added`],
    ],
    [
      'a field taken away, and one that is new',
      'isStale: Boolean!',
      'isOld: Boolean!',
      [
        expect.stringContaining("breaking: Field 'isStale' was removed"),
        "safe: Field 'isOld' was added to object type 'Backfill'",
        expect.stringContaining('safe: '),
      ],
    ],
    [
      'a status that clients do not know yet',
      '  CREATED\n',
      '  CREATED\n\n  "Halted."\n  PAUSED\n',
      [
        "dangerous: Enum value 'PAUSED' was added to enum 'BackfillStatus'",
        expect.stringContaining('safe: '),
      ],
    ],
  ])('knows %s', async (_name, place, replacement, expected) => {
    expect(await verdicts(edited(place, replacement))).toEqual(expected);
  });
});

describe("Relay's compiler", () => {
  it.each([
    [
      'a query',
      'query pageQuery { transfers(ids: ["1"]) { id teamId latestBackfill { id teamId status } } }',
    ],
    ['a mutation', 'mutation pageMutation { cancelBackfill(id: "1") { id teamId status } }'],
    ['a subscription', 'subscription pageSubscription { backfillUpdated(id: "1") { id teamId status } }'],
  ])('compiles %s against schema.graphql as it is', async (_kind, document) => {
    const [, name = ''] = /(page\w+)/.exec(document) ?? [];
    expect(await compileByRelay(SCHEMA, document)).toEqual([`${name}.graphql.ts`]);
  });
});
