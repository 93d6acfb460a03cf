import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { ServerLimits } from '../../../src/gateway.ts';
import { createLatch, type Result, type Stack, startStack, TOKEN } from '../../harness.ts';
import { scrape } from '../../support/series.ts';
import { callerOf, followOver, openSocket, overSse } from '../../support/streams.ts';

const byId = (id: string): string => `{ backfill(id: "${id}") { id } }`;
const updates = (id: string): string => `subscription { backfillUpdated(id: "${id}") { status } }`;

const refusalsAt = async ({ origin }: Stack): Promise<Readonly<Record<string, number>>> =>
  (await scrape(origin)).counted('refusals_total');

interface HangingStack extends Stack {
  /** Asks for what hangs until `release`. */
  hang(token: string, more?: string): Promise<Result>;
  release(): void;
  /** Waits until so many requests have been turned away. */
  untilRefused(count: number): Promise<void>;
}

/** A gateway with little to share, where each of these callers has been accepted. */
async function startHanging(
  tokens: readonly string[],
  totals: NonNullable<ServerLimits['totals']>,
): Promise<HangingStack> {
  const stack = await startStack({}, { totals });
  const { world, sandbox, query, clock } = stack;
  for (const token of tokens) {
    world.addToken(token, { teams: 'all', permissions: 'view' });
    await query(byId('1'), { token });
  }
  const { opened, open } = createLatch();
  sandbox.faults.add({ when: { teamId: '2' }, times: Infinity, answer: { kind: 'hold', until: opened } });
  onTestFinished(open);
  return {
    ...stack,
    hang: (token, more = '') => query(`${byId('2')} # ${more}`, { token, team: '2' }),
    release: open,
    async untilRefused(count) {
      await expect
        .poll(async () => {
          clock.advance(1_000);
          return (await scrape(stack.origin)).sum('refusals_total');
        })
        .toBe(count);
    },
  };
}

describe('refusals_total', () => {
  it('has each limit with both scopes from the start, with 0', async () => {
    const scraped = await scrape((await startStack()).origin);
    const limits = [
      ...['requests', 'bodies', 'answers', 'streams', 'sockets', 'socket_operations', 'event_loop'],
      ...['upstream_slots', 'operation'],
    ];
    expect(scraped.by('refusals_total')).toEqual(
      Object.fromEntries(
        limits.flatMap((limit) => [
          [`${limit} share`, 0],
          [`${limit} global`, 0],
        ]),
      ),
    );
  });

  it('tells a request beyond the share of its caller from one for which nothing is left', async () => {
    const stack = await startHanging(['a', 'b', 'c'], { underWay: 40 });
    const { hang, untilRefused, release } = stack;
    const ask = (token: string, times: number): Promise<Result>[] =>
      Array.from({ length: times }, () => hang(token));
    const all = ask('a', 32);
    await untilRefused(2);
    all.push(...ask('b', 8));
    await untilRefused(3);
    expect(await refusalsAt(stack)).toEqual({ 'requests share': 3 });
    // Two of these are admitted, and the one place that is left is nobody's.
    all.push(...ask('c', 3));
    await untilRefused(4);
    expect(await refusalsAt(stack)).toEqual({ 'requests share': 3, 'requests global': 1 });
    release();
    await Promise.all(all);
  });

  it('counts operations over a WebSocket that find no room, and those of a socket that has too many', async () => {
    const stack = await startStack();
    const { origin, sandbox } = stack;
    const { opened, open } = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: opened } });
    const client = openSocket(origin, callerOf({}));
    const all = Array.from({ length: 102 }, () => followOver(client, byId('1')));
    await Promise.all(all.slice(100).map(({ completed }) => completed));
    open();
    await Promise.all(all.map(({ completed }) => completed));
    expect(await refusalsAt(stack)).toEqual({ 'socket_operations share': 2 });
  });

  it('counts a body for which there is no room', async () => {
    // Each byte counts as 64 while its operation is under way.
    const length = JSON.stringify({ query: `${byId('2')} # ` }).length;
    const stack = await startHanging(['a'], { bodies: 64 * length * 2.5 });
    const first = stack.hang('a');
    await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
    expect((await stack.hang('a')).status).toBe(503);
    expect(await refusalsAt(stack)).toEqual({ 'bodies share': 1 });
    stack.clock.advance(1_000);
    expect((await stack.hang('a', 'x'.repeat(3 * length))).status).toBe(503);
    expect(await refusalsAt(stack)).toEqual({ 'bodies share': 1, 'bodies global': 1 });
    stack.release();
    await first;
  });

  it('counts an answer for which there is no room', async () => {
    const stack = await startStack({}, { totals: { unsentAnswers: 200 } });
    const { query } = stack;
    expect((await query('{ __typename }')).status).toBe(200);
    const many = Array.from({ length: 20 }, (_, n) => `a${n}: __typename`).join(' ');
    expect((await query(`{ ${many} }`)).status).toBe(503);
    expect(await refusalsAt(stack)).toEqual({ 'answers global': 1 });
  });

  it('counts a stream and a socket beyond a share', async () => {
    const stack = await startStack({}, { totals: { streams: 4, sockets: 4 } });
    const { origin, world, query } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(byId(id));
    const streams = Array.from({ length: 2 }, () => overSse(origin, updates(id)));
    for (const { events } of streams) await expect.poll(() => events.length).toBe(1);
    await overSse(origin, updates(id)).completed.catch(() => undefined);
    expect(await refusalsAt(stack)).toEqual({ 'streams share': 1 });
    const authorization = `Bearer ${TOKEN}`;
    const open = async (): Promise<boolean> => {
      const socket = new WebSocket(`${origin.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
        headers: { authorization },
      });
      onTestFinished(() => socket.terminate());
      return once(socket, 'open').then(
        () => true,
        () => false,
      );
    };
    expect([await open(), await open(), await open()]).toEqual([true, true, false]);
    stack.clock.advance(1_000);
    expect(await refusalsAt(stack)).toEqual({ 'streams share': 1, 'sockets share': 1 });
  });

  it('counts a call that gets no slot in time, and a write beyond those that a credential may have under way', async () => {
    const stack = await startStack({ UPSTREAM_MAX_CONCURRENCY: '1', UPSTREAM_TIMEOUT_MS: '400' });
    const { sandbox, query, clock, world } = stack;
    for (const id of ['7', '8']) world.addTransfer('1', id);
    const create = (id: string): Promise<Result> =>
      query(
        `mutation { createBackfill(input: { transferId: "${id}", rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-02" }) { id } }`,
      );
    sandbox.faults.add({ answer: { kind: 'hang' } });
    const hanging = query(byId('1'));
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    // It waits for half of its time.
    await create('7');
    expect(await refusalsAt(stack)).toEqual({ 'upstream_slots global': 1 });
    await hanging;
    const { opened, open } = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: opened } });
    const first = create('7');
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    await create('8');
    open();
    await first;
    clock.advance(1_000);
    expect(await refusalsAt(stack)).toEqual({ 'upstream_slots global': 1, 'upstream_slots share': 1 });
  });

  it('counts an operation that needs more calls than it may make once, however many of its fields fail', async () => {
    const stack = await startStack({ MAX_UPSTREAM_CALLS_PER_OPERATION: '1' });
    const { errors } = await stack.query('{ transfers(ids: [1, 2, 3, 4, 5]) { latestBackfill { id } } }');
    expect(errors).toHaveLength(4);
    expect(await refusalsAt(stack)).toEqual({ 'operation share': 1 });
  });
});
