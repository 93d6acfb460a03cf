import { describe, expect, it } from 'vitest';
import { envelope } from '../../../src/sandbox/faults.ts';
import { codesOf, createLatch, type GraphqlError, startStack } from '../../harness.ts';
import {
  nextPoll,
  overSse,
  overWebSocket,
  type StreamEvent,
  type StreamOptions,
} from '../../support/streams.ts';
import { scrape } from '../../support/series.ts';

const TRANSPORTS = [
  ['SSE', overSse],
  ['WebSocket', overWebSocket],
] as const;

const updates = (id: string, more = ''): string =>
  `subscription { backfillUpdated(id: "${id}") { status transferRunsCompleted isStale ${more} } }`;

const event = (status: string, transferRunsCompleted: number, isStale = false): StreamEvent => ({
  data: { backfillUpdated: { status, transferRunsCompleted, isStale } },
});

const FAILS = { kind: 'status', status: 500 } as const;

describe.each(TRANSPORTS)('a subscription over %s', (name, subscribe) => {
  it('sends the state at once, then each change once, and nothing without a change', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 1 });
    const stream = subscribe(origin, updates(id));
    await expect.poll(() => stream.events).toEqual([event('RUNNING', 1)]);
    expect(sandbox.calls.count()).toBe(1);

    await nextPoll(stack);
    await nextPoll(stack);
    expect(sandbox.calls.count()).toBe(3);
    world.set(id, { transfer_runs_completed: 2 });
    await nextPoll(stack);
    await nextPoll(stack);
    world.set(id, { transfer_runs_completed: 3 });
    await nextPoll(stack);
    await expect
      .poll(() => stream.events)
      .toEqual([event('RUNNING', 1), event('RUNNING', 2), event('RUNNING', 3)]);
  });

  it.each(['COMPLETED', 'CANCELLED', 'FAILED'] as const)('completes at %s', async (status) => {
    const { world, origin, clock, sandbox } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 1 });
    const stream = subscribe(origin, updates(id));
    await expect.poll(() => clock.waiting).toBe(1);
    world.set(id, { transfer_runs_completed: 1, status });
    clock.advance(2_000);
    await stream.completed;
    expect(stream.events).toEqual([event('RUNNING', 1), event(status, 1)]);
    expect(clock.waiting).toBe(0);
    expect(sandbox.calls.count()).toBe(2);
  });

  it.each(['COMPLETED', 'CANCELLED', 'FAILED'] as const)(
    'of a backfill that is %s already gives this state and completes',
    async (status) => {
      const { world, origin, clock, sandbox } = await startStack();
      const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
      world.set(id, { transfer_runs_completed: 1, status });
      const stream = subscribe(origin, updates(id));
      await stream.completed;
      expect(stream.events).toEqual([event(status, 1)]);
      expect(clock.waiting).toBe(0);
      expect(sandbox.calls.count()).toBe(1);
    },
  );

  it('goes on at a status that the gateway does not know', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    stack.world.set(id, { status: 'PAUSED', transfer_runs_completed: 1 });
    const stream = subscribe(stack.origin, updates(id));
    await nextPoll(stack);
    expect(stream.events).toEqual([event('UNKNOWN', 1)]);
  });

  it.each<{ code: string; options?: StreamOptions; id?: string; calls: number }>([
    { code: 'NOT_FOUND', id: '404', calls: 1 },
    { code: 'UNAUTHENTICATED', options: { token: null }, calls: 0 },
    { code: 'UNAUTHENTICATED', options: { token: 'two words' }, calls: 0 },
    { code: 'UNAUTHENTICATED', options: { token: 'refused' }, calls: 1 },
    { code: 'FORBIDDEN', options: { token: 'sandbox-noaccess' }, calls: 1 },
    { code: 'BAD_USER_INPUT', id: '0x1', calls: 0 },
    { code: 'BAD_USER_INPUT', options: { team: 'ours' }, calls: 0 },
    { code: 'BAD_USER_INPUT', options: { team: null }, calls: 0 },
  ])('fails at its start with $code for $id $options, and ends', async ({ code, options, id, calls }) => {
    const { world, origin, clock, sandbox, logLines } = await startStack();
    const known = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const stream = subscribe(origin, updates(id ?? known), options);
    await stream.completed;
    const requestId = logLines.find(({ msg }) => msg === 'request')?.['requestId'];
    expect(stream.events).toMatchObject([
      { errors: [{ path: ['backfillUpdated'], extensions: { code, retryable: false, requestId } }] },
    ]);
    expect(requestId).toBeDefined();
    expect(sandbox.calls.count()).toBe(calls);
    expect(clock.waiting).toBe(0);
  });

  it('marks its last value stale once while polls fail, and sends a fresh one when they succeed again', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 1 });
    const stream = subscribe(origin, updates(id, 'fetchedAt'));
    await nextPoll(stack);
    const restore = sandbox.faults.add({ times: Infinity, answer: FAILS });
    await nextPoll(stack);
    await nextPoll(stack);
    await nextPoll(stack);
    restore();
    await nextPoll(stack);
    const seen = (isStale: boolean, fetchedAt: string) => ({
      data: { backfillUpdated: { status: 'RUNNING', transferRunsCompleted: 1, isStale, fetchedAt } },
    });
    await expect
      .poll(() => stream.events)
      .toEqual([
        seen(false, '2026-03-02T10:00:00Z'),
        // The last good value, from the poll before the failures.
        seen(true, '2026-03-02T10:00:02Z'),
        seen(false, '2026-03-02T10:00:10Z'),
      ]);
  });

  it('stays open and is marked stale after an HTTP response of the wrong shape, however long nothing had changed', async () => {
    const stack = await startStack({ CACHE_STALE_MS: '5000' });
    const { world, origin, sandbox } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 1 });
    const stream = subscribe(origin, updates(id));
    await expect.poll(() => stream.events).toHaveLength(1);
    for (let n = 0; n < 5; n++) await nextPoll(stack);
    sandbox.faults.add({ times: 2, answer: { kind: 'status', status: 200, body: 'not JSON' } });
    await nextPoll(stack);
    await nextPoll(stack);
    await nextPoll(stack);
    await expect
      .poll(() => stream.events)
      .toEqual([event('RUNNING', 1), event('RUNNING', 1, true), event('RUNNING', 1)]);
  });

  it('is told the last state that anybody was shown, where its own poll fails', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 1 });
    const stream = subscribe(origin, updates(id));
    await expect.poll(() => stream.events).toHaveLength(1);
    world.set(id, { transfer_runs_completed: 2 });
    await stack.query('{ transfer(id: "5") { latestBackfill { id } } }');
    sandbox.faults.add({ answer: { kind: 'status', status: 200, body: 'not JSON' } });
    await nextPoll(stack);
    await expect.poll(() => stream.events).toEqual([event('RUNNING', 1), event('RUNNING', 2, true)]);
  });

  it('ends with the error when polls have failed for longer than CACHE_STALE_MS', async () => {
    const stack = await startStack({ CACHE_STALE_MS: '5000' });
    const { world, origin, sandbox, clock, logLines } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 1 });
    const stream = subscribe(origin, updates(id));
    await nextPoll(stack);
    sandbox.faults.add({ times: Infinity, answer: FAILS });
    await nextPoll(stack);
    await nextPoll(stack);
    expect(stream.events).toHaveLength(2);
    clock.advance(2_000);
    await stream.completed;
    expect(stream.events).toEqual([
      event('RUNNING', 1),
      event('RUNNING', 1, true),
      { errors: [expect.anything()] },
    ]);
    const { requestId } = lastError(stream.events).extensions;
    expect(lastError(stream.events).extensions).toEqual({
      code: 'UPSTREAM_ERROR',
      retryable: true,
      requestId: logLines.find(({ msg }) => msg === 'request')?.['requestId'],
      upstream: expect.objectContaining({ status: 500 }),
    });
    expect(logLines.find(({ msg }) => msg === 'subscription ended')).toMatchObject({
      requestId,
      durationMs: 8_000,
      events: 3,
      reason: 'failed',
      codes: ['UPSTREAM_ERROR'],
    });
    expect(clock.waiting).toBe(0);
  });

  it('ends at the first failure if CACHE_STALE_MS is 0', async () => {
    const { world, origin, sandbox, clock } = await startStack({ CACHE_STALE_MS: '0' });
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const stream = subscribe(origin, updates(id));
    await expect.poll(() => clock.waiting).toBe(1);
    sandbox.faults.add({ answer: FAILS });
    clock.advance(2_000);
    await stream.completed;
    expect(stream.events.map(codesOf)).toEqual([[], ['UPSTREAM_ERROR']]);
  });

  it.each([
    [401, 'UNAUTHENTICATED'],
    [403, 'FORBIDDEN'],
    [404, 'NOT_FOUND'],
  ] as const)('ends at once when a poll is answered %i, with %s', async (status, code) => {
    const { world, origin, sandbox, clock } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const stream = subscribe(origin, updates(id));
    await expect.poll(() => clock.waiting).toBe(1);
    sandbox.faults.add({
      answer: { kind: 'status', status, body: { error: { code: 'SOME_CODE', message: 'No' }, meta: {} } },
    });
    clock.advance(2_000);
    await stream.completed;
    expect(stream.events.map(codesOf)).toEqual([[], [code]]);
    expect(lastError(stream.events).extensions).toMatchObject({
      retryable: false,
      requestId: expect.any(String),
      upstream: { status, code: 'SOME_CODE' },
    });
    expect(clock.waiting).toBe(0);
  });

  it('ends at a bug of the gateway, and only the log has its text', async () => {
    const { world, origin, sandbox, clock, logLines } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const stream = subscribe(origin, updates(id));
    await expect.poll(() => clock.waiting).toBe(1);
    const latch = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' } });
    clock.advance(2_000);
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    clock.now = () => {
      throw new TypeError('cannot read secrets of undefined');
    };
    latch.open();
    await stream.completed;
    expect(lastError(stream.events)).toMatchObject({
      message: 'Internal server error.',
      extensions: { code: 'INTERNAL_SERVER_ERROR', retryable: false, requestId: expect.any(String) },
    });
    expect(JSON.stringify(stream.events)).not.toContain('secrets');
    expect(logLines.filter(({ msg }) => msg === 'bug')).toEqual([
      expect.objectContaining({
        requestId: lastError(stream.events).extensions.requestId,
        err: expect.objectContaining({ type: 'TypeError', message: 'cannot read secrets of undefined' }),
      }),
    ]);
    expect(clock.waiting).toBe(0);
  });

  it("resolves the other fields of each event anew, within the event's own limit of calls", async () => {
    // The start costs one call, and so does the other backfill of each event.
    const stack = await startStack({ MAX_UPSTREAM_CALLS_PER_OPERATION: '1', CACHE_TTL_MS: '1000' });
    const { world, origin, sandbox, clock } = stack;
    // If the team list had the other backfill, it would cost nothing.
    const restoreList = sandbox.faults.add({
      when: { operation: 'listIncompleteBackfills' },
      times: Infinity,
      answer: { kind: 'status', status: 403 },
    });
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    clock.advance(1_000);
    const newer = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    world.set(id, { transfer_runs_completed: 1 });
    world.set(newer, { transfer_runs_completed: 10 });
    const stream = subscribe(origin, updates(id, 'transfer { latestBackfill { transferRunsCompleted } }'));
    await expect.poll(() => stream.events).toHaveLength(1);

    world.set(id, { transfer_runs_completed: 2 });
    world.set(newer, { transfer_runs_completed: 20 });
    await nextPoll(stack);
    await expect.poll(() => stream.events).toHaveLength(2);
    // An error of such a field does not end the stream.
    const restore = sandbox.faults.add({
      when: { operation: 'getLatestBackfill' },
      times: Infinity,
      answer: { kind: 'status', status: 403 },
    });
    world.set(id, { transfer_runs_completed: 3 });
    await nextPoll(stack);
    await expect.poll(() => stream.events).toHaveLength(3);
    restore();
    restoreList();
    world.set(id, { transfer_runs_completed: 4 });
    await nextPoll(stack);
    await expect.poll(() => stream.events).toHaveLength(4);

    const latestOf = ({ data }: StreamEvent): unknown =>
      (data as { backfillUpdated: { transfer: { latestBackfill: unknown } } }).backfillUpdated.transfer
        .latestBackfill;
    expect(stream.events.map(latestOf)).toEqual([
      { transferRunsCompleted: 10 },
      { transferRunsCompleted: 20 },
      null,
      { transferRunsCompleted: 20 },
    ]);
    expect(stream.events.map(codesOf)).toEqual([[], [], ['FORBIDDEN'], []]);
    expect(lastError(stream.events)).toMatchObject({
      path: ['backfillUpdated', 'transfer', 'latestBackfill'],
      extensions: { requestId: expect.any(String) },
    });
  });

  it('stops its polls as soon as it has no subscriber, even during a poll', async () => {
    const stack = await startStack();
    const { world, origin, sandbox, clock, logLines } = stack;
    const ids = ['5', '6'].map((transferId) => world.addBackfill({ transferId, status: 'RUNNING' }));
    const [one, two, other] = [ids[0], ids[0], ids[1]].map((id = '') => subscribe(origin, updates(id)));
    await expect.poll(() => [one, two, other].map((stream) => stream?.events.length)).toEqual([1, 1, 1]);
    sandbox.calls.reset();

    one?.leave();
    await expect.poll(() => logLines).toContainEqual(expect.objectContaining({ reason: 'left', events: 1 }));
    await nextPoll(stack);
    const polled = [...sandbox.calls.countByPath().values()];
    expect(polled.length).toBeGreaterThan(0);

    other?.leave();
    await expect.poll(() => logLines.filter(({ reason }) => reason === 'left')).toHaveLength(2);
    for (let n = 0; n < 3; n++) {
      sandbox.calls.reset();
      await nextPoll(stack);
      expect(sandbox.calls.count()).toBe(1);
    }
    // It is polled at its own endpoint by now. The list has timers of its own.
    expect(sandbox.calls.count('getBackfillById')).toBe(1);

    sandbox.faults.add({ answer: { kind: 'hang' } });
    clock.advance(2_000);
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    two?.leave();
    await expect.poll(() => logLines.filter(({ reason }) => reason === 'left')).toHaveLength(3);
    sandbox.calls.reset();
    // The poll under way goes on, and reads beside the list that is late. None follows it.
    clock.advance(60_000);
    expect(sandbox.calls.count('listIncompleteBackfills')).toBe(0);
    expect(sandbox.calls.count()).toBeLessThanOrEqual(1);
    expect(clock.waiting).toBe(0);
  });

  it('never shares a poll with another credential or team', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const ofTeam2 = world.addBackfill({ teamId: '2', transferId: '5', status: 'RUNNING' });
    world.addToken('another', { teams: 'all', permissions: 'view' });
    const streams = [
      subscribe(origin, updates(id)),
      subscribe(origin, updates(id), { token: 'another' }),
      subscribe(origin, updates(ofTeam2), { team: '2' }),
    ];
    await expect.poll(() => streams.map(({ events }) => events.length)).toEqual([1, 1, 1]);
    sandbox.calls.reset();
    await nextPoll(stack, 2_000, 3);
    const { all } = sandbox.calls;
    expect(all.map(({ authorization, path }) => `${authorization ?? ''} ${path}`).sort()).toEqual([
      `Bearer another /v1/teams/1/backfills/${id}`,
      `Bearer sandbox-full /v1/teams/1/backfills/${id}`,
      `Bearer sandbox-full /v1/teams/2/backfills/${ofTeam2}`,
    ]);
    expect(new Set(all.map(({ requestId }) => requestId)).size).toBe(3);
  });

  it('has lines in the log and its place in the metrics, without ids or names', async () => {
    const stack = await startStack();
    const { world, origin, sandbox, clock, logLines } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const none = { sse: 0, websocket: 0 };
    const transport = name.toLowerCase();
    const stream = subscribe(origin, updates(id).replace('subscription', 'subscription Progress'));
    await nextPoll(stack);
    sandbox.faults.add({ answer: FAILS });
    await nextPoll(stack);
    await expect.poll(() => stream.events).toHaveLength(2);
    const during = await scrape(origin);
    expect(during.by('subscriptions_open')).toEqual({ ...none, [transport]: 1 });
    expect(during.by('polls_total')).toEqual({ ok: 1, failed: 1 });
    expect(during.counted('subscriptions_ended_total')).toEqual({});

    world.set(id, { status: 'COMPLETED' });
    clock.advance(2_000);
    await stream.completed;
    const after = await scrape(origin);
    expect(after.by('subscriptions_open')).toEqual(none);
    expect(after.counted('subscriptions_ended_total')).toEqual({ [`${transport} completed`]: 1 });
    const [opened, ended] = logLines.filter(({ operationName }) => operationName === 'Progress');
    expect(opened).toMatchObject({
      msg: 'request',
      durationMs: 0,
      operation: 'subscription',
      upstreamCalls: 1,
    });
    expect(ended).toMatchObject({
      msg: 'subscription ended',
      requestId: opened?.['requestId'],
      durationMs: 6_000,
      events: 3,
      reason: 'completed',
    });
  });

  it('sends a slow client the latest state, and skips those it missed', async () => {
    const stack = await startStack();
    const { world, origin } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    // Each is so large that few of them fit into the buffers of a connection.
    const error_report = Array.from({ length: 600 }, () => ({
      transfer_run_date: '2026-01-01',
      error: 'x'.repeat(1_000),
    }));
    world.set(id, { error_report, transfer_runs_completed: 0 });
    const stream = subscribe(origin, updates(id, 'errorReport { error }'), { slow: true });
    await expect.poll(() => stack.clock.waiting).toBe(1);
    const polls = 40;
    for (let n = 1; n <= polls; n++) {
      world.set(id, { error_report, transfer_runs_completed: n });
      await nextPoll(stack);
    }
    stream.read?.();
    const seen = (): number[] =>
      stream.events.map(
        ({ data }) =>
          (data as { backfillUpdated: { transferRunsCompleted: number } }).backfillUpdated
            .transferRunsCompleted,
      );
    await expect.poll(() => seen().at(-1), { timeout: 5_000 }).toBe(polls);
    expect(seen().length).toBeLessThan(polls);
    expect(seen()).toEqual([...new Set(seen())].sort((a, b) => a - b));
  });
});

function lastError(events: readonly StreamEvent[]): GraphqlError {
  const error = events.flatMap(({ errors = [] }) => errors).at(-1);
  if (error === undefined) throw new Error('no error came');
  return error;
}

/** So many streams take their time on a busy machine. */
const PATIENT = { timeout: 15_000 };

describe('200 subscribers', () => {
  it('of one backfill cost one upstream call in each interval', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const streams = Array.from({ length: 200 }, (_, n) =>
      (n % 2 === 0 ? overSse : overWebSocket)(origin, updates(id)),
    );
    await expect.poll(() => streams.every(({ events }) => events.length === 1), PATIENT).toBe(true);
    expect(sandbox.calls.count()).toBe(1);
    for (let n = 1; n <= 3; n++) {
      world.set(id, { transfer_runs_completed: n });
      await nextPoll(stack);
      expect(sandbox.calls.count()).toBe(1 + n);
    }
    await expect.poll(() => streams.every(({ events }) => events.length === 4), PATIENT).toBe(true);
  });
});

describe('1,000 subscribers', () => {
  it('of 50 running backfills of a team cost one upstream call in each interval', async () => {
    const stack = await startStack();
    const { world, origin, sandbox } = stack;
    const ids = Array.from({ length: 50 }, (_, n) =>
      world.addBackfill({ transferId: String(100 + n), status: 'RUNNING' }),
    );
    const streams = Array.from({ length: 1_000 }, (_, n) => overSse(origin, updates(ids[n % 50] ?? '')));
    const haveAll = async (events: number): Promise<void> => {
      await expect
        .poll(() => streams.every((stream) => stream.events.length === events), { timeout: 15_000 })
        .toBe(true);
    };
    await haveAll(1);
    sandbox.calls.reset();
    for (let n = 1; n <= 3; n++) {
      for (const id of ids) world.set(id, { transfer_runs_completed: n });
      await nextPoll(stack);
      await haveAll(1 + n);
      expect(sandbox.calls.count()).toBe(n);
    }
    expect(sandbox.calls.count('listIncompleteBackfills')).toBe(3);

    // One backfill ends. Its end is read once at its own endpoint, and the others go on.
    world.set(ids[0] ?? '', { transfer_runs_completed: 4, status: 'COMPLETED' });
    await nextPoll(stack);
    await Promise.all(streams.filter((_, n) => n % 50 === 0).map((stream) => stream.completed));
    await expect.poll(() => sandbox.calls.count()).toBe(5);
  });
});

describe('a stream beside others who read the same', () => {
  it('is polled with their reads, and costs no call where these suffice', async () => {
    const stack = await startStack();
    const { world, origin, sandbox, clock, query } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const stream = overSse(origin, updates(id));
    await expect.poll(() => stream.events).toHaveLength(1);
    const readPastTheCache = async (runs: number): Promise<void> => {
      world.set(id, { transfer_runs_completed: runs });
      await query(`{ backfill(id: "${id}") { id } }`, { headers: { 'cache-control': 'no-cache' } });
    };
    clock.advance(1_500);
    await readPastTheCache(1);
    sandbox.calls.reset();
    clock.advance(500);
    await expect.poll(() => stream.events).toHaveLength(2);
    // Its next poll comes an interval after that read, when the next one has just been made.
    clock.advance(1_400);
    await readPastTheCache(2);
    clock.advance(100);
    await expect.poll(() => stream.events).toHaveLength(3);
    expect(sandbox.calls.count()).toBe(1);
    // Nobody else reads any more.
    world.set(id, { transfer_runs_completed: 3 });
    await expect.poll(() => clock.waiting).toBe(1);
    clock.advance(1_900);
    await expect.poll(() => stream.events).toHaveLength(4);
    expect(sandbox.calls.count()).toBe(2);
  });
});

describe('a credential with little of its quota left', () => {
  it('is polled less often, and not at all with nearly no quota, which the stream shows as stale', async () => {
    const stack = await startStack();
    const { world, origin, sandbox, clock, query } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const stream = overSse(origin, updates(id));
    await expect.poll(() => stream.events).toHaveLength(1);
    let unknown = 404_000;
    const tell = async (left: number): Promise<void> => {
      const unknownId = String(++unknown);
      const headers = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': String(left) };
      const body = envelope('NOT_FOUND', 'No');
      sandbox.faults.add({ when: { id: unknownId }, answer: { kind: 'status', status: 404, headers, body } });
      await query(`{ backfill(id: "${unknownId}") { id } }`);
    };
    await tell(600);
    const pollsIn = async (seconds: number): Promise<number> => {
      sandbox.calls.reset();
      for (let second = 0; second < seconds; second++) {
        clock.advance(1_000);
        await expect.poll(() => clock.waiting).toBe(1);
      }
      return sandbox.calls.count();
    };
    await pollsIn(300);
    const polls = await pollsIn(300);
    expect(polls).toBeGreaterThan(20);
    expect(polls).toBeLessThan(100);

    await tell(40);
    clock.advance(60_000);
    await expect.poll(() => stream.events.at(-1)).toEqual(event('RUNNING', 0, true));
  });
});

describe('many streams', () => {
  it('do not count towards the limit of 1,000 requests in flight', async () => {
    const stack = await startStack();
    const { world, origin, query } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const streams = Array.from({ length: 1_050 }, () => overSse(origin, updates(id)));
    await expect.poll(() => streams.every(({ events }) => events.length === 1), PATIENT).toBe(true);
    expect((await query('{ __typename }')).status).toBe(200);
    for (const stream of streams) stream.leave();
    await expect.poll(() => stack.clock.waiting, PATIENT).toBe(0);
  });
});
