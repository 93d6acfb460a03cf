import { beforeEach, describe, expect, it } from 'vitest';
import type { Operation } from '../../src/sandbox/routes.ts';
import { codesOf } from '../harness.ts';
import {
  APOLLO_GATEWAY,
  GRAFBASE,
  grafbase,
  GRAFBASE_OVER_WEBSOCKET,
  GRAFBASE_RETRIES,
  HIVE_GATEWAY,
  HIVE_GATEWAY_IN_RUST,
  hiveGateway,
  OVER_WEBSOCKET,
  RETRIES_QUERIES,
  type Router,
  RUST_PLANNER,
} from '../support/routers.ts';
import { nextCallingPoll, overSse } from '../support/streams.ts';
import { startSupergraph, type Supergraph } from '../support/supergraph.ts';

/** Routers that are programs of their own take their time on a busy machine. */
const PATIENT = { timeout: 10_000 };

const nameOf = (id: string): string => `Transfer ${id}`;
const TRANSFERS = ['5', '6'].map((id) => ({ id, teamId: '1', name: nameOf(id) }));

/** Transfers 5 and 6 get a running backfill each, of which one run is done. Gives the ids. */
function addRunning({ stack: { world } }: Supergraph): readonly string[] {
  return ['5', '6'].map((transferId) => {
    const id = world.addBackfill({ transferId, status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 1 });
    return id;
  });
}

const WRITES = ['createBackfill', 'updateBackfillStatus'] as const satisfies readonly Operation[];

/** An operation on the backfills of {@link addRunning}, and its `data`. */
interface Carried {
  readonly name: string;
  readonly operation: (ids: readonly string[]) => string;
  readonly data: (ids: readonly string[]) => unknown;
  /** The write that it costs. */
  readonly sends?: Operation;
}

const rowNamed = (id: string | undefined, transferId: string) => ({
  id,
  transfer: { name: nameOf(transferId) },
});

const OPERATIONS: readonly Carried[] = [
  {
    name: 'backfill',
    operation: ([id = '']) => `{ backfill(id: "${id}") { id transfer { name } } }`,
    data: ([id]) => ({ backfill: { id, transfer: { name: nameOf('5') } } }),
  },
  {
    name: 'transfers',
    operation: () => '{ transfers(ids: ["5", "6"]) { name latestBackfill { id } } }',
    data: (ids) => ({
      transfers: ids.map((id, n) => ({ name: nameOf(String(n + 5)), latestBackfill: { id } })),
    }),
  },
  {
    name: 'backfills',
    operation: ([five = '', six = '']) =>
      `{ backfills(ids: ["${six}", "${five}", "${six}"]) { id transfer { name } } }`,
    data: ([five, six]) => ({ backfills: [rowNamed(six, '6'), rowNamed(five, '5'), rowNamed(six, '6')] }),
  },
  {
    name: 'incompleteBackfills',
    operation: () =>
      '{ incompleteBackfills(statuses: [RUNNING]) { items { id transfer { name } } isPartial isStale } }',
    data: ([five, six]) => ({
      incompleteBackfills: {
        items: [rowNamed(six, '6'), rowNamed(five, '5')],
        isPartial: false,
        isStale: false,
      },
    }),
  },
  {
    name: 'createBackfill',
    operation: () => `mutation {
      createBackfill(input: { transferId: "5", rangeStartDate: "2020-01-01", rangeEndDate: "2020-01-31" }) {
        status transferRunsTotal transfer { name latestBackfill { rangeStartDate } }
      }
    }`,
    data: () => ({
      createBackfill: {
        status: 'CREATED',
        transferRunsTotal: 31,
        transfer: { name: nameOf('5'), latestBackfill: { rangeStartDate: '2020-01-01' } },
      },
    }),
    sends: 'createBackfill',
  },
  {
    name: 'cancelBackfill',
    operation: ([id = '']) =>
      `mutation { cancelBackfill(id: "${id}") { id status transfer { name latestBackfill { status } } } }`,
    data: ([id]) => ({
      cancelBackfill: {
        id,
        status: 'CANCELLED',
        transfer: { name: nameOf('5'), latestBackfill: { status: 'CANCELLED' } },
      },
    }),
    sends: 'updateBackfillStatus',
  },
];

/** A subscription to them: its events while one run more of the first is done, and when both complete. */
interface CarriedStream {
  readonly name: string;
  readonly operation: (ids: readonly string[]) => string;
  readonly events: (ids: readonly string[]) => readonly unknown[];
  /** Whether the last event is its end. */
  readonly completes: boolean;
}

const updatesOf = (id = ''): string =>
  `subscription { backfillUpdated(id: "${id}") { transferRunsCompleted status transfer { name latestBackfill { id } } } }`;

const ROW = 'id transferRunsCompleted status transfer { name }';
const rowOf = (id: string | undefined, transferId: string, runs: number, status = 'RUNNING') => ({
  ...rowNamed(id, transferId),
  transferRunsCompleted: runs,
  status,
});

const STREAMS: readonly CarriedStream[] = [
  {
    name: 'backfillUpdated',
    operation: ([id]) => updatesOf(id),
    events: ([id]) => {
      const transfer = { name: nameOf('5'), latestBackfill: { id } };
      return [
        { backfillUpdated: { transferRunsCompleted: 1, status: 'RUNNING', transfer } },
        { backfillUpdated: { transferRunsCompleted: 2, status: 'RUNNING', transfer } },
        { backfillUpdated: { transferRunsCompleted: 3, status: 'COMPLETED', transfer } },
      ];
    },
    completes: true,
  },
  {
    name: 'backfillsUpdated',
    operation: ([five = '', six = '']) =>
      `subscription { backfillsUpdated(ids: ["${six}", "${five}"]) { ${ROW} } }`,
    events: ([five, six]) => [
      { backfillsUpdated: [rowOf(six, '6', 1), rowOf(five, '5', 1)] },
      { backfillsUpdated: [rowOf(five, '5', 2)] },
      { backfillsUpdated: [rowOf(six, '6', 3, 'COMPLETED'), rowOf(five, '5', 3, 'COMPLETED')] },
    ],
    completes: true,
  },
  {
    name: 'incompleteBackfillsUpdated',
    operation: () => `subscription { incompleteBackfillsUpdated { ${ROW} } }`,
    events: ([five, six]) => [
      { incompleteBackfillsUpdated: [rowOf(six, '6', 1), rowOf(five, '5', 1)] },
      { incompleteBackfillsUpdated: [rowOf(five, '5', 2)] },
      { incompleteBackfillsUpdated: [rowOf(six, '6', 3, 'COMPLETED'), rowOf(five, '5', 3, 'COMPLETED')] },
    ],
    completes: false,
  },
];

const named = (routers: readonly Router[]) => routers.map((router) => [router.name, router] as const);

describe.each(named([HIVE_GATEWAY, HIVE_GATEWAY_IN_RUST, APOLLO_GATEWAY, GRAFBASE]))(
  '%s',
  (_name, router) => {
    const { start } = router;
    beforeEach(({ skip }) => skip(router.isMissing === true));

    it.each(OPERATIONS)(
      'carries $name, and asks the owner of transfers for its fields',
      async ({ operation, data, sends }) => {
        const supergraph = await startSupergraph(start, TRANSFERS);
        const ids = addRunning(supergraph);
        const answer = await supergraph.query(operation(ids));
        expect(answer.errors).toBeUndefined();
        expect(answer.data).toEqual(data(ids));
        const { calls } = supergraph.stack.sandbox;
        expect(WRITES.map((write) => calls.count(write))).toEqual(
          WRITES.map((write) => Number(write === sends)),
        );
      },
    );

    it('a row of backfills that failed is null, and its error reaches the client', async () => {
      const supergraph = await startSupergraph(start, TRANSFERS);
      const [five = '', six = ''] = addRunning(supergraph);
      const { status, data, errors } = await supergraph.query(
        `{ backfills(ids: ["${five}", "404", "${six}"]) { id transfer { name } } }`,
        { 'x-request-id': 'from-the-client' },
      );
      expect(status).toBe(200);
      expect(data).toEqual({ backfills: [rowNamed(five, '5'), null, rowNamed(six, '6')] });
      expect(errors).toMatchObject([
        { path: ['backfills', 1], extensions: { code: 'NOT_FOUND', requestId: 'from-the-client' } },
      ]);
    });

    it('a mutation that is refused is null, with what the REST API said', async () => {
      const supergraph = await startSupergraph(start, TRANSFERS);
      const [id = ''] = addRunning(supergraph);
      supergraph.stack.world.set(id, { status: 'COMPLETED' });
      const { data, errors } = await supergraph.query(`mutation { cancelBackfill(id: "${id}") { status } }`);
      expect(data).toEqual({ cancelBackfill: null });
      const upstream = { status: 422, description: 'The backfill is COMPLETED already.' };
      expect(errors).toMatchObject([
        { path: ['cancelBackfill'], extensions: { code: 'CONFLICT', upstream } },
      ]);
    });
  },
);

const CREATE = `mutation {
  createBackfill(input: { transferId: "5", rangeStartDate: "2026-01-02", rangeEndDate: "2026-01-31" }) { id }
}`;

const RETRYING: readonly Router[] = [
  { ...HIVE_GATEWAY, start: hiveGateway(RETRIES_QUERIES) },
  { ...HIVE_GATEWAY_IN_RUST, start: hiveGateway(RUST_PLANNER, RETRIES_QUERIES) },
  APOLLO_GATEWAY,
  { ...GRAFBASE, start: grafbase(GRAFBASE_RETRIES) },
];

describe.each(named(RETRYING))('a mutation through %s, which retries queries if it can', (_name, router) => {
  const { start } = router;
  beforeEach(({ skip }) => skip(router.isMissing === true));

  it('is sent once where its outcome is unknown or the REST API is busy, and its code gets through', async () => {
    const { stack, query } = await startSupergraph(start, TRANSFERS);
    stack.world.addTransfer('1', '5');
    for (const [status, code] of [
      [503, 'OUTCOME_UNKNOWN'],
      [429, 'RATE_LIMITED'],
    ] as const) {
      stack.sandbox.faults.add({ answer: { kind: 'status', status } });
      const result = await query(CREATE);
      expect(codesOf(result)).toEqual([code]);
      expect(result.data).toEqual({ createBackfill: null });
    }
    expect(stack.sandbox.calls.count('createBackfill')).toBe(2);
  });
});

interface StreamingRouter extends Router {
  readonly over: 'SSE' | 'WebSocket';
  /** The method in the gateway's log. */
  readonly method: 'GET' | 'POST' | 'WS';
}

const STREAMING: readonly StreamingRouter[] = [
  { ...HIVE_GATEWAY, over: 'SSE', method: 'GET' },
  { ...HIVE_GATEWAY, start: hiveGateway(OVER_WEBSOCKET), over: 'WebSocket', method: 'WS' },
  { ...HIVE_GATEWAY_IN_RUST, over: 'SSE', method: 'GET' },
  {
    ...HIVE_GATEWAY_IN_RUST,
    start: hiveGateway(RUST_PLANNER, OVER_WEBSOCKET),
    over: 'WebSocket',
    method: 'WS',
  },
  { ...GRAFBASE, over: 'SSE', method: 'POST' },
  { ...GRAFBASE, start: grafbase(GRAFBASE_OVER_WEBSOCKET), over: 'WebSocket', method: 'WS' },
];

describe.each(STREAMING.map((router) => [router.name, router.over, router] as const))(
  '%s over %s',
  (_name, over, router) => {
    const { start, method } = router;
    beforeEach(({ skip }) => skip(router.isMissing === true));

    it.each(STREAMS)(
      'carries each event of $name, and asks the owner of transfers for each',
      async ({ operation, events, completes }) => {
        const supergraph = await startSupergraph(start, TRANSFERS);
        const { stack, backfills, owner, origin } = supergraph;
        const ids = addRunning(supergraph);
        const [id = ''] = ids;
        const asked = owner.requests.length;
        const stream = overSse(origin, operation(ids), { headers: { 'x-request-id': 'from-the-client' } });
        await expect.poll(() => stream.events, PATIENT).toHaveLength(1);
        stack.world.set(id, { transfer_runs_completed: 2 });
        await nextCallingPoll(stack);
        await expect.poll(() => stream.events, PATIENT).toHaveLength(2);
        for (const each of ids) stack.world.set(each, { transfer_runs_completed: 3, status: 'COMPLETED' });
        stack.clock.advance(2_000);
        await (completes ? stream.completed : expect.poll(() => stream.events, PATIENT).toHaveLength(3));

        expect(stream.events).toEqual(events(ids).map((data) => ({ data })));
        expect(owner.requests).toHaveLength(asked + 3);
        expect(backfills.sockets).toBe(over === 'WebSocket' ? 1 : 0);
        const opened = stack.logLines.find(({ operation: kind }) => kind === 'subscription');
        expect(opened).toMatchObject({ method });
      },
    );

    it('carries the error that ends a stream, and stops polling when its client leaves', async () => {
      const supergraph = await startSupergraph(start, TRANSFERS);
      const { stack, origin } = supergraph;
      const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
      const stream = overSse(origin, updatesOf(id));
      await expect.poll(() => stack.clock.waiting, PATIENT).toBe(1);
      stack.sandbox.faults.add({ when: { id }, answer: { kind: 'status', status: 403 } });
      stack.clock.advance(2_000);
      await stream.completed;
      expect(stream.events.map(codesOf)).toEqual([[], ['FORBIDDEN']]);

      const refused = overSse(origin, updatesOf('404'));
      await refused.completed;
      expect(refused.events.map(codesOf)).toEqual([['NOT_FOUND']]);

      for (const { operation } of STREAMS) {
        const left = overSse(origin, operation([id, '404']));
        await expect.poll(() => left.events, PATIENT).toHaveLength(1);
        await expect.poll(() => stack.clock.waiting, PATIENT).toBe(1);
        left.leave();
        await expect.poll(() => stack.clock.waiting, PATIENT).toBe(0);
      }
    });

    it('carries a row of backfillsUpdated that failed as null, with its error', async () => {
      const supergraph = await startSupergraph(start, TRANSFERS);
      const { stack, origin } = supergraph;
      const [five = '', six = ''] = addRunning(supergraph);
      const operation = `subscription { backfillsUpdated(ids: ["${five}", "404", "${six}"]) { ${ROW} } }`;
      const stream = overSse(origin, operation);
      await expect.poll(() => stream.events, PATIENT).toHaveLength(1);
      expect(stream.events).toMatchObject([
        {
          data: { backfillsUpdated: [rowOf(five, '5', 1), null, rowOf(six, '6', 1)] },
          errors: [{ path: ['backfillsUpdated', 1], extensions: { code: 'NOT_FOUND' } }],
        },
      ]);
      for (const id of [five, six]) stack.world.set(id, { transfer_runs_completed: 3, status: 'COMPLETED' });
      await expect.poll(() => stack.clock.waiting, PATIENT).toBe(1);
      stack.clock.advance(2_000);
      await stream.completed;
      expect(stream.events[1]?.data).toEqual({
        backfillsUpdated: [rowOf(five, '5', 3, 'COMPLETED'), rowOf(six, '6', 3, 'COMPLETED')],
      });
    });
  },
);

describe('Apollo Gateway', () => {
  it('carries no subscription, and says so', async () => {
    const supergraph = await startSupergraph(APOLLO_GATEWAY.start, TRANSFERS);
    const [id] = addRunning(supergraph);
    const { data, errors } = await supergraph.query(updatesOf(id));
    expect(data).toBeUndefined();
    expect(errors).toMatchObject([{ message: 'Execution of subscriptions not supported by gateway' }]);
    expect(supergraph.backfills.requests).toHaveLength(0);
  });
});
