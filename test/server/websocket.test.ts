import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request as send } from 'node:http';
import { connect, type Socket } from 'node:net';
import { memoryUsage } from 'node:process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Client, makeServer } from 'graphql-ws';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import { systemClock } from '../../src/clock.ts';
import { createLog } from '../../src/log.ts';
import { createShares } from '../../src/shares.ts';
import { listen } from '../../src/server/listener.ts';
import { createOpenStreams } from '../../src/server/open-streams.ts';
import { createWebSockets, type WebSocketsOptions } from '../../src/server/websocket.ts';
import type { SocketFacts } from '../../src/server/websocket-operations.ts';
import { codesOf, type Stack, startStack } from '../harness.ts';
import { followOver, openSocket, type StreamEvent } from '../support/streams.ts';

const CALLER = { Authorization: 'Bearer sandbox-full', 'X-Team-Id': '1' };

/** What one operation is answered, which is complete after it. */
async function ask(
  client: Client,
  query: string,
  params: {
    readonly variables?: Record<string, unknown>;
    readonly extensions?: Record<string, unknown>;
    readonly documentId?: string;
  } = {},
): Promise<StreamEvent> {
  return new Promise((resolve, reject) => {
    let answer: StreamEvent = {};
    client.subscribe(
      { query, ...params },
      {
        next: (event) => {
          answer = event as unknown as StreamEvent;
        },
        error: (errors) => {
          if (Array.isArray(errors)) resolve({ errors: errors as Required<StreamEvent>['errors'] });
          else reject(errors instanceof Error ? errors : new Error(JSON.stringify(errors)));
        },
        complete: () => resolve(answer),
      },
    );
  });
}

async function startWithOne(env: Readonly<Record<string, string>> = {}): Promise<Stack & { query1: string }> {
  const stack = await startStack(env);
  const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
  return { ...stack, query1: `{ backfill(id: "${id}") { status } }` };
}

/** Speaks the protocol itself, to do what no client does. */
async function openRaw(origin: string): Promise<WebSocket> {
  const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws');
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: CALLER }));
  await once(socket, 'message');
  return socket;
}

describe('the caller of a WebSocket', () => {
  it.each([
    ['the headers of the upgrade', {}, { authorization: 'Bearer sandbox-full', 'x-team-id': '1' }],
    ['the payload of connection_init', CALLER, {}],
    [
      'a payload with keys as headers are written',
      { authorization: CALLER.Authorization, 'x-team-id': '1' },
      {},
    ],
    ['a payload whose team is a number', { ...CALLER, 'X-Team-Id': 1 }, {}],
    ['the payload rather than the headers', CALLER, { authorization: 'Bearer other', 'x-team-id': '2' }],
    [
      'the headers where the payload has null',
      { Authorization: null },
      { authorization: 'Bearer sandbox-full', 'x-team-id': '1' },
    ],
  ])('comes from %s', async (_name, payload, headers) => {
    const { origin, query1, sandbox } = await startWithOne();
    const client = openSocket(origin, payload, headers);
    expect(await ask(client, query1)).toEqual({ data: { backfill: { status: 'RUNNING' } } });
    expect(sandbox.calls.all).toMatchObject([{ authorization: 'Bearer sandbox-full', teamId: '1' }]);
  });

  it.each([
    ['UNAUTHENTICATED', { 'X-Team-Id': '1' }],
    ['UNAUTHENTICATED', { ...CALLER, Authorization: 'Bearer a\r\nb' }],
    ['UNAUTHENTICATED', { ...CALLER, Authorization: { token: 'sandbox-full' } }],
    ['BAD_USER_INPUT', { Authorization: CALLER.Authorization }],
    ['BAD_USER_INPUT', { ...CALLER, 'X-Team-Id': 2 ** 53 }],
  ])('gets %s for %j, without an upstream call', async (code, payload) => {
    const { origin, query1, sandbox } = await startWithOne();
    const answer = await ask(openSocket(origin, payload), query1);
    expect(codesOf(answer)).toEqual([code]);
    expect(answer.data).toEqual({ backfill: null });
    expect(sandbox.calls.count()).toBe(0);
  });

  it('has the request id and trace of its upgrade upstream, in the log and in errors', async () => {
    const { origin, sandbox, logLines } = await startWithOne();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const trace = { traceparent, tracestate: 'rojo=00f067aa0ba902b7' };
    const client = openSocket(origin, CALLER, { 'x-request-id': 'from-the-client', ...trace });
    const answer = await ask(client, 'query Missing { backfill(id: "404") { id } }');
    expect(answer.errors).toMatchObject([{ extensions: { requestId: 'from-the-client' } }]);
    expect(sandbox.calls.all).toMatchObject([{ requestId: 'from-the-client', traceparent }]);
    expect(logLines.filter(({ msg }) => msg === 'request')).toEqual([
      expect.objectContaining({
        requestId: 'from-the-client',
        ...trace,
        method: 'WS',
        operation: 'query',
        operationName: 'Missing',
        upstreamCalls: 1,
        codes: ['NOT_FOUND'],
      }),
    ]);
  });

  it('does not read past the cache because browsers send no-cache with each upgrade', async () => {
    const { origin, query1, sandbox } = await startWithOne();
    const client = openSocket(origin, CALLER, { 'cache-control': 'no-cache' });
    await ask(client, query1);
    await ask(client, query1);
    expect(sandbox.calls.count()).toBe(1);
  });
});

describe('what holds for requests holds for operations over a WebSocket:', () => {
  it.each([
    ['the syntax', '{', 'GRAPHQL_PARSE_FAILED'],
    ['the schema', '{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['the nesting of brackets', '{a'.repeat(50_000), 'GRAPHQL_PARSE_FAILED'],
    ['the number of tokens', `{ ${'__typename '.repeat(5_000)} }`, 'GRAPHQL_PARSE_FAILED'],
    [
      'the number of aliases',
      `{ ${Array.from({ length: 301 }, (_, n) => `a${n}: transfer(id: 1) { id }`).join(' ')} }`,
      'GRAPHQL_VALIDATION_FAILED',
    ],
    [
      'the one field of a subscription',
      'subscription { a: backfillUpdated(id: 1) { id } b: backfillUpdated(id: 2) { id } }',
      'GRAPHQL_VALIDATION_FAILED',
    ],
  ])('%s', async (_name, query, code) => {
    const { origin, query1 } = await startWithOne();
    const client = openSocket(origin, CALLER);
    const answer = await ask(client, query);
    expect(new Set(codesOf(answer))).toEqual(new Set([code]));
    expect(answer).not.toHaveProperty('data');
    expect(answer.errors?.[0]?.extensions).toEqual({ code, retryable: false, requestId: expect.any(String) });
    // The socket goes on.
    expect(await ask(client, query1)).toEqual({ data: { backfill: { status: 'RUNNING' } } });
  });

  it('each of several errors has its path and code', async () => {
    const { origin } = await startStack();
    const asked = await ask(
      openSocket(origin, CALLER),
      '{ a: backfill(id: "404") { id } b: backfill(id: "405") { id } }',
    );
    expect(asked).toMatchObject({
      data: { a: null, b: null },
      errors: [
        { path: ['a'], extensions: { code: 'NOT_FOUND' } },
        { path: ['b'], extensions: { code: 'NOT_FOUND' } },
      ],
    });
  });

  it('exact integers in variables', async () => {
    const { origin, sandbox } = await startWithOne();
    const answer = await ask(openSocket(origin, CALLER), 'query ($id: ID!) { backfill(id: $id) { id } }', {
      variables: { id: 2 ** 53 },
    });
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
    expect(sandbox.calls.count()).toBe(0);
  });

  it('automatic persisted queries, whose text has to come along', async () => {
    const { origin, query1, query } = await startWithOne();
    const sha256Hash = createHash('sha256').update(query1).digest('hex');
    const extensions = { persistedQuery: { version: 1, sha256Hash } };
    const client = openSocket(origin, CALLER);
    expect(codesOf(await ask(client, '{ __typename }', { extensions }))).toEqual([
      'PERSISTED_QUERY_MISMATCH',
    ]);
    expect(await ask(client, query1, { extensions })).toEqual({ data: { backfill: { status: 'RUNNING' } } });
    const byHash = await fetch(
      `${origin}/graphql?extensions=${encodeURIComponent(JSON.stringify(extensions))}`,
      { headers: CALLER },
    );
    expect(await byHash.json()).toEqual({ data: { backfill: { status: 'RUNNING' } } });
    expect((await query('{ __typename }')).status).toBe(200);
  });

  it('trusted documents, of which subscriptions may be', async () => {
    const path = join(tmpdir(), `trusted-${process.pid}.json`);
    const listed = 'subscription { backfillUpdated(id: "404") { id } }';
    await writeFile(path, JSON.stringify({ watch: listed }));
    const { origin } = await startWithOne({ TRUSTED_DOCUMENTS: path });
    const client = openSocket(origin, CALLER);
    expect(codesOf(await ask(client, listed))).toEqual(['NOT_FOUND']);
    expect(codesOf(await ask(client, '', { documentId: 'watch' }))).toEqual(['NOT_FOUND']);
    expect(codesOf(await ask(client, '{ __typename }'))).toEqual(['PERSISTED_QUERY_ID_REQUIRED']);
    expect(codesOf(await ask(client, '', { documentId: 'other' }))).toEqual(['PERSISTED_QUERY_NOT_IN_LIST']);
  });

  it('introspection, where it is off', async () => {
    const { origin } = await startWithOne({ INTROSPECTION: 'false' });
    const client = openSocket(origin, CALLER);
    const asked = await ask(client, '{ __schema { queryType { name } } }');
    expect(asked).not.toHaveProperty('data');
    expect(codesOf(asked)).toContain('GRAPHQL_VALIDATION_FAILED');
    expect(await ask(client, '{ _service { sdl } }')).toHaveProperty('data._service.sdl');
  });
});

describe('a WebSocket', () => {
  it('accepts 100 operations at once and refuses more, which may be retried', async () => {
    const { origin, world, sandbox } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const client = openSocket(origin, CALLER);
    const subscription = `subscription { backfillUpdated(id: "${id}") { status } }`;
    const streams = Array.from({ length: 100 }, () => followOver(client, subscription));
    await expect.poll(() => streams.every(({ events }) => events.length === 1)).toBe(true);
    const { errors } = await ask(client, '{ __typename }');
    expect(errors).toMatchObject([
      { extensions: { code: 'UPSTREAM_UNAVAILABLE', retryable: true, requestId: expect.any(String) } },
    ]);
    streams[0]?.leave();
    await expect.poll(async () => ask(client, '{ __typename }')).toEqual({ data: { __typename: 'Query' } });
    expect(sandbox.calls.count()).toBe(1);
  });

  it.each([
    ['a message over 256 KiB', { size: 256 * 1024 + 1 }, 1009],
    ['a message that is not JSON', { text: '{' }, 4400],
    ['an operation before connection_init', { early: true }, 4401],
  ] as const)('is closed at %s, without a word on the console', async (_name, wrong, expected) => {
    const { origin, query } = await startWithOne();
    const said: unknown[] = [];
    const { error } = console;
    console.error = (...words: unknown[]) => void said.push(words);
    onTestFinished(() => {
      console.error = error;
    });
    const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws');
    await once(socket, 'open');
    if ('size' in wrong)
      socket.send(JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(wrong.size) } }));
    else if ('text' in wrong) socket.send(wrong.text);
    else socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query: '{ __typename }' } }));
    const [code] = (await once(socket, 'close')) as [number];
    expect(code).toBe(expected);
    expect(said).toEqual([]);
    expect((await query('{ __typename }')).status).toBe(200);
  });

  it('of another protocol is closed', async () => {
    const { origin } = await startWithOne();
    const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/graphql`, 'graphql-ws');
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain('subprotocol');
  });

  it('ends its operations when its client vanishes', async () => {
    const { origin, world, clock, logLines } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const socket = await openRaw(origin);
    const query = `subscription { backfillUpdated(id: "${id}") { status } }`;
    socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query } }));
    await once(socket, 'message');
    expect(clock.waiting).toBe(1);
    socket.terminate();
    await expect.poll(() => clock.waiting).toBe(0);
    expect(logLines).toContainEqual(expect.objectContaining({ msg: 'subscription ended', reason: 'left' }));
  });
});

describe('an upgrade', () => {
  it.each(['/', '/graphql/', '/graphqlx', '/health'])('at %s is refused with 404', async (path) => {
    const { origin } = await startWithOne();
    const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}${path}`, 'graphql-transport-ws');
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain('404');
  });

  it('that is none for WebSockets is answered with 400', async () => {
    const { origin } = await startWithOne();
    const socket = connect(Number(new URL(origin).port), '127.0.0.1');
    socket.write('GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400/);
  });

  it('to HTTP/2, as Java offers with each request, is passed over and the request answered', async () => {
    const { origin, query1 } = await startWithOne();
    const body = JSON.stringify({ query: query1 });
    const request = send(`${origin}/graphql`, {
      method: 'POST',
      headers: {
        ...CALLER,
        'Content-Type': 'application/json',
        'Content-Length': body.length,
        Connection: 'Upgrade, HTTP2-Settings',
        Upgrade: 'h2c',
        'HTTP2-Settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
      },
    }).end(body);
    const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream];
    expect(JSON.parse(await text(response))).toEqual({ data: { backfill: { status: 'RUNNING' } } });
  });
});

describe('the Origin of an upgrade', () => {
  const open = async (origin: string, headers: Readonly<Record<string, string>>): Promise<string> => {
    const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws', {
      headers,
    });
    onTestFinished(() => socket.terminate());
    return once(socket, 'open').then(
      () => 'open',
      (error: unknown) => (error instanceof Error ? error.message : 'unknown'),
    );
  };
  const authorization = CALLER.Authorization;
  const refused = 'Unexpected server response: 403';

  it.each([
    ['a foreign page', 'https://evil.test', refused],
    ['a page of another port', 'http://gateway.test:8080', refused],
    ['a page without an origin', 'null', refused],
    ['something that is no origin', 'https://', refused],
    ['two origins', 'https://gateway.test, https://evil.test', refused],
    ['a listed page', 'https://app.test', 'open'],
    ['a page of a host of which every port is listed', 'http://localhost:5173', 'open'],
    ["the gateway's own page", 'http://gateway.test', 'open'],
    ["the gateway's own page behind TLS", 'https://gateway.test', 'open'],
  ])('of %s is judged where the credential came by header', async (_name, from, outcome) => {
    const { origin } = await startStack({ CORS_ORIGINS: 'https://app.test,http://localhost:*' });
    const headers = { Host: 'Gateway.test', Origin: from };
    expect(await open(origin, { ...headers, authorization })).toBe(outcome);
    expect(await open(origin, headers)).toBe('open');
  });

  it('may be any where CORS_ORIGINS is *, or where there is none', async () => {
    const { origin } = await startStack({ CORS_ORIGINS: '*' });
    expect(await open(origin, { Origin: 'https://evil.test', authorization })).toBe('open');
    expect(await open(origin, { authorization })).toBe('open');
  });

  it('is compared with the host that came, not with the one that the front door puts in its place', async () => {
    const { origin } = await startStack();
    expect(await open(origin, { Origin: 'http://localhost', authorization })).toBe(refused);
  });
});

describe('a WebSocket that is not acknowledged', () => {
  const init = (size: number): string =>
    JSON.stringify({ type: 'connection_init', payload: { ...CALLER, x: 'x'.repeat(size) } });
  const connectTo = async (origin: string, headers = {}): Promise<WebSocket> => {
    const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws', {
      headers,
    });
    onTestFinished(() => socket.terminate());
    await once(socket, 'open');
    return socket;
  };
  const closeOf = async (socket: WebSocket): Promise<number> =>
    ((await once(socket, 'close')) as [number])[0];

  it('takes 16 KiB', async () => {
    const { origin } = await startStack();
    const socket = await connectTo(origin);
    socket.send(init(15_000));
    const [ack] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(ack.toString())).toEqual({ type: 'connection_ack' });
    // From now on it takes what a body may have.
    socket.send(JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(200_000) } }));
    expect(((await once(socket, 'message')) as [Buffer])[0].length).toBeGreaterThan(200_000);
  });

  it.each<[name: string, send: (socket: WebSocket) => void]>([
    ['one message', (socket) => socket.send(init(17_000))],
    ['a message that does not end', (socket) => socket.send('x'.repeat(17_000), { fin: false })],
    [
      'many messages',
      (socket) => {
        for (let n = 0; n < 200; n++)
          socket.send('{"type":"ping","payload":{"x":"' + 'x'.repeat(100) + '"}}');
      },
    ],
  ])('is closed when it sends more in %s', async (_name, send) => {
    const { origin, query } = await startStack();
    const socket = await connectTo(origin);
    send(socket);
    expect(await closeOf(socket)).toBe(1009);
    expect((await query('{ __typename }')).status).toBe(200);
  });

  it('leaves nothing of its upgrade and its payload but what operations need', async () => {
    const { origin } = await startStack();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const held = (): number => {
      // What the first collection finds is given back by the second.
      collect();
      collect();
      const { heapUsed, external } = memoryUsage();
      return heapUsed + external;
    };
    const clients: Socket[] = [];
    onTestFinished(() => clients.forEach((client) => client.destroy()));
    const openOne = async (): Promise<void> => {
      const client = connect(Number(new URL(origin).port), '127.0.0.1');
      clients.push(client);
      client.write(
        `GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\nX-More: ${'x'.repeat(15_000)}\r\n\r\n`,
      );
      await once(client, 'data');
      const payload = Buffer.from(init(15_000));
      const head = Buffer.from([0x81, 0xfe, 0, 0, 0, 0, 0, 0]);
      head.writeUInt16BE(payload.length, 2);
      client.write(Buffer.concat([head, payload]));
      await once(client, 'data');
    };
    for (let n = 0; n < 20; n++) await openOne();
    const before = held();
    for (let n = 0; n < 100; n++) await openOne();
    expect((held() - before) / 100).toBeLessThan(16 * 1024);
  });
});

describe('the client of a WebSocket', () => {
  /** Sockets alone, over operations that answer pings, and count what came. */
  async function startSockets({
    initMs = 60_000,
    ...options
  }: Pick<WebSocketsOptions, 'pingMs'> & { readonly initMs?: number }) {
    let messages = 0;
    const count = (): void => {
      messages++;
    };
    const streams = createOpenStreams(systemClock);
    const sockets = createWebSockets({
      streams,
      unsentAnswers: createShares({ total: 64 * 1024 * 1024, timesFree: 3 }, () => true),
      open: createShares({ total: 100, timesFree: 1 }, () => true),
      isAccepted: () => true,
      operations: makeServer<Record<string, unknown>, SocketFacts>({
        connectionInitWaitTimeout: initMs,
        onPing: () => count(),
        onConnect({ extra }) {
          extra.acknowledged = true;
        },
      }),
      log: createLog('silent'),
      ...options,
    });
    const { upgrade } = sockets;
    const listener = await listen(
      { handle: (_request, response) => response.end(), upgrade },
      0,
      '127.0.0.1',
    );
    onTestFinished(async () => {
      sockets.close();
      streams.endAll(0);
      await listener.close(0);
    });
    const open = (clientOptions: ClientOptions = {}): WebSocket => {
      const url = `ws://127.0.0.1:${listener.port}/graphql`;
      const socket = new WebSocket(url, 'graphql-transport-ws', clientOptions);
      onTestFinished(() => socket.terminate());
      return socket;
    };
    return { open, messages: () => messages };
  }

  it('is cut off with a large message that goes on without end, and only then', async () => {
    const { open } = await startSockets({ pingMs: 50 });
    const connected = async (): Promise<WebSocket> => {
      const socket = open();
      await once(socket, 'open');
      socket.send(JSON.stringify({ type: 'connection_init' }));
      await once(socket, 'message');
      // A large message that is whole.
      socket.send(JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(100_000) } }));
      await once(socket, 'message');
      return socket;
    };
    const idle = await connected();
    const stuck = await connected();
    stuck.send('x'.repeat(17_000), { fin: false });
    // Many pings later.
    expect(await once(stuck, 'close')).toEqual([1006, expect.anything()]);
    for (let pings = 0; pings < 5; pings++) await once(idle, 'ping');
    expect(idle.readyState).toBe(WebSocket.OPEN);
  });

  it('is closed with 4408 when connection_init does not come in time, and stays when it does', async () => {
    const { open } = await startSockets({ initMs: 100, pingMs: 200 });
    const [silent, idle] = [open(), open()];
    await once(idle, 'open');
    idle.send(JSON.stringify({ type: 'connection_init' }));
    const [code] = (await once(silent, 'close')) as [number];
    expect(code).toBe(4408);
    await once(idle, 'ping');
    expect(idle.readyState).toBe(WebSocket.OPEN);
  });

  it('is cut off if it does not answer pings, and only then', async () => {
    const { open } = await startSockets({ pingMs: 20 });
    const lively = open();
    const silent = open({ autoPong: false });
    const [code] = (await once(silent, 'close')) as [number];
    expect(code).toBe(1006);
    expect(lively.readyState).toBe(WebSocket.OPEN);
  });

  it('is not read from while it does not read itself', async () => {
    const { open, messages } = await startSockets({ pingMs: 60_000 });
    const greedy = open();
    await once(greedy, 'open');
    greedy.send(JSON.stringify({ type: 'connection_init' }));
    await once(greedy, 'message');
    greedy.pause();
    const ping = JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(200_000) } });
    const total = 400;
    for (let n = 0; n < total; n++) greedy.send(ping);
    // As many more as fill the buffers between the two ends.
    let before = -1;
    await expect
      .poll(
        () => {
          const stands = messages() === before && messages() > 0;
          before = messages();
          return stands;
        },
        { interval: 200, timeout: 10_000 },
      )
      .toBe(true);
    expect(messages()).toBeLessThan(total);
    greedy.resume();
    await expect.poll(messages, { timeout: 10_000 }).toBe(total);
  });
});
