import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codesOf, startStack } from '../harness.ts';

const ENTITIES = `query ($representations: [_Any!]!) {
  _entities(representations: $representations) {
    ... on Transfer { id teamId latestBackfill { id status } }
    ... on Backfill { id teamId status transfer { id } }
  }
}`;

const EVERY_FIELD = `id teamId transfer { id teamId } status rangeStartDate rangeEndDate createdTime createdUserId
  startTime endTime removedTime removedUserId transferRunsTotal transferRunsCreated transferRunsCompleted
  transferRunsFailed progress estimatedEndTime errorReport { transferRunDate error } fetchedAt isStale`;

describe('_service', () => {
  it('gives schema.graphql verbatim, to anyone, with introspection off too', async () => {
    const { query } = await startStack({ INTROSPECTION: 'false' });
    const { data, errors } = await query('{ _service { sdl } }', { token: null, team: null });
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      _service: { sdl: readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8') },
    });
  });
});

describe('_entities', () => {
  it('resolves transfers and backfills by team and id, each with one read however often it is named', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const other = world.addBackfill({ teamId: '2', transferId: '6', status: 'FAILED' });
    const { data, errors } = await query(ENTITIES, {
      variables: {
        representations: [
          { __typename: 'Transfer', id: '5' },
          { __typename: 'Transfer', id: '6', teamId: '2' },
          { __typename: 'Backfill', id },
          { __typename: 'Backfill', id: other, teamId: '2' },
          { __typename: 'Transfer', teamId: '1', id: 5 },
          { __typename: 'Transfer', teamId: null, id: '7' },
        ],
      },
    });
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      _entities: [
        { id: '5', teamId: '1', latestBackfill: { id, status: 'RUNNING' } },
        { id: '6', teamId: '2', latestBackfill: { id: other, status: 'FAILED' } },
        { id, teamId: '1', status: 'RUNNING', transfer: { id: '5' } },
        { id: other, teamId: '2', status: 'FAILED', transfer: { id: '6' } },
        { id: '5', teamId: '1', latestBackfill: { id, status: 'RUNNING' } },
        { id: '7', teamId: '1', latestBackfill: null },
      ],
    });
    expect(sandbox.calls.count()).toBe(5);
  });

  it('makes no read until a field needs one', async () => {
    const { sandbox, query } = await startStack();
    const { data, errors } = await query(
      `query ($representations: [_Any!]!) {
        _entities(representations: $representations) { __typename ...Keys ... on Backfill { teamId ...Keys } }
      }
      fragment Keys on _Entity { ... on Transfer { id teamId } ... on Backfill { id } }`,
      {
        variables: {
          representations: [
            { __typename: 'Transfer', id: '5' },
            { __typename: 'Backfill', id: '9', teamId: '3' },
          ],
        },
      },
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      _entities: [
        { __typename: 'Transfer', id: '5', teamId: '1' },
        { __typename: 'Backfill', id: '9', teamId: '3' },
      ],
    });
    expect(sandbox.calls.count()).toBe(0);
  });

  it('reads a backfill when a fragment inside a fragment asks for more than its key', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const { data } = await query(
      `query ($representations: [_Any!]!) { _entities(representations: $representations) { ...A } }
      fragment A on _Entity { ... on Backfill { id ...B ...B } }
      fragment B on Backfill { teamId status }`,
      { variables: { representations: [{ __typename: 'Backfill', id }] } },
    );
    expect(data).toEqual({ _entities: [{ id, teamId: '1', status: 'RUNNING' }] });
    expect(sandbox.calls.count()).toBe(1);
  });

  it('loses one place for one bad representation, with an error that names the fault', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    sandbox.faults.add({ when: { id: '403' }, answer: { kind: 'status', status: 403 } });
    const bad = [
      {
        representation: { __typename: 'Backfill', id: '404' },
        code: 'NOT_FOUND',
        message: 'no such backfill',
      },
      { representation: { __typename: 'Backfill', id: '403' }, code: 'FORBIDDEN', message: 'may not read' },
      {
        representation: { __typename: 'Backfill', id: '01' },
        code: 'BAD_USER_INPUT',
        message: 'The key "id" must be a whole',
      },
      {
        representation: { __typename: 'Transfer', id: '5', teamId: 'x' },
        code: 'BAD_USER_INPUT',
        message: '"teamId" must be a whole',
      },
      {
        representation: { __typename: 'Transfer' },
        code: 'BAD_USER_INPUT',
        message: 'The key "id" of a representation',
      },
      {
        representation: { __typename: 'Transfer', id: { a: 1 } },
        code: 'BAD_USER_INPUT',
        message: 'The key "id" of a representation',
      },
      {
        representation: { __typename: 'User', id: '1' },
        code: 'BAD_USER_INPUT',
        message: 'The "__typename" of a representation',
      },
      {
        representation: { __typename: 'constructor', id: '1' },
        code: 'BAD_USER_INPUT',
        message: 'The "__typename"',
      },
      { representation: { id: '1' }, code: 'BAD_USER_INPUT', message: 'The "__typename"' },
      { representation: 5, code: 'BAD_USER_INPUT', message: 'A representation must be an object' },
    ];
    const representations = [
      { __typename: 'Backfill', id },
      ...bad.map(({ representation }) => representation),
      { __typename: 'Transfer', id: '5' },
    ];
    const answer = await query(ENTITIES, { variables: { representations } });
    expect(answer.status).toBe(200);
    expect(answer.data).toEqual({
      _entities: [
        expect.objectContaining({ id, status: 'RUNNING' }),
        ...bad.map(() => null),
        expect.objectContaining({ id: '5' }),
      ],
    });
    const errors = [...(answer.errors ?? [])].sort((a, b) => Number(a.path?.[1]) - Number(b.path?.[1]));
    expect(errors).toEqual(
      bad.map(({ code, message }, n) =>
        expect.objectContaining({
          message: expect.stringContaining(message),
          path: ['_entities', n + 1],
          extensions: expect.objectContaining({ code, retryable: false, requestId: expect.any(String) }),
        }),
      ),
    );
  });

  it('refuses a numeric id that was rounded, in variables and in the query', async () => {
    const { sandbox, query } = await startStack();
    const inVariables = await query(ENTITIES, {
      variables: { representations: [{ __typename: 'Backfill', id: 2 ** 53 }] },
    });
    const inQuery = await query(
      '{ _entities(representations: [{ __typename: "Backfill", id: 9007199254740993 }]) { ... on Backfill { status } } }',
    );
    expect([...codesOf(inVariables), ...codesOf(inQuery)]).toEqual(['BAD_USER_INPUT', 'BAD_USER_INPUT']);
    expect(sandbox.calls.count()).toBe(0);
  });

  it('reads a representation without teamId for the team of the header, else for the default one', async () => {
    const { world, query } = await startStack({ SUPERMETRICS_TEAM_ID: '2' });
    const ids = ['1', '2'].map((teamId) => world.addBackfill({ teamId, transferId: '5', status: 'RUNNING' }));
    for (const [index, team] of ['1', null].entries()) {
      const representations = [
        { __typename: 'Transfer', id: '5' },
        { __typename: 'Backfill', id: ids[index] },
      ];
      const { data, errors } = await query(ENTITIES, { team, variables: { representations } });
      expect(errors).toBeUndefined();
      const teamId = String(index + 1);
      expect(data).toMatchObject({
        _entities: [
          { teamId, latestBackfill: { id: ids[index] } },
          { teamId, status: 'RUNNING' },
        ],
      });
    }
  });

  it('is BAD_USER_INPUT in its place if neither the representation nor the header names a team', async () => {
    const { sandbox, query } = await startStack();
    const { data, errors } = await query(ENTITIES, {
      team: null,
      variables: {
        representations: [
          { __typename: 'Transfer', id: '5' },
          { __typename: 'Transfer', teamId: '1', id: '5' },
        ],
      },
    });
    expect(data).toEqual({ _entities: [null, { id: '5', teamId: '1', latestBackfill: null }] });
    expect(errors).toMatchObject([{ path: ['_entities', 0], extensions: { code: 'BAD_USER_INPUT' } }]);
    expect(sandbox.calls.count()).toBe(1);
  });

  it('batches 500 representations like any list and holds them to the call limit', async () => {
    const { world, sandbox, query } = await startStack();
    const ids = Array.from({ length: 500 }, (_, n) => String(n + 1));
    for (const transferId of ids) world.addBackfill({ transferId, status: 'RUNNING' });
    const options = {
      variables: { representations: ids.map((id) => ({ __typename: 'Transfer', teamId: '1', id })) },
    };

    const capped = await query(ENTITIES, options);
    expect(codesOf(capped)).toEqual(Array.from({ length: 300 }, () => 'REQUEST_LIMIT_EXCEEDED'));
    expect(sandbox.calls.count()).toBe(200);

    const roomy = await startStack({ MAX_UPSTREAM_CALLS_PER_OPERATION: '500' });
    for (const transferId of ids) roomy.world.addBackfill({ transferId, status: 'RUNNING' });
    const { data, errors } = await roomy.query(ENTITIES, options);
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      _entities: ids.map((id) => ({ id, latestBackfill: { status: 'RUNNING' } })),
    });
    expect(roomy.sandbox.calls.count()).toBe(500);
    expect(roomy.sandbox.calls.maxInFlight).toBeLessThanOrEqual(256);
  });

  it('reports a missing credential once for the field, not for each representation', async () => {
    const { sandbox, query } = await startStack();
    const representations = Array.from({ length: 1_000 }, () => ({ __typename: 'Transfer', id: '5' }));
    const { status, data, errors, body } = await query(ENTITIES, {
      token: null,
      variables: { representations },
    });
    expect([status, data]).toEqual([200, null]);
    expect(errors).toMatchObject([{ path: ['_entities'], extensions: { code: 'UNAUTHENTICATED' } }]);
    expect(body.length).toBeLessThan(1_000);
    expect(sandbox.calls.count()).toBe(0);
  });

  it('takes 5,000 representations, duplicates that a router sends, and reads each entity once', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const representations = Array.from({ length: 5_000 }, () => ({
      __typename: 'Transfer',
      teamId: '1',
      id: '5',
    }));
    const { data, errors } = await query(ENTITIES, { variables: { representations } });
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      _entities: representations.map(() => ({
        id: '5',
        teamId: '1',
        latestBackfill: { id, status: 'RUNNING' },
      })),
    });
    expect(sandbox.calls.count()).toBe(1);
  });

  it('refuses more than 5,000 by one error that names the limit, also when aliases add up to them', async () => {
    const { sandbox, query } = await startStack();
    const many = (length: number) => Array.from({ length }, () => ({ __typename: 'Transfer', id: '5' }));
    const at = (alias: string): string => `${alias}: _entities(representations: $r) { __typename }`;
    for (const { fields, representations } of [
      { fields: at('a'), representations: many(5_001) },
      { fields: `${at('a')} ${at('b')} ${at('c')}`, representations: many(2_501) },
    ]) {
      const { status, data, errors } = await query(`query ($r: [_Any!]!) { ${fields} }`, {
        variables: { r: representations },
      });
      expect([status, data]).toEqual([200, null]);
      expect(errors).toMatchObject([
        { message: expect.stringContaining('at most 5000'), extensions: { code: 'BAD_USER_INPUT' } },
      ]);
    }
    expect(sandbox.calls.count()).toBe(0);
  });

  it('answers 500 representations with every field of Backfill', async () => {
    const { world, query } = await startStack({ MAX_UPSTREAM_CALLS_PER_OPERATION: '500' });
    const ids = Array.from({ length: 500 }, (_, n) => String(n + 1));
    for (const transferId of ids) world.addBackfill({ transferId, status: 'RUNNING' });
    const { data, errors } = await query(
      `query ($r: [_Any!]!) { _entities(representations: $r) { ... on Transfer { latestBackfill { ${EVERY_FIELD} } } } }`,
      { variables: { r: ids.map((id) => ({ __typename: 'Transfer', teamId: '1', id })) } },
    );
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({
      _entities: ids.map((id) => ({ latestBackfill: { transfer: { id }, status: 'RUNNING' } })),
    });
  });

  it('is no dearer than 100 transfers with every field of Backfill under five aliases, which pass', async () => {
    const { world, query } = await startStack();
    const ids = Array.from({ length: 100 }, (_, n) => String(n + 1));
    for (const transferId of ids) world.addBackfill({ transferId, status: 'RUNNING' });
    const aliases = ['a', 'b', 'c', 'd', 'e'];
    const { data, errors } = await query(
      `query ($ids: [ID!]!) { transfers(ids: $ids) {
        ${aliases.map((alias) => `${alias}: latestBackfill { ${EVERY_FIELD} }`).join(' ')}
      } }`,
      { variables: { ids } },
    );
    expect(errors).toBeUndefined();
    const latest = (id: string) => ({ transfer: { id }, status: 'RUNNING' });
    expect(data).toMatchObject({
      transfers: ids.map((id) => Object.fromEntries(aliases.map((alias) => [alias, latest(id)]))),
    });
  });

  it('loses one of 50 entities to one upstream failure', async () => {
    const { world, sandbox, query } = await startStack();
    const ids = Array.from({ length: 50 }, (_, n) => String(n + 1));
    for (const transferId of ids) world.addBackfill({ transferId, status: 'RUNNING' });
    sandbox.faults.add({ when: { id: '31' }, answer: { kind: 'status', status: 500 } });
    const { data, errors } = await query(ENTITIES, {
      variables: { representations: ids.map((id) => ({ __typename: 'Transfer', id })) },
    });
    expect(errors).toMatchObject([
      { path: ['_entities', 30, 'latestBackfill'], extensions: { code: 'UPSTREAM_ERROR' } },
    ]);
    expect(data).toMatchObject({
      _entities: ids.map((id) => ({ id, latestBackfill: id === '31' ? null : { status: 'RUNNING' } })),
    });
  });
});
