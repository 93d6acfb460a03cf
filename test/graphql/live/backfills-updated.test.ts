import { describe, expect, it } from 'vitest';
import { codesOf, createLatch, type Stack, startStack } from '../../harness.ts';
import { scrape } from '../../support/series.ts';
import {
  nextCallingPoll,
  overSse,
  overWebSocket,
  type Stream,
  type StreamEvent,
  type StreamOptions,
} from '../../support/streams.ts';

const TRANSPORTS = [
  ['SSE', overSse],
  ['WebSocket', overWebSocket],
] as const;

const PAGE = `subscription ($ids: [ID!]!) {
  backfillsUpdated(ids: $ids) { id status transferRunsCompleted isStale }
}`;

const of = (...ids: readonly string[]): StreamOptions => ({ variables: { ids } });

/** A row of an event, in short: id, status, runs, and whether it is stale. Null for one that failed. */
function rowsOf({ data }: StreamEvent): readonly (string | null)[] | null {
  const { backfillsUpdated } = (data ?? {}) as { backfillsUpdated?: (Record<string, unknown> | null)[] };
  if (backfillsUpdated === undefined) return null;
  return backfillsUpdated.map((row) => {
    if (row === null) return null;
    const { id, status, transferRunsCompleted, isStale } = row;
    return [id, status, transferRunsCompleted, ...(isStale === true ? ['stale'] : [])].join(' ');
  });
}

const eventsOf = ({ events }: Stream): unknown => events.map(rowsOf);
const errorsOf = ({ events }: Stream, n: number): unknown =>
  events[n]?.errors?.map(({ path, extensions: { code } }) => [path, code]);

/** Running backfills with the ids 11, 12, … */
function addRunning({ world }: Stack, count: number): string[] {
  return Array.from({ length: count }, (_, n) => {
    const id = world.addBackfill({ id: String(11 + n), transferId: String(100 + n), status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 0 });
    return id;
  });
}

/** Has each backfill read at its own endpoint. @returns a function that ends this */
function withoutList({ sandbox }: Stack): () => void {
  const when = { operation: 'listIncompleteBackfills' } as const;
  return sandbox.faults.add({ when, times: Infinity, answer: { kind: 'status', status: 403 } });
}

describe.each(TRANSPORTS)('a live list of backfills over %s', (_name, subscribe) => {
  it('sends all in the order of the ids, then those that changed, in one event for each poll', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    addRunning(stack, 3);
    const stream = subscribe(origin, PAGE, of('12', '11', '12', '13'));
    const first = ['12 RUNNING 0', '11 RUNNING 0', '12 RUNNING 0', '13 RUNNING 0'];
    await expect.poll(() => eventsOf(stream)).toEqual([first]);
    expect(sandbox.calls.count()).toBe(1);

    await nextCallingPoll(stack);
    world.set('13', { transfer_runs_completed: 1 });
    world.set('12', { transfer_runs_completed: 2 });
    await nextCallingPoll(stack);
    await nextCallingPoll(stack);
    world.set('11', { transfer_runs_completed: 3 });
    await nextCallingPoll(stack);
    await expect
      .poll(() => eventsOf(stream))
      .toEqual([first, ['12 RUNNING 2', '13 RUNNING 1'], ['11 RUNNING 3']]);
    expect(sandbox.calls.count()).toBe(5);
    expect(sandbox.calls.count('listIncompleteBackfills')).toBe(5);
  });

  it('completes when each is over, and tells of one that failed and was cancelled before that', async () => {
    const stack = await startStack();
    const { world, origin, clock, sandbox } = stack;
    addRunning(stack, 3);
    const stream = subscribe(origin, PAGE, of('11', '12', '13'));
    await expect.poll(() => stream.events).toHaveLength(1);
    world.set('11', { status: 'COMPLETED', transfer_runs_completed: 9 });
    world.set('12', { status: 'FAILED' });
    await nextCallingPoll(stack);
    world.set('12', { status: 'CANCELLED' });
    await nextCallingPoll(stack);
    sandbox.calls.reset();
    await nextCallingPoll(stack);
    // Those that have ended are not read any more.
    expect(sandbox.calls.count()).toBe(1);
    world.set('13', { status: 'COMPLETED' });
    clock.advance(2_000);
    await stream.completed;
    expect(eventsOf(stream)).toEqual([
      ['11 RUNNING 0', '12 RUNNING 0', '13 RUNNING 0'],
      ['11 COMPLETED 9', '12 FAILED 0'],
      ['12 CANCELLED 0'],
      ['13 COMPLETED 0'],
    ]);
    expect(clock.waiting).toBe(0);
  });

  it('reads none again that is over and that no list has', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    addRunning(stack, 3);
    world.set('11', { status: 'COMPLETED' });
    world.set('12', { status: 'CANCELLED' });
    const restore = withoutList(stack);
    const stream = subscribe(origin, PAGE, of('11', '12', '13', '404'));
    await expect.poll(() => stream.events).toHaveLength(1);
    sandbox.calls.reset();
    await nextCallingPoll(stack);
    restore();
    expect([...sandbox.calls.countByPath().keys()]).toEqual(['GET /v1/teams/1/backfills/13']);
  });

  it('of backfills that are over already is one event', async () => {
    const stack = await startStack();
    const { world, origin, clock } = stack;
    addRunning(stack, 2);
    world.set('11', { status: 'COMPLETED' });
    world.set('12', { status: 'FAILED' });
    const stream = subscribe(origin, PAGE, of('11', '12'));
    await stream.completed;
    expect(eventsOf(stream)).toEqual([['11 COMPLETED 0', '12 FAILED 0']]);
    expect(clock.waiting).toBe(0);
  });

  it('of no ids is one empty event, without a call', async () => {
    const { origin, sandbox, clock } = await startStack();
    const stream = subscribe(origin, PAGE, of());
    await stream.completed;
    expect(eventsOf(stream)).toEqual([[]]);
    expect(sandbox.calls.count()).toBe(0);
    expect(clock.waiting).toBe(0);
  });

  it('has null and an error at the index of one that is not there, and goes on with the others', async () => {
    const stack = await startStack();
    const { world, origin, clock } = stack;
    addRunning(stack, 2);
    const stream = subscribe(origin, PAGE, of('11', '404', '12', '404'));
    await expect.poll(() => stream.events).toHaveLength(1);
    expect(errorsOf(stream, 0)).toEqual([
      [['backfillsUpdated', 1], 'NOT_FOUND'],
      [['backfillsUpdated', 3], 'NOT_FOUND'],
    ]);
    world.set('12', { transfer_runs_completed: 1 });
    await nextCallingPoll(stack);
    world.set('11', { status: 'COMPLETED' });
    world.set('12', { status: 'COMPLETED', transfer_runs_completed: 1 });
    clock.advance(2_000);
    await stream.completed;
    expect(eventsOf(stream)).toEqual([
      ['11 RUNNING 0', null, '12 RUNNING 0', null],
      ['12 RUNNING 1'],
      ['11 COMPLETED 0', '12 COMPLETED 1'],
    ]);
    expect(stream.events.slice(1).map(codesOf)).toEqual([[], []]);
  });

  it('tells of one that could not be read at first as soon as it can', async () => {
    const stack = await startStack();
    const { origin, sandbox } = stack;
    addRunning(stack, 2);
    const restore = withoutList(stack);
    const restoreOne = sandbox.faults.add({
      when: { id: '12' },
      times: Infinity,
      answer: { kind: 'status', status: 500 },
    });
    const stream = subscribe(origin, PAGE, of('11', '12'));
    await nextCallingPoll(stack);
    restoreOne();
    await nextCallingPoll(stack);
    restore();
    await expect.poll(() => eventsOf(stream)).toEqual([['11 RUNNING 0', null], ['12 RUNNING 0']]);
    expect(errorsOf(stream, 0)).toEqual([[['backfillsUpdated', 1], 'UPSTREAM_ERROR']]);
  });

  it('marks one stale while its polls fail, has null for it after CACHE_STALE_MS, and goes on with the others', async () => {
    const stack = await startStack({ CACHE_STALE_MS: '5000' });
    const { world, origin, sandbox, clock } = stack;
    addRunning(stack, 3);
    const restore = withoutList(stack);
    const stream = subscribe(origin, PAGE, of('11', '12', '13'));
    await expect.poll(() => stream.events).toHaveLength(1);
    sandbox.faults.add({ when: { id: '12' }, times: 3, answer: { kind: 'status', status: 500 } });
    await nextCallingPoll(stack);
    world.set('13', { transfer_runs_completed: 1 });
    await nextCallingPoll(stack);
    await nextCallingPoll(stack);
    // It is over now, so nobody asks for it any more.
    world.set('12', { transfer_runs_completed: 5 });
    await nextCallingPoll(stack);
    for (const id of ['11', '13']) world.set(id, { status: 'CANCELLED', transfer_runs_completed: 2 });
    clock.advance(2_000);
    await stream.completed;
    restore();
    expect(eventsOf(stream)).toEqual([
      ['11 RUNNING 0', '12 RUNNING 0', '13 RUNNING 0'],
      ['12 RUNNING 0 stale'],
      ['13 RUNNING 1'],
      // Only its place tells which of them is null, so all are there.
      ['11 RUNNING 0', null, '13 RUNNING 1'],
      ['11 CANCELLED 2', '13 CANCELLED 2'],
    ]);
    expect(stream.events.map(codesOf)).toEqual([[], [], [], ['UPSTREAM_ERROR'], []]);
    expect(errorsOf(stream, 3)).toEqual([[['backfillsUpdated', 1], 'UPSTREAM_ERROR']]);
  });

  it.each([
    [403, 'FORBIDDEN'],
    [404, 'NOT_FOUND'],
  ] as const)('has null at once for one that is answered %i', async (status, code) => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    addRunning(stack, 2);
    const restore = withoutList(stack);
    const stream = subscribe(origin, PAGE, of('11', '12'));
    await expect.poll(() => stream.events).toHaveLength(1);
    const body = { error: { code: 'SOME_CODE', message: 'No' }, meta: {} };
    sandbox.faults.add({ when: { id: '11' }, answer: { kind: 'status', status, body } });
    await nextCallingPoll(stack);
    world.set('12', { transfer_runs_completed: 1 });
    await nextCallingPoll(stack);
    restore();
    await expect
      .poll(() => eventsOf(stream))
      .toEqual([['11 RUNNING 0', '12 RUNNING 0'], [null, '12 RUNNING 0'], ['12 RUNNING 1']]);
    expect(errorsOf(stream, 1)).toEqual([[['backfillsUpdated', 0], code]]);
  });

  it('ends with the error when the credential is refused', async () => {
    const stack = await startStack();
    const { origin, sandbox, clock, logLines } = stack;
    addRunning(stack, 2);
    const stream = subscribe(origin, PAGE, of('11', '12'));
    await expect.poll(() => clock.waiting).toBe(1);
    sandbox.faults.add({ answer: { kind: 'status', status: 401 } });
    clock.advance(2_000);
    await stream.completed;
    expect(stream.events.map(codesOf)).toEqual([[], ['UNAUTHENTICATED']]);
    expect(stream.events[1]).not.toHaveProperty('data');
    expect(logLines.find(({ msg }) => msg === 'subscription ended')).toMatchObject({
      events: 2,
      reason: 'failed',
      codes: ['UNAUTHENTICATED'],
    });
    expect(clock.waiting).toBe(0);
  });

  it.each<{ what: string; code: string; message: RegExp; options: StreamOptions; calls: number }>([
    {
      what: '101 ids',
      code: 'BAD_USER_INPUT',
      message: /at most 100 ids; got 101/,
      options: of(...Array.from({ length: 101 }, (_, n) => String(n + 1))),
      calls: 0,
    },
    {
      what: 'a malformed id',
      code: 'BAD_USER_INPUT',
      message: /"0x1" at index 1/,
      options: of('11', '0x1'),
      calls: 0,
    },
    {
      what: 'no team',
      code: 'BAD_USER_INPUT',
      message: /No team/,
      options: { ...of('11'), team: null },
      calls: 0,
    },
    {
      what: 'no credential',
      code: 'UNAUTHENTICATED',
      message: /No credential/,
      options: { ...of('11'), token: null },
      calls: 0,
    },
    {
      what: 'a refused credential',
      code: 'UNAUTHENTICATED',
      message: /not accept/,
      options: { ...of('11'), token: 'refused' },
      calls: 1,
    },
  ])('fails at its start with one error for $what', async ({ code, message, options, calls }) => {
    const { origin, clock, sandbox } = await startStack();
    const stream = subscribe(origin, PAGE, options);
    await stream.completed;
    expect(stream.events).toMatchObject([
      {
        errors: [
          {
            path: ['backfillsUpdated'],
            message: expect.stringMatching(message),
            extensions: { code, retryable: false, requestId: expect.any(String) },
          },
        ],
      },
    ]);
    expect(stream.events[0]?.errors).toHaveLength(1);
    expect(sandbox.calls.count()).toBe(calls);
    expect(clock.waiting).toBe(0);
  });

  it('says a failure that all have once, and its repeats in few words', async () => {
    const stack = await startStack();
    const { origin, sandbox } = stack;
    const ids = addRunning(stack, 3);
    sandbox.faults.add({
      times: Infinity,
      answer: { kind: 'status', status: 429, headers: { 'retry-after': '7' } },
    });
    const stream = subscribe(origin, PAGE, of(...ids));
    await expect.poll(() => stream.events).toHaveLength(1);
    sandbox.faults.clear();
    const [first, ...repeats] = stream.events[0]?.errors ?? [];
    expect(first?.extensions).toMatchObject({ code: 'RATE_LIMITED', upstream: { status: 429 } });
    expect(repeats.map(({ extensions }) => Object.keys(extensions).sort())).toEqual([
      ['code', 'requestId', 'retryable'],
      ['code', 'requestId', 'retryable'],
    ]);
  });

  it('gives a slow client the latest state of each backfill', async () => {
    const stack = await startStack();
    const { world, origin } = stack;
    addRunning(stack, 3);
    // So large that few of them fit into the buffers of a connection.
    const error_report = Array.from({ length: 600 }, () => ({
      transfer_run_date: '2026-01-01',
      error: 'x'.repeat(1_000),
    }));
    world.set('11', { error_report });
    const query = PAGE.replace('isStale', 'isStale errorReport { error }');
    const stream = subscribe(origin, query, { ...of('11', '12', '13'), slow: true });
    await expect.poll(() => stack.clock.waiting).toBe(1);
    const polls = 40;
    for (let n = 1; n <= polls; n++) {
      world.set('11', { error_report, transfer_runs_completed: n });
      // It changes in one poll only, long before the client reads, and must not be lost.
      if (n === polls - 10) world.set('12', { transfer_runs_completed: 7 });
      await nextCallingPoll(stack);
    }
    stream.read?.();
    const latest = (): unknown => {
      const states = new Map<string, string>();
      for (const row of stream.events.flatMap((event) => rowsOf(event) ?? [])) {
        if (row !== null) states.set(row.split(' ')[0] ?? '', row);
      }
      return [...states.values()];
    };
    await expect
      .poll(latest, { timeout: 5_000 })
      .toEqual([`11 RUNNING ${polls}`, '12 RUNNING 7', '13 RUNNING 0']);
    expect(stream.events.length).toBeLessThan(polls);
  });

  it('is polled until its last client leaves', async () => {
    const stack = await startStack();
    const { origin, sandbox, clock, logLines } = stack;
    addRunning(stack, 2);
    const streams = [of('11', '12'), of('11', '12'), of('12')].map((ids) => subscribe(origin, PAGE, ids));
    await expect.poll(() => streams.map(({ events }) => events.length)).toEqual([1, 1, 1]);
    for (const [n, stream] of streams.entries()) {
      sandbox.calls.reset();
      await nextCallingPoll(stack);
      expect(sandbox.calls.count()).toBe(1);
      stream.leave();
      await expect.poll(() => logLines.filter(({ reason }) => reason === 'left')).toHaveLength(n + 1);
    }
    expect(clock.waiting).toBe(0);
  });

  it('has its lines in the log, and its place in the metrics', async () => {
    const stack = await startStack();
    const { world, origin, clock, logLines } = stack;
    addRunning(stack, 2);
    const stream = subscribe(origin, PAGE.replace('subscription', 'subscription Page'), of('11', '12'));
    await nextCallingPoll(stack);
    const metrics = await scrape(origin);
    expect(metrics.sum('subscriptions_open')).toBe(1);
    expect(metrics.by('polls_total')).toEqual({ ok: 1, failed: 0 });
    for (const id of ['11', '12']) world.set(id, { status: 'COMPLETED' });
    clock.advance(2_000);
    await stream.completed;
    expect(logLines.filter(({ operationName }) => operationName === 'Page')).toMatchObject([
      { msg: 'request', operation: 'subscription', upstreamCalls: 1, cacheHits: 1 },
      { msg: 'subscription ended', events: 2, reason: 'completed', durationMs: 4_000 },
    ]);
  });

  it('refuses an event that its error reports would make too large, and stays open', async () => {
    const stack = await startStack();
    const { world, origin } = stack;
    addRunning(stack, 2);
    const query = `subscription ($ids: [ID!]!) {
      backfillsUpdated(ids: $ids) { id status transferRunsCompleted isStale errorReport { ${Array.from({ length: 20 }, (_, n) => `e${n}: error`).join(' ')} } }
    }`;
    const stream = subscribe(origin, query, of('11', '12'));
    await expect.poll(() => stream.events).toHaveLength(1);
    const error_report = Array.from({ length: 900 }, () => ({
      transfer_run_date: '2026-01-01',
      error: 'x'.repeat(1_000),
    }));
    world.set('12', { error_report });
    await nextCallingPoll(stack);
    world.set('12', { error_report: [], transfer_runs_completed: 1 });
    await nextCallingPoll(stack);
    await expect.poll(() => stream.events.map(codesOf)).toEqual([[], ['REQUEST_LIMIT_EXCEEDED'], []]);
    expect(stream.events.map(rowsOf)[2]).toEqual(['12 RUNNING 1']);
  });
});

describe('X-Explain-Cost: estimate', () => {
  const headers = { 'x-explain-cost': 'estimate' };

  it('is refused for a live list over SSE, which has no cost of its own', async () => {
    const { origin, sandbox } = await startStack();
    const stream = overSse(origin, PAGE, { ...of('11'), headers });
    await stream.completed;
    expect(stream.events.map(codesOf)).toEqual([['BAD_USER_INPUT']]);
    expect(sandbox.calls.count()).toBe(0);
  });

  it('of an upgrade is not about the operations of the socket, and the live list is live', async () => {
    const stack = await startStack();
    addRunning(stack, 1);
    const stream = overWebSocket(stack.origin, PAGE, { ...of('11'), headers });
    await expect.poll(() => eventsOf(stream)).toEqual([['11 RUNNING 0']]);
    expect(stack.sandbox.calls.count()).toBe(1);
  });
});

describe('a page of 100 running backfills', () => {
  it('costs ten clients of both transports one upstream call in each interval in all, and a query beside them none', async () => {
    const stack = await startStack();
    const { world, origin, sandbox, query } = stack;
    const ids = addRunning(stack, 100);
    const streams = Array.from({ length: 10 }, (_, n) =>
      (n < 6 ? overSse : overWebSocket)(origin, PAGE, of(...ids)),
    );
    const haveAll = async (events: number): Promise<void> => {
      await expect
        .poll(() => streams.every((stream) => stream.events.length === events), { timeout: 15_000 })
        .toBe(true);
    };
    await haveAll(1);
    expect(sandbox.calls.count()).toBe(1);
    for (let n = 1; n <= 3; n++) {
      for (const id of ids) world.set(id, { transfer_runs_completed: n });
      await nextCallingPoll(stack);
      await haveAll(1 + n);
      expect(sandbox.calls.count()).toBe(1 + n);
      for (const { events } of streams) expect(events.at(-1)).toMatchObject({ data: expect.anything() });
      expect(streams.map(({ events }) => rowsOf(events.at(-1) ?? {})?.length)).toEqual(
        streams.map(() => 100),
      );
    }
    expect((await query('{ backfill(id: "11") { status } }')).data).toEqual({
      backfill: { status: 'RUNNING' },
    });
    expect(sandbox.calls.count()).toBe(4);

    // One of them ends. Its end is read once at its own endpoint.
    world.set('11', { status: 'COMPLETED' });
    await nextCallingPoll(stack);
    await haveAll(5);
    expect(sandbox.calls.count()).toBe(6);
  });

  it('shares its poll with streams of single backfills and of other pages', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    addRunning(stack, 4);
    const single = 'subscription { backfillUpdated(id: "12") { transferRunsCompleted } }';
    const streams = [
      overSse(origin, PAGE, of('11', '12', '13')),
      overSse(origin, PAGE, of('13', '14')),
      overSse(origin, PAGE, of('12')),
      overSse(origin, single),
    ];
    await expect.poll(() => streams.map(({ events }) => events.length)).toEqual([1, 1, 1, 1]);
    await nextCallingPoll(stack);
    sandbox.calls.reset();
    world.set('12', { transfer_runs_completed: 1 });
    world.set('13', { transfer_runs_completed: 2 });
    await nextCallingPoll(stack);
    await expect.poll(() => streams.map(({ events }) => events.length)).toEqual([2, 2, 2, 2]);
    expect(streams.slice(0, 3).map(({ events }) => rowsOf(events[1] ?? {}))).toEqual([
      ['12 RUNNING 1', '13 RUNNING 2'],
      ['13 RUNNING 2'],
      ['12 RUNNING 1'],
    ]);
    expect(sandbox.calls.count()).toBe(1);
  });

  it('is not told an older state than a query was shown while another of its rows was still being read', async () => {
    const stack = await startStack();
    const { world, origin, sandbox, clock, query } = stack;
    addRunning(stack, 2);
    const restore = withoutList(stack);
    const stream = overSse(origin, PAGE, of('11', '12'));
    await expect.poll(() => clock.waiting).toBe(1);
    world.set('11', { transfer_runs_completed: 1 });
    const latch = createLatch();
    sandbox.faults.add({
      when: { id: '12' },
      answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' },
    });
    sandbox.calls.reset();
    clock.advance(2_000);
    await expect.poll(() => [sandbox.calls.count(), sandbox.calls.inFlight]).toEqual([2, 1]);
    world.set('11', { transfer_runs_completed: 2 });
    clock.advance(2_500);
    await query('{ backfill(id: "11") { id } }', { headers: { 'cache-control': 'no-cache' } });
    latch.open();
    await expect.poll(() => eventsOf(stream)).toEqual([['11 RUNNING 0', '12 RUNNING 0'], ['11 RUNNING 2']]);
    world.set('12', { transfer_runs_completed: 1 });
    await nextCallingPoll(stack);
    // And is not told the same twice.
    await expect.poll(() => stream.events.map(rowsOf)[2]).toEqual(['12 RUNNING 1']);
    restore();
  });

  it.each([
    ['500', { kind: 'status', status: 500 }, [['11 RUNNING 2']]],
    [
      'nonsense',
      { kind: 'status', status: 200, body: 'not JSON' },
      [['11 RUNNING 2 stale'], ['11 RUNNING 2']],
    ],
  ] as const)(
    'is told the last state that a query was shown, where its own read of that row was answered %s before',
    async (_what, answer, told) => {
      const stack = await startStack();
      const { world, origin, sandbox, clock, query } = stack;
      addRunning(stack, 2);
      const restore = withoutList(stack);
      const stream = overSse(origin, PAGE, of('11', '12'));
      await expect.poll(() => clock.waiting).toBe(1);
      const latch = createLatch();
      sandbox.faults.add({ when: { id: '11' }, answer });
      sandbox.faults.add({ when: { id: '12' }, answer: { kind: 'hold', until: latch.opened } });
      sandbox.calls.reset();
      clock.advance(2_000);
      await expect.poll(() => [sandbox.calls.count(), sandbox.calls.inFlight]).toEqual([2, 1]);
      world.set('11', { transfer_runs_completed: 2 });
      clock.advance(2_500);
      await query('{ backfill(id: "11") { id } }', { headers: { 'cache-control': 'no-cache' } });
      latch.open();
      await expect.poll(() => stream.events.map(rowsOf)[1]).toEqual(told[0]);
      await nextCallingPoll(stack);
      world.set('12', { transfer_runs_completed: 1 });
      await nextCallingPoll(stack);
      await expect
        .poll(() => eventsOf(stream))
        .toEqual([['11 RUNNING 0', '12 RUNNING 0'], ...told, ['12 RUNNING 1']]);
      restore();
    },
  );
});
