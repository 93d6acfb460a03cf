import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { rowState } from '../client/row-state.ts';
import { watchContactedHosts } from '../support/contacted-hosts.ts';
import {
  APOLLO_GATEWAY,
  GRAFBASE,
  HIVE_GATEWAY,
  HIVE_GATEWAY_IN_RUST,
  type Router,
} from '../support/routers.ts';
import { startSupergraph, type Supergraph } from '../support/supergraph.ts';
import { OWNER_BY_ID } from '../support/transfers-subgraph.ts';

/** A router, and what is its own and not this gateway's doing: the README tells operators of it. */
interface RouterUnderTest extends Router {
  /** Names an entity once however often it is in a list. */
  readonly deduplicates: boolean;
  /** Says in an error's path which item of a list it is about. */
  readonly hasIndexInPath: boolean;
  /** Says in `extensions` which subgraph an error comes from. */
  readonly namesService: boolean;
  /** Tells its client how long the answer stays fresh. */
  readonly answersCacheControl: boolean;
}

const ROUTERS: readonly RouterUnderTest[] = [
  {
    ...HIVE_GATEWAY,
    deduplicates: true,
    hasIndexInPath: false,
    namesService: true,
    answersCacheControl: false,
  },
  {
    ...HIVE_GATEWAY_IN_RUST,
    deduplicates: true,
    hasIndexInPath: true,
    namesService: true,
    answersCacheControl: false,
  },
  {
    ...APOLLO_GATEWAY,
    deduplicates: false,
    hasIndexInPath: true,
    namesService: true,
    answersCacheControl: true,
  },
  {
    ...GRAFBASE,
    deduplicates: false,
    hasIndexInPath: true,
    namesService: false,
    answersCacheControl: false,
  },
];

interface ListOfRows {
  readonly transfersOfTeam: readonly { readonly latestBackfill: { readonly isStale: boolean } | null }[];
}

const LIST = '{ transfersOfTeam(teamId: "1") { id name latestBackfill { status progress } } }';

const numbersTo = (length: number): string[] => Array.from({ length }, (_, n) => String(n + 1));
const nameOf = (id: string): string => `Transfer ${id}`;
const owned = (ids: readonly string[], teamId = '1') => ids.map((id) => ({ id, teamId, name: nameOf(id) }));

/** Gives each transfer a running backfill, of which as many of 200 runs are done as its id says. */
function addBackfills({ stack: { world } }: Supergraph, transferIds: readonly string[]): void {
  for (const transferId of transferIds) {
    const id = world.addBackfill({ transferId, status: 'RUNNING' });
    world.set(id, { transfer_runs_total: 200, transfer_runs_completed: Number(transferId) });
  }
}

const listed = (id: string) => ({
  id,
  name: nameOf(id),
  latestBackfill: { status: 'RUNNING', progress: Number(id) / 200 },
});

describe.each(ROUTERS.map((router) => [router.name, router] as const))('behind %s', (_name, router) => {
  beforeEach(({ skip }) => skip(router.isMissing === true));

  it.each([50, 100])(
    '%i listed transfers are one request, and no upstream call while fresh',
    async (count) => {
      const ids = numbersTo(count);
      const supergraph = await startSupergraph(router.start, owned(ids));
      const { stack, backfills, query } = supergraph;
      addBackfills(supergraph, ids);

      const first = await query(LIST);
      expect(first.errors).toBeUndefined();
      expect(first.data).toEqual({ transfersOfTeam: ids.map(listed) });
      expect(backfills.requests).toHaveLength(1);
      expect(stack.sandbox.calls.count()).toBe(count);

      const second = await query(LIST);
      expect(second.data).toEqual(first.data);
      expect(backfills.requests).toHaveLength(2);
      expect(stack.sandbox.calls.count()).toBe(count);
    },
  );

  it('a transfer that is listed more than once is read once', async () => {
    const ids = ['1', '2', '1', '3', '2', '1'];
    const supergraph = await startSupergraph(router.start, owned(ids));
    addBackfills(supergraph, ['1', '2', '3']);
    const { data } = await supergraph.query(LIST);
    expect(data).toEqual({ transfersOfTeam: ids.map(listed) });
    expect(representationsOf(supergraph)).toHaveLength(router.deduplicates ? 3 : 6);
    expect(supergraph.stack.sandbox.calls.count()).toBe(3);
  });

  it('the credential, team, request id and trace of the client reach the REST API', async () => {
    const supergraph = await startSupergraph(router.start, owned(['5'], '2'));
    const { stack, backfills, owner, query } = supergraph;
    stack.world.addToken('of-team-2', { teams: ['2'], permissions: 'view' });
    stack.world.addBackfill({ teamId: '2', transferId: '5', status: 'RUNNING' });
    const caller = {
      authorization: 'Bearer of-team-2',
      'x-team-id': '2',
      'x-request-id': 'from-the-client',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    };
    const { errors } = await query('{ transfersOfTeam(teamId: "2") { latestBackfill { status } } }', caller);
    expect(errors).toBeUndefined();
    expect(owner.requests.at(-1)).toMatchObject(caller);
    expect(backfills.requests.map(({ headers }) => headers)).toMatchObject([caller]);
    expect(stack.sandbox.calls.all).toMatchObject([
      {
        teamId: '2',
        id: '5',
        authorization: 'Bearer of-team-2',
        requestId: 'from-the-client',
        traceparent: expect.stringContaining('4bf92f3577b34da6a3ce929d0e0e4736'),
      },
    ]);
  });

  it('one upstream failure among 50 transfers costs one value, and its error reaches the client', async () => {
    const ids = numbersTo(50);
    const supergraph = await startSupergraph(router.start, owned(ids));
    const { stack, query } = supergraph;
    addBackfills(supergraph, ids);
    stack.sandbox.faults.add({
      when: { id: '31' },
      times: Infinity,
      answer: { kind: 'status', status: 500 },
    });
    const { status, data, errors } = await query(LIST, { 'x-request-id': 'from-the-client' });
    expect(status).toBe(200);
    expect(data).toEqual({
      transfersOfTeam: ids.map((id) => ({ ...listed(id), ...(id === '31' ? { latestBackfill: null } : {}) })),
    });
    expect(errors).toMatchObject([
      { extensions: { code: 'UPSTREAM_ERROR', retryable: true, requestId: 'from-the-client' } },
    ]);
    expect(errors?.[0]?.path).toEqual(
      router.hasIndexInPath
        ? ['transfersOfTeam', 30, 'latestBackfill']
        : ['transfersOfTeam', 'latestBackfill'],
    );
  });

  it('a row that failed is never shown as one that never ran', async () => {
    const supergraph = await startSupergraph(router.start, owned(['1', '2', '3']));
    addBackfills(supergraph, ['1', '2']);
    const { sandbox } = supergraph.stack;
    sandbox.faults.add({ when: { id: '2' }, times: Infinity, answer: { kind: 'status', status: 500 } });
    const list = '{ transfersOfTeam(teamId: "1") { latestBackfill { isStale } } }';
    const { data, errors = [] } = await supergraph.query(list);
    const answer = { data: data as ListOfRows, errors };
    const states = [0, 1, 2].map((n) => rowState(answer, ['transfersOfTeam', n, 'latestBackfill']).kind);
    // Without an index in the path nobody can tell which of the nulls has failed.
    expect(states).toEqual(['known', 'failed', router.hasIndexInPath ? 'never run' : 'failed']);
  });

  it.each([
    ['FORBIDDEN', { status: 403 }, { retryable: false }],
    [
      'RATE_LIMITED',
      { status: 429, headers: { 'retry-after': '7' } },
      { retryable: true, retryAfterSeconds: 7 },
    ],
  ] as const)('all of the extensions of %s reach the client', async (code, answer, more) => {
    const { stack, query } = await startSupergraph(router.start, owned(['1']));
    stack.sandbox.faults.add({
      when: { id: '1' },
      times: Infinity,
      answer: { kind: 'status', ...answer },
    });
    const { data, errors } = await query(LIST, { 'x-request-id': 'from-the-client' });
    expect(data).toEqual({ transfersOfTeam: [{ id: '1', name: nameOf('1'), latestBackfill: null }] });
    expect(errors?.map(({ extensions }) => extensions)).toEqual([
      {
        code,
        ...more,
        requestId: 'from-the-client',
        upstream: { status: answer.status, requestId: expect.any(String) },
        // Some routers' own addition.
        ...(router.namesService && { serviceName: 'backfills' }),
      },
    ]);
  });

  it.each([
    ['names a transfer by both, as the gateway does', {}, ['1', '2']],
    // Routers then ask the owner by id alone, so its ids must be unique among teams.
    ['joins other subgraphs by id alone', { sdl: OWNER_BY_ID }, ['2']],
  ] as const)(
    'a transfer is of the team that the operation names, whatever the header: the owner %s',
    async (_name, ownerOptions, teams) => {
      const transfers = teams.map((teamId) => ({ id: '5', teamId, name: `Of team ${teamId}` }));
      const supergraph = await startSupergraph(router.start, transfers, ownerOptions);
      const { stack, query } = supergraph;
      stack.world.addBackfill({ teamId: '1', transferId: '5', status: 'RUNNING' });
      const id = stack.world.addBackfill({ teamId: '2', transferId: '5', status: 'FAILED' });
      const list = '{ transfersOfTeam(teamId: "2") { id name latestBackfill { teamId status } } }';
      const one = `{ backfill(id: "${id}", teamId: "2") { status transfer { teamId name } } }`;

      for (const team of ['2', '1', null]) {
        const listed = await query(list, { 'x-team-id': team });
        expect(listed.errors).toBeUndefined();
        expect(listed.data).toEqual({
          transfersOfTeam: [
            { id: '5', name: 'Of team 2', latestBackfill: { teamId: '2', status: 'FAILED' } },
          ],
        });
        expect(representationsOf(supergraph)).toEqual([{ __typename: 'Transfer', id: '5', teamId: '2' }]);
        expect((await query(one, { 'x-team-id': team })).data).toEqual({
          backfill: { status: 'FAILED', transfer: { teamId: '2', name: 'Of team 2' } },
        });
      }
      expect(stack.sandbox.calls.all.map(({ teamId }) => teamId)).not.toContain('1');
    },
  );

  it('a transfer is of the team of the header where its owner answers that as its teamId', async () => {
    const supergraph = await startSupergraph(router.start, owned(['5'], 'unknown'), {
      sdl: OWNER_BY_ID,
      teamIsHeaders: true,
    });
    const { stack, query } = supergraph;
    stack.world.addBackfill({ teamId: '1', transferId: '5', status: 'RUNNING' });
    const id = stack.world.addBackfill({ teamId: '2', transferId: '5', status: 'FAILED' });
    const headers = { 'x-team-id': '2' };
    const { data, errors } = await query(
      `{
        transfer(id: "5") { teamId name latestBackfill { id status } }
        backfill(id: "${id}") { transfer { name } }
      }`,
      headers,
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      transfer: { teamId: '2', name: nameOf('5'), latestBackfill: { id, status: 'FAILED' } },
      backfill: { transfer: { name: nameOf('5') } },
    });
  });

  it('Query.transfer belongs to the owner, Query.backfill to the gateway, and each leads to the other', async () => {
    const supergraph = await startSupergraph(router.start, owned(['5']));
    const { stack, backfills, owner, query } = supergraph;
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const asked = owner.requests.length;

    expect((await query('{ transfer(id: "5") { id name } }')).data).toEqual({
      transfer: { id: '5', name: nameOf('5') },
    });
    expect(owner.requests).toHaveLength(asked + 1);
    expect(backfills.requests).toHaveLength(0);

    expect((await query(`{ backfill(id: "${id}") { status } }`)).data).toEqual({
      backfill: { status: 'RUNNING' },
    });
    expect(owner.requests).toHaveLength(asked + 1);
    expect(backfills.requests).toHaveLength(1);

    const crossing = `{ backfill(id: "${id}") { transfer { name } } transfer(id: "5") { latestBackfill { id } } }`;
    expect((await query(crossing)).data).toEqual({
      backfill: { transfer: { name: nameOf('5') } },
      transfer: { latestBackfill: { id } },
    });
  });

  it('the result may be cached no longer than any of its parts', async () => {
    const supergraph = await startSupergraph(router.start, owned(['1']));
    const { stack, query } = supergraph;
    const cacheControl = async (operation: string) => (await query(operation)).headers.get('cache-control');
    addBackfills(supergraph, ['1']);
    // Ours stays fresh for 2 seconds, the owner's for a minute.
    expect(await cacheControl(LIST)).toBe(router.answersCacheControl ? 'max-age=2, private' : null);
    stack.clock.advance(1_000);
    expect(await cacheControl(LIST)).toBe(router.answersCacheControl ? 'max-age=1, private' : null);
    expect(await cacheControl('{ backfill(id: "404") { id } }')).toBe(
      router.answersCacheControl ? 'no-store' : null,
    );
  });

  it('no host outside of this machine is contacted, not even at the end', async () => {
    const contactedHosts = watchContactedHosts();
    // Runs last, after everything was stopped.
    onTestFinished(() => expect(contactedHosts()).toEqual(['127.0.0.1']));
    const { query } = await startSupergraph(router.start, owned(['1']));
    expect((await query(LIST)).errors).toBeUndefined();
  });
});

/** Of the last request to the gateway under test. */
function representationsOf({ backfills }: Supergraph): unknown {
  const [representations] = Object.values(backfills.requests.at(-1)?.variables ?? {});
  return representations;
}
