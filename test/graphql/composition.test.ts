import { readFileSync } from 'node:fs';
import { type GraphQLSchema, isObjectType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { composeByApollo, composeByGuild } from '../support/compose.ts';
import { OWNER_BY_ID, transfersSdl } from '../support/transfers-subgraph.ts';

const schema = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');
const url = 'http://127.0.0.1/graphql';
const own = (sdl = schema) => ({ name: 'backfills', url, sdl });
const owner = (sdl = transfersSdl()) => ({ name: 'transfers', url, sdl });

function fieldsOf(api: GraphQLSchema | undefined, name: string): readonly string[] {
  const type = api?.getType(name);
  return isObjectType(type) ? Object.keys(type.getFields()) : [];
}

/** In the words of both composers. */
const notReachedFromOwner = (selection: string): string => {
  const [field = ''] = selection.split(' ', 1);
  return `SATISFIABILITY_ERROR: The following supergraph API query:
{
  transfersOfTeam(teamId: "<any id>") {
    ${selection}
  }
}
cannot be satisfied by the subgraphs because:
- from subgraph "transfers":
  - cannot find field "Transfer.${field}".
  - cannot move to subgraph "backfills" using @key(fields: "teamId id") of "Transfer", the key field(s) cannot be resolved from subgraph "transfers".`;
};

describe.each([
  ['@theguild/federation-composition', composeByGuild],
  ['@apollo/composition', composeByApollo],
] as const)('%s', (_name, compose) => {
  it('composes schema.graphql on its own', () => {
    const { errors, api } = compose([own()]);
    expect(errors).toEqual([]);
    expect(fieldsOf(api, 'Query')).toEqual(expect.arrayContaining(['backfill', 'transfer', 'transfers']));
    expect(fieldsOf(api, 'Query')).not.toEqual(expect.arrayContaining(['_service']));
  });

  it('composes it with the owner of transfers into one Transfer that has the fields of both', () => {
    const { errors, api } = compose([own(), owner()]);
    expect(errors).toEqual([]);
    expect(fieldsOf(api, 'Query')).toEqual(
      expect.arrayContaining(['backfill', 'transfer', 'transfers', 'transfersOfTeam']),
    );
    expect([...fieldsOf(api, 'Transfer')].sort()).toEqual(['id', 'latestBackfill', 'name', 'teamId']);
  });

  it.each([
    [
      'shares Query.transfer',
      transfersSdl({ transfer: 'transfer(id: ID!, teamId: ID): Transfer @shareable' }),
    ],
    [
      'overrides Query.transfer and must be told the team',
      transfersSdl({ transfer: 'transfer(id: ID!, teamId: ID!): Transfer @override(from: "backfills")' }),
    ],
    ['has no Query.transfer', transfersSdl({ transfer: '' })],
    ['joins other subgraphs by id alone, and this one by team and id', OWNER_BY_ID],
    [
      'has no key with its teamId, and shares that',
      transfersSdl({ keys: '@key(fields: "id")', teamId: 'teamId: ID! @shareable' }),
    ],
  ] as const)('composes it with an owner that %s', (_description, sdl) => {
    const { errors, api } = compose([own(), owner(sdl)]);
    expect(errors).toEqual([]);
    expect(fieldsOf(api, 'Transfer')).toEqual(expect.arrayContaining(['id', 'name', 'latestBackfill']));
  });

  it('composes with a third subgraph that knows transfers by id alone, where their owner knows the team', () => {
    const reports = /* GraphQL */ `
      extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
      type Query {
        reported: [Transfer!]!
      }
      type Transfer @key(fields: "id", resolvable: false) {
        id: ID!
      }
    `;
    const third = { name: 'reports', url, sdl: reports };
    expect(compose([own(), owner(OWNER_BY_ID), third]).errors).toEqual([]);
    expect(compose([own(), owner(), third]).errors).toContainEqual(
      expect.stringContaining('using @key(fields: "teamId id") of "Transfer", the key field(s) cannot be'),
    );
  });

  it('composes nothing with an owner without teamId, and says which key that lacks', () => {
    const { errors, supergraph } = compose([
      own(),
      owner(transfersSdl({ keys: '@key(fields: "id")', teamId: '', transfer: '' })),
    ]);
    expect(supergraph).toBeUndefined();
    expect(errors).toEqual(['teamId', 'latestBackfill {\n      ...\n    }'].map(notReachedFromOwner));
  });

  it.each([
    [
      '@key in schema.graphql',
      'Transfer.id',
      [own(schema.replaceAll(/ @key\(fields: "[^"]*"\)/g, '')), owner()],
    ],
    [
      '@shareable in schema.graphql, of a field that the owner shares',
      'Query.transfer',
      [
        own(schema.replaceAll(' @shareable', '')),
        owner(transfersSdl({ transfer: 'transfer(id: ID!, teamId: ID): Transfer @shareable' })),
      ],
    ],
    [
      '@override or @shareable in the owner',
      'Query.transfer',
      [own(), owner(transfersSdl({ transfer: 'transfer(id: ID!, teamId: ID): Transfer' }))],
    ],
    [
      '@shareable of the teamId of an owner whose keys do not have it',
      'Transfer.teamId',
      [own(), owner(transfersSdl({ keys: '@key(fields: "id")' }))],
    ],
  ] as const)('composes nothing without %s', (_missing, field, subgraphs) => {
    const { errors, supergraph } = compose(subgraphs);
    expect(errors).toContainEqual(
      expect.stringContaining(`INVALID_FIELD_SHARING: Non-shareable field "${field}" is resolved`),
    );
    expect(supergraph).toBeUndefined();
  });
});
