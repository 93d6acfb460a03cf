import { describe, expect, it } from 'vitest';
import { startStack } from '../harness.ts';

const ALL_FIELDS = `
  id teamId transfer { id teamId } status rangeStartDate rangeEndDate createdTime createdUserId startTime endTime
  removedTime removedUserId transferRunsTotal transferRunsCreated transferRunsCompleted transferRunsFailed progress
  estimatedEndTime errorReport { transferRunDate error } fetchedAt isStale
`;

describe('Query.backfill', () => {
  it('answers every field of a running backfill', async () => {
    const { world, clock, query } = await startStack();
    const id = world.addBackfill({
      transferId: '456789',
      rangeStart: '2026-01-01',
      rangeEnd: '2026-01-31',
      scheduleDelayMs: 0,
      startDelayMs: 0,
      msPerRun: 60_000,
      failingRuns: [1],
      errorTexts: ['Connection timeout to data source'],
    });
    clock.advance(10 * 60_000);

    const { data, errors, status } = await query(`query ($id: ID!) { backfill(id: $id) { ${ALL_FIELDS} } }`, {
      variables: { id },
    });

    expect(errors).toBeUndefined();
    expect(status).toBe(200);
    expect(data).toEqual({
      backfill: {
        id,
        teamId: '1',
        transfer: { id: '456789', teamId: '1' },
        status: 'RUNNING',
        rangeStartDate: '2026-01-01',
        rangeEndDate: '2026-01-31',
        createdTime: '2026-03-02T10:00:00Z',
        createdUserId: '789',
        startTime: '2026-03-02T10:00:00Z',
        endTime: null,
        removedTime: null,
        removedUserId: null,
        transferRunsTotal: 31,
        transferRunsCreated: 31,
        transferRunsCompleted: 9,
        transferRunsFailed: 1,
        progress: 9 / 31,
        // 10 of 31 runs are done after 10 minutes.
        estimatedEndTime: '2026-03-02T10:31:00Z',
        errorReport: [{ transferRunDate: '2026-01-02', error: 'Connection timeout to data source' }],
        fetchedAt: '2026-03-02T10:10:00Z',
        isStale: false,
      },
    });
  });

  it.each(['CREATED', 'SCHEDULED', 'RUNNING', 'FAILED', 'COMPLETED', 'CANCELLED'] as const)(
    'answers the status %s',
    async (status) => {
      const { world, query } = await startStack();
      const id = world.addBackfill({ transferId: '5', status });
      const { data } = await query(`{ backfill(id: "${id}") { status progress estimatedEndTime } }`);
      const progress = status === 'COMPLETED' ? 1 : 0;
      expect(data).toEqual({ backfill: { status, progress, estimatedEndTime: null } });
    },
  );

  it('shows an unknown status as UNKNOWN, with the other fields', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    for (const strange of ['PAUSED', 'constructor', '']) {
      clock.advance(1_000);
      sandbox.faults.add({
        answer: { kind: 'edit', edit: (json) => json.replace('"RUNNING"', `"${strange}"`) },
      });
      const { data, errors } = await query(`{ backfill(id: "${id}") { id status } }`, {
        headers: { 'cache-control': 'no-cache' },
      });
      expect(errors).toBeUndefined();
      expect(data).toEqual({ backfill: { id, status: 'UNKNOWN' } });
    }
  });

  it('shows who removed a cancelled backfill and when', async () => {
    const { world, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    clock.advance(1_500);
    world.cancelBackfill('1', id, '790');
    const { data } = await query(`{ backfill(id: "${id}") { status removedTime removedUserId endTime } }`);
    expect(data).toEqual({
      backfill: {
        status: 'CANCELLED',
        removedTime: '2026-03-02T10:00:01Z',
        removedUserId: '790',
        endTime: '2026-03-02T10:00:01Z',
      },
    });
  });

  it('treats optional keys that are null like absent ones', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'CREATED' });
    const fields = 'startTime endTime removedTime removedUserId errorReport { error }';
    const optional =
      /"(start_time|end_time|removed_time|removed_user_id|error_report)":(null|\[\]|"[^"]*"),?/g;
    const empty = { startTime: null, endTime: null, removedTime: null, removedUserId: null, errorReport: [] };
    const nulls =
      '"start_time":null,"end_time":null,"removed_time":null,"removed_user_id":null,"error_report":null,';
    for (const replacement of ['', nulls]) {
      clock.advance(1_000);
      sandbox.faults.add({
        answer: {
          kind: 'edit',
          edit: (json) =>
            json.replace(optional, '').replace(',}', '}').replace('"data":{', `"data":{${replacement}`),
        },
      });
      const { data, errors } = await query(`{ backfill(id: "${id}") { ${fields} } }`, {
        headers: { 'cache-control': 'no-cache' },
      });
      expect(errors).toBeUndefined();
      expect(data).toEqual({ backfill: empty });
    }
  });

  it('converts every form of time in real HTTP responses to UTC', async () => {
    const { world, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    world.set(id, { start_time: '2026-03-02T09:00:00+0000', created_time: '2026-03-02T10:30:00.250+02:00' });
    const { data } = await query(`{ backfill(id: "${id}") { startTime createdTime } }`);
    expect(data).toEqual({
      backfill: { startTime: '2026-03-02T09:00:00Z', createdTime: '2026-03-02T08:30:00.250Z' },
    });
  });

  it('keeps ids beyond 2^53 exact in every field', async () => {
    const { world, query } = await startStack();
    const teamId = '9223372036854775801';
    const transferId = '9007199254740993';
    const id = world.addBackfill({
      id: '9223372036854775807',
      teamId,
      transferId,
      createdUserId: '9007199254740995',
      status: 'RUNNING',
      cancelled: { at: Date.parse('2026-03-02T09:59:30Z'), userId: '9007199254740997' },
    });
    const { data, errors } = await query(
      `{
        backfill(id: 9223372036854775807) { id teamId transfer { id } createdUserId removedUserId }
        transfer(id: "${transferId}") { id latestBackfill { id } }
      }`,
      { team: teamId },
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({
      backfill: {
        id,
        teamId,
        transfer: { id: transferId },
        createdUserId: '9007199254740995',
        removedUserId: '9007199254740997',
      },
      transfer: { id: transferId, latestBackfill: { id } },
    });
  });
});

describe('Query.transfer and Query.transfers', () => {
  it('make no upstream call by themselves', async () => {
    const { sandbox, query } = await startStack();
    const { data } = await query(
      '{ transfer(id: "7") { id teamId } transfers(ids: ["8", "9"]) { id teamId } }',
    );
    expect(data).toEqual({
      transfer: { id: '7', teamId: '1' },
      transfers: [
        { id: '8', teamId: '1' },
        { id: '9', teamId: '1' },
      ],
    });
    expect(sandbox.calls.count()).toBe(0);
  });

  it('keep the order of the ids and repeat what is repeated', async () => {
    const { query } = await startStack();
    const { data } = await query('{ transfers(ids: ["3", "1", "3"]) { id } }');
    expect(data).toEqual({ transfers: [{ id: '3' }, { id: '1' }, { id: '3' }] });
  });

  it('answer an empty list for no ids', async () => {
    const { query } = await startStack();
    expect((await query('{ transfers(ids: []) { id } }')).data).toEqual({ transfers: [] });
  });
});

describe('Transfer.latestBackfill', () => {
  it('is the most recently created one', async () => {
    const { world, clock, query } = await startStack();
    world.addBackfill({ transferId: '5', status: 'RUNNING' });
    clock.advance(120_000);
    const latest = world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const { data } = await query(
      '{ transfer(id: "5") { latestBackfill { id transfer { latestBackfill { id } } } } }',
    );
    expect(data).toEqual({
      transfer: {
        latestBackfill: {
          id: latest,
          transfer: { latestBackfill: { id: latest } },
        },
      },
    });
  });

  it('is null without an error if the transfer has no backfill', async () => {
    const { world, query } = await startStack();
    world.addTransfer('1', '5');
    const { data, errors } = await query('{ transfer(id: "5") { latestBackfill { id } } }');
    expect(errors).toBeUndefined();
    expect(data).toEqual({ transfer: { latestBackfill: null } });
  });
});

describe('the team', () => {
  it.each([
    { args: ', teamId: "10"', header: '20', teamId: '10' },
    { args: '', header: '20', teamId: '20' },
    { args: '', header: null, teamId: '30' },
  ])(
    'is $teamId for the argument "$args", the header $header and 30 configured',
    async ({ args, header, teamId }) => {
      const { sandbox, query } = await startStack({ SUPERMETRICS_TEAM_ID: '30' });
      const { data } = await query(`{ transfer(id: "1"${args}) { teamId latestBackfill { id } } }`, {
        team: header,
      });
      expect(data).toEqual({ transfer: { teamId, latestBackfill: null } });
      expect(sandbox.calls.all.map((call) => call.teamId)).toEqual([teamId]);
    },
  );

  it('is passed on from the transfer to its backfill', async () => {
    const { world, query } = await startStack();
    world.addBackfill({ teamId: '44', transferId: '5', status: 'RUNNING' });
    const { data } = await query(
      '{ transfer(id: "5", teamId: "44") { latestBackfill { teamId transfer { teamId } } } }',
    );
    expect(data).toEqual({ transfer: { latestBackfill: { teamId: '44', transfer: { teamId: '44' } } } });
  });
});
