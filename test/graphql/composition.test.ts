import { readFileSync } from 'node:fs';
import { type GraphQLSchema, isObjectType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { composeByApollo, composeByGuild } from '../support/compose.ts';
import { transfersSdl } from '../support/transfers-subgraph.ts';

const schema = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');
const url = 'http://127.0.0.1/graphql';
const own = (sdl = schema) => ({ name: 'backfills', url, sdl });
const owner = (sdl = transfersSdl()) => ({ name: 'transfers', url, sdl });

function fieldsOf(api: GraphQLSchema | undefined, name: string): readonly string[] {
  const type = api?.getType(name);
  return isObjectType(type) ? Object.keys(type.getFields()) : [];
}

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
    [
      'knows a transfer by id alone and has no teamId',
      transfersSdl({ keys: '@key(fields: "id")', teamId: '' }),
    ],
    [
      'knows a transfer by id alone and shares teamId',
      transfersSdl({ keys: '@key(fields: "id")', teamId: 'teamId: ID! @shareable' }),
    ],
    ['knows a transfer by team and id only', transfersSdl({ keys: '@key(fields: "teamId id")' })],
  ] as const)('composes it with an owner that %s', (_description, sdl) => {
    const { errors, api } = compose([own(), owner(sdl)]);
    expect(errors).toEqual([]);
    expect(fieldsOf(api, 'Transfer')).toEqual(expect.arrayContaining(['id', 'name', 'latestBackfill']));
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
