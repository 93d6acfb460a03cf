import { context, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { envelope, type FaultAnswer } from '../../src/sandbox/faults.ts';
import type { PlanningAt } from '../../src/server/front/front.ts';
import { codesOf, createLatch, type QueryOptions, startStack } from '../harness.ts';
import { nextCallingPoll, overSse, overWebSocket } from '../support/streams.ts';
import { eventually, startSdk, toldBy } from '../support/traces.ts';

const traces = startSdk();
beforeEach(() => traces.reset());

const ONE = 'query One { backfill(id: "1001") { id status } }';
const PAGE = 'query Page { transfers(ids: ["5", "6"]) { latestBackfill { id status } } }';
const CREATE = `mutation Start { createBackfill(input: {
  transferId: "5", rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-31"
}) { id } }`;
const LIVE = 'subscription Live($id: ID!) { backfillUpdated(id: $id) { id status } }';

const ENGINES: readonly (readonly [string, PlanningAt])[] = [
  ['the front', 'first use'],
  ['yoga', 'never'],
];

describe.each(ENGINES)('an operation that %s answers', (_engine, planningAt) => {
  it('stands in one trace, from its client to each REST call', async () => {
    const { world, query } = await startStack({}, {}, planningAt);
    for (const transferId of ['5', '6']) world.addBackfill({ transferId, status: 'RUNNING' });
    await query(PAGE);
    await eventually(traces.drawn).toBe(`POST (client) 200
  POST (server) 200
    query Page
      read
        getLatestBackfill
          GET (client) 200
            GET (server) 200
        getLatestBackfill
          GET (client) 200
            GET (server) 200`);
    expect(new Set(traces.spans.map((span) => span.spanContext().traceId)).size).toBe(1);
    expect(traces.ours('query')[0]?.attributes).toEqual({
      'graphql.operation.type': 'query',
      'graphql.operation.name': 'Page',
      'backfill_gateway.upstream_calls': 2,
      'backfill_gateway.cache_hits': 0,
      'backfill_gateway.stale_reads': 0,
    });
    expect(traces.ours('read')[0]?.attributes).toEqual({ 'backfill_gateway.reads': 2 });
  });

  it('has one call for all that the list answers, and none for what is kept', async () => {
    const { world, clock, query } = await startStack({}, {}, planningAt);
    for (const transferId of ['5', '6']) world.addBackfill({ transferId, status: 'RUNNING' });
    await query(PAGE);
    await eventually(() => traces.spans.length).toBe(10);
    traces.reset();
    clock.advance(2_001);
    await query(PAGE);
    await query(PAGE);
    await eventually(traces.drawn).toBe(`POST (client) 200
  POST (server) 200
    query Page
      read
        listIncompleteBackfills
          GET (client) 200
            GET (server) 200
POST (client) 200
  POST (server) 200
    query Page`);
  });

  it('has its retries beneath the call', async () => {
    const { world, sandbox, query } = await startStack({}, {}, planningAt);
    world.addBackfill({ id: '1001', transferId: '5', status: 'RUNNING' });
    sandbox.faults.add({ answer: { kind: 'status', status: 503 } });
    await query(ONE);
    await eventually(traces.drawn).toBe(`POST (client) 200
  POST (server) 200
    query One
      read
        getBackfillById
          GET (client) 503
            GET (server) 503
          GET (client) 200
            GET (server) 200`);
    expect(traces.ours('getBackfillById')[0]?.attributes).toEqual({ 'backfill_gateway.exchanges': 2 });
  });

  it('has a second try beneath the call, beside the first', async () => {
    const { world, sandbox, query } = await startStack({ UPSTREAM_TIMEOUT_MS: '400' }, {}, planningAt);
    world.addBackfill({ id: '1001', transferId: '5', status: 'RUNNING' });
    sandbox.faults.add({ answer: { kind: 'hang' } });
    await query(ONE);
    await eventually(() => traces.ours('query')).toHaveLength(1);
    const [call] = traces.ours('getBackfillById');
    const tries = () =>
      traces.spans.filter((span) => span.parentSpanContext?.spanId === call?.spanContext().spanId);
    await eventually(tries).toHaveLength(2);
    expect(call?.attributes).toEqual({ 'backfill_gateway.exchanges': 2 });
  });

  it('is linked to the call of another where both have read the same', async () => {
    const { world, sandbox, query } = await startStack({}, {}, planningAt);
    world.addBackfill({ id: '1001', transferId: '5', status: 'RUNNING' });
    const latch = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
    const first = query(ONE);
    await eventually(() => sandbox.calls.inFlight).toBe(1);
    const second = query(ONE);
    await eventually(() => traces.begun('read')).toBe(2);
    latch.open();
    await Promise.all([first, second]);
    await eventually(traces.drawn).toBe(`POST (client) 200
  POST (server) 200
    query One
      read
        getBackfillById
          GET (client) 200
            GET (server) 200
POST (client) 200
  POST (server) 200
    query One
      read -> getBackfillById`);
  });

  it('is linked to the list that was read for another', async () => {
    const { world, clock, sandbox, query } = await startStack({}, {}, planningAt);
    for (const transferId of ['5', '6']) world.addBackfill({ transferId, status: 'RUNNING' });
    await query(PAGE);
    await eventually(() => traces.spans.length).toBe(10);
    traces.reset();
    clock.advance(2_001);
    const latch = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
    const list = query('query List { incompleteBackfills { items { id } } }');
    await eventually(() => sandbox.calls.inFlight).toBe(1);
    const page = query(PAGE);
    await eventually(() => traces.begun('read')).toBe(2);
    latch.open();
    await Promise.all([list, page]);
    await eventually(traces.drawn).toBe(`POST (client) 200
  POST (server) 200
    query List
      read
        listIncompleteBackfills
          GET (client) 200
            GET (server) 200
POST (client) 200
  POST (server) 200
    query Page
      read -> listIncompleteBackfills`);
  });
});

describe('a mutation', () => {
  it('has its call beneath it, and none of its own where an identical one is under way', async () => {
    const { world, sandbox, query } = await startStack();
    world.addTransfer('1', '5');
    const latch = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
    const first = query(CREATE);
    await eventually(() => sandbox.calls.inFlight).toBe(1);
    const second = query(CREATE);
    await eventually(() => traces.begun('mutation')).toBe(2);
    latch.open();
    await Promise.all([first, second]);
    await eventually(traces.drawn).toBe(`POST (client) 200
  POST (server) 200
    mutation Start
      createBackfill
        POST (client) 200
          POST (server) 200
POST (client) 200
  POST (server) 200
    mutation Start -> createBackfill`);
  });

  it('of unknown outcome says so, and has the read that finds out what became of it', async () => {
    const { world, sandbox, query } = await startStack();
    const id = world.addBackfill({ id: '1001', transferId: '5', status: 'RUNNING' });
    sandbox.faults.add({
      when: { operation: 'updateBackfillStatus' },
      answer: { kind: 'reset', at: 'in-body' },
    });
    await query(`mutation Stop { cancelBackfill(id: "${id}") { id } }`);
    await eventually(() => traces.ours('mutation')).toHaveLength(1);
    expect(traces.ours('updateBackfillStatus')[0]?.attributes['error.type']).toBe('OUTCOME_UNKNOWN');
    expect(traces.ours('getBackfillById')).toHaveLength(1);
  });
});

const json = (status: number, code: string, headers = {}): FaultAnswer => ({
  kind: 'status',
  status,
  headers,
  body: envelope(code, 'No.'),
});

describe('an error', () => {
  it.each<[string, FaultAnswer]>([
    ['BAD_USER_INPUT', json(400, 'INVALID_PARAMETER')],
    ['UNAUTHENTICATED', json(401, 'UNAUTHORIZED')],
    ['FORBIDDEN', json(403, 'FORBIDDEN')],
    ['NOT_FOUND', json(404, 'NOT_FOUND')],
    ['CONFLICT', json(409, 'CONFLICT')],
    ['RATE_LIMITED', json(429, 'TOO_MANY_REQUESTS')],
    ['QUOTA_EXCEEDED', json(429, 'API_ROW_QUOTA_EXCEEDED')],
    ['UPSTREAM_ERROR', json(500, 'INTERNAL_SERVER_ERROR')],
    ['UPSTREAM_UNAVAILABLE', json(503, 'UNAVAILABLE', { 'retry-after': '1' })],
    ['UPSTREAM_TIMEOUT', { kind: 'hang' }],
    ['UPSTREAM_INVALID_RESPONSE', { kind: 'raw', bytes: 'no JSON' }],
  ])('has the code %s at the operation and at the call that failed', async (code, answer) => {
    const { sandbox, query } = await startStack({ UPSTREAM_TIMEOUT_MS: '200' });
    const removeFault = sandbox.faults.add({ times: Infinity, answer });
    expect(codesOf(await query(ONE))).toEqual([code]);
    removeFault();
    await eventually(() => traces.ours('query')).toHaveLength(1);
    for (const name of ['query', 'getBackfillById']) {
      const [span] = traces.ours(name);
      expect(span?.attributes['error.type']).toBe(code);
      expect(span?.status).toEqual({ code: SpanStatusCode.ERROR });
    }
  });

  it.each<[string, string, string, QueryOptions?]>([
    ['BAD_USER_INPUT', '{ backfill(id: "abc") { id } }', 'query'],
    ['UNAUTHENTICATED', ONE, 'query', { token: null }],
    ['REQUEST_LIMIT_EXCEEDED', PAGE, 'query'],
    ['GRAPHQL_PARSE_FAILED', '{ backfill(', 'GraphQL Operation'],
    ['GRAPHQL_VALIDATION_FAILED', '{ nothing }', 'GraphQL Operation'],
  ])('before any call, such as %s, has its code too', async (code, document, name, options) => {
    const { query } = await startStack({ MAX_UPSTREAM_CALLS_PER_OPERATION: '1' });
    expect(codesOf(await query(document, options))).toContain(code);
    await eventually(() => traces.ours(name)).toHaveLength(1);
    expect(traces.ours(name)[0]?.attributes['error.type']).toBe(code);
  });

  it.each(ENGINES)(
    'by a bug has its code and nothing of its text, where %s answers',
    async (_name, planningAt) => {
      const { clock, sandbox, query } = await startStack({}, {}, planningAt);
      const latch = createLatch();
      sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened, answerFrom: 'request' } });
      const answer = query(ONE);
      await expect.poll(() => sandbox.calls.inFlight).toBe(1);
      clock.now = () => {
        throw new TypeError('a secret of the program');
      };
      latch.open();
      expect(codesOf(await answer)).toEqual(['INTERNAL_SERVER_ERROR']);
      await eventually(() => traces.ours('query')).toHaveLength(1);
      for (const name of ['query', 'getBackfillById']) {
        const [span] = traces.ours(name);
        expect(span?.attributes['error.type']).toBe('INTERNAL_SERVER_ERROR');
        expect(span?.status).toEqual({ code: SpanStatusCode.ERROR });
      }
      expect(JSON.stringify(traces.spans.map(toldBy))).not.toContain('secret');
    },
  );

  it('that is none to anybody, of a transfer without a backfill, has no code', async () => {
    const { query } = await startStack();
    await query(PAGE);
    await eventually(() => traces.ours('query')).toHaveLength(1);
    expect(traces.ours().filter(({ attributes }) => 'error.type' in attributes)).toEqual([]);
  });
});

describe.each([
  ['over SSE', overSse, 0],
  // Its client's handshake has ended, and the stream stands beneath it.
  ['over WebSocket', overWebSocket, 1],
])('a stream %s', (_name, subscribe, depth) => {
  it('has an event for each change, linked to the poll that brought it, which is a trace of its own', async () => {
    const stack = await startStack();
    const { world, origin } = stack;
    const id = world.addBackfill({ id: '1001', transferId: '5', status: 'SCHEDULED' });
    const stream = subscribe(origin, LIVE, { variables: { id } });
    await eventually(() => stream.events).toHaveLength(1);
    world.set(id, { status: 'RUNNING' });
    await nextCallingPoll(stack);
    await eventually(() => stream.events).toHaveLength(2);
    const ofStream = `subscription Live
  read
    getBackfillById
      GET (client) 200
        GET (server) 200
  event
  event -> poll`;
    const drawn = depth === 0 ? ofStream : ['GET (client)', ...ofStream.split('\n')].join('\n  ');
    await eventually(() => traces.drawn()).toBe(`${drawn}
poll -> subscription
  read
    getBackfillById
      GET (client) 200
        GET (server) 200`);
  });
});

describe('a poll', () => {
  it('is linked to no more than 32 of its streams, and says how many they are', async () => {
    const stack = await startStack();
    const { world, origin } = stack;
    const id = world.addBackfill({ id: '1001', transferId: '5', status: 'RUNNING' });
    const streams = Array.from({ length: 40 }, () => overSse(origin, LIVE, { variables: { id } }));
    for (const stream of streams) await eventually(() => stream.events).toHaveLength(1);
    await nextCallingPoll(stack);
    await eventually(() => traces.ours('poll')).toHaveLength(1);
    const [poll] = traces.ours('poll');
    expect(poll?.links).toHaveLength(32);
    expect(poll?.attributes).toEqual({ 'backfill_gateway.streams': 40 });
  });

  it('that fails has the code, and so has the event that ends the stream', async () => {
    const stack = await startStack();
    const { world, sandbox, origin } = stack;
    const id = world.addBackfill({ id: '1001', transferId: '5', status: 'RUNNING' });
    const stream = overSse(origin, LIVE, { variables: { id } });
    await eventually(() => stream.events).toHaveLength(1);
    sandbox.faults.add({ answer: json(403, 'FORBIDDEN') });
    await eventually(() => stack.clock.waiting).toBe(1);
    stack.clock.advance(2_000);
    await stream.completed;
    await eventually(() => traces.ours('event')).toHaveLength(2);
    expect(traces.ours('poll')[0]?.attributes['error.type']).toBe('FORBIDDEN');
    const [, last] = traces.ours('event');
    expect(last?.attributes['error.type']).toBe('FORBIDDEN');
    expect(last?.links).toHaveLength(1);
  });
});

describe('a restart', () => {
  it('leaves a stream that comes back in the trace of its client', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ id: '1001', transferId: '5', status: 'RUNNING' });
    const page = trace.getTracer('client').startSpan('page');
    const open = () =>
      context.with(trace.setSpan(ROOT_CONTEXT, page), () =>
        overWebSocket(stack.origin, LIVE, { variables: { id } }),
      );
    const before = open();
    await eventually(() => before.events).toHaveLength(1);
    await stack.restart();
    const after = open();
    await eventually(() => after.events).toHaveLength(1);
    await eventually(() => traces.ours('subscription')).toHaveLength(2);
    const { traceId } = page.spanContext();
    for (const span of traces.ours()) expect(span.spanContext().traceId).toBe(traceId);
  });
});

describe('a refresh ahead', () => {
  it('is a trace of its own, linked to the operation that met the value late in its lifetime', async () => {
    const { world, clock, query } = await startStack();
    world.addBackfill({ id: '1001', transferId: '5', status: 'RUNNING' });
    await query(ONE);
    for (let asked = 0; asked < 200; asked++) {
      clock.advance(10);
      await query(ONE);
    }
    await eventually(() => traces.ours('refresh').length).toBeGreaterThan(0);
    const [refresh] = traces.ours('refresh');
    expect(refresh?.parentSpanContext).toBeUndefined();
    const asker = traces
      .ours('query')
      .find((span) => span.spanContext().spanId === refresh?.links[0]?.context.spanId);
    expect(asker).toBeDefined();
    await eventually(() => traces.ours('getBackfillById').length).toBe(2);
    const call = traces.ours('getBackfillById')[1];
    expect(call?.parentSpanContext?.spanId).toBe(refresh?.spanContext().spanId);
  });
});

describe('a REST call', () => {
  const GIVEN = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  it('tells of one trace, by the span of the HTTP client', async () => {
    const { origin, sandbox, query } = await startStack();
    // The client's own request keeps the header that it is given.
    traces.undici.setConfig({ ignoreRequestHook: (request) => request.origin === origin });
    onTestFinished(() => traces.undici.setConfig({}));
    await query(ONE, { headers: { traceparent: GIVEN } });
    await eventually(() => traces.ours('query')).toHaveLength(1);
    expect(traces.ours('query')[0]?.spanContext().traceId).toBe(GIVEN.split('-')[1]);
    const [call] = traces.ours('getBackfillById');
    const sent = traces.spans.find((span) => span.parentSpanContext?.spanId === call?.spanContext().spanId);
    const { traceId, spanId } = sent?.spanContext() ?? {};
    expect(sandbox.calls.all.map(({ traceparent }) => traceparent)).toEqual([`00-${traceId}-${spanId}-01`]);
  });

  it('tells of one trace, by its own span where nothing instruments the HTTP client, retries included', async () => {
    traces.undici.disable();
    onTestFinished(() => traces.undici.enable());
    const { world, sandbox, query } = await startStack();
    world.addTransfer('1', '5');
    sandbox.faults.add({ answer: { kind: 'status', status: 503 } });
    await query(ONE, { headers: { traceparent: GIVEN, baggage: 'user=17' } });
    await query(CREATE, { headers: { traceparent: GIVEN } });
    await eventually(() => traces.ours('mutation')).toHaveLength(1);
    const [read, write] = [...traces.ours('getBackfillById'), ...traces.ours('createBackfill')].map(
      (span) => `00-0af7651916cd43dd8448eb211c80319c-${span.spanContext().spanId}-01`,
    );
    expect(sandbox.calls.all.map(({ traceparent }) => traceparent)).toEqual([read, read, write]);
    expect(sandbox.calls.all.map(({ headers }) => headers['baggage'])).toEqual(Array(3).fill(undefined));
  });
});

describe('what the gateway tells', () => {
  it('holds no token, id, document, host or text of an error', async () => {
    const { origin, world, sandbox, clock, query } = await startStack();
    const token = 'a-token-of-somebody';
    world.addToken(token, { teams: ['4711'], permissions: 'edit' });
    world.addTransfer('4711', '815');
    world.addBackfill({ id: '2468013579', transferId: '816', teamId: '4711', status: 'RUNNING' });
    const options = { token, team: '4711' };
    await query('query Own { backfill(id: "2468013579") { id marker: status } }', options);
    await query(CREATE.replace('"5"', '"815"'), options);
    await query('mutation { cancelBackfill(id: "99887766") { id } }', options);
    sandbox.faults.add({ answer: { kind: 'status', status: 500, body: 'secret text' } });
    await query('{ transfer(id: "31415") { latestBackfill { id } } }', options);
    sandbox.faults.add({ answer: { kind: 'reset', at: 'before-headers' } });
    clock.advance(2_001);
    await query('{ incompleteBackfills { items { id } } }', options);
    await query('{ backfill(id: "marker") { id } }', options);
    const stream = overSse(origin, LIVE, { ...options, variables: { id: '2468013579' } });
    await eventually(() => stream.events).toHaveLength(1);
    await eventually(() => traces.ours().length).toBeGreaterThan(15);
    const told = traces.ours().map(toldBy).join('\n');
    for (const secret of [token, '4711', '815', '816', '2468013579', '99887766', '31415', 'marker', 'secret'])
      expect(told).not.toContain(secret);
    expect(told).not.toContain(new URL(sandbox.url).host);
    expect(told).not.toContain('127.0.0.1');
  });

  it('bounds the name that a client gives its operation', async () => {
    const { query } = await startStack();
    await query(`query ${'N'.repeat(5_000)} { __typename }`);
    await eventually(() => traces.ours('query')).toHaveLength(1);
    expect(traces.ours('query')[0]?.attributes['graphql.operation.name']).toBe('N'.repeat(100));
  });

  it('is nothing of probes, scrapes and pages', async () => {
    const { origin } = await startStack();
    for (const path of ['/health', '/ready', '/metrics', '/graphql'])
      await (await fetch(`${origin}${path}`, { headers: { accept: 'text/html' } })).text();
    await eventually(() => traces.spans.length).toBe(8);
    expect(traces.ours()).toEqual([]);
  });
});
