import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { getIntrospectionQuery } from 'graphql';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listen } from '../../src/server/listener.ts';
import { startStack, type Stack } from '../harness.ts';

const aliases = (count: number): string =>
  Array.from({ length: count }, (_, n) => `a${n}: transfer(id: 1) { id }`).join(' ');

/** The next ordinary request is answered from the upstream in normal time: far below every deadline. */
async function expectUnharmed(origin: Stack['origin']): Promise<void> {
  const startedAt = performance.now();
  const response = await post(origin, '{"query":"{ transfer(id: 5) { latestBackfill { id } } }"}');
  expect(await response.json()).toEqual({ data: { transfer: { latestBackfill: null } } });
  expect(performance.now() - startedAt).toBeLessThan(2_000);
}

describe('an oversized operation', () => {
  it.each([
    {
      name: 'deep',
      query: `{ transfer(id: 1) ${'{ latestBackfill { transfer '.repeat(10)}{ id } ${'} }'.repeat(10)} }`,
      message: 'depth limit of 15',
    },
    { name: 'full of aliases', query: `{ ${aliases(301)} }`, message: 'liases limit of 300' },
    {
      name: 'full of directives',
      query: `{ __typename ${'@include(if: true) '.repeat(51)} }`,
      message: 'irectives limit of 50',
    },
    {
      name: 'costly',
      query: `{ transfer(id: 1) ${'{ latestBackfill { transfer '.repeat(6)}{ ${'id '.repeat(300)} } ${'} }'.repeat(6)} }`,
      message: 'Cost limit of 20000',
    },
    { name: 'long', query: `{ ${'id '.repeat(5_001)} }`, message: 'contains more that 5000 tokens' },
    {
      name: 'nested beyond the stack in lists',
      query: `{ transfers(ids: ${'['.repeat(20_000)}) }`,
      message: 'nests brackets deeper than 100 levels',
    },
    {
      name: 'nested beyond the stack in fields',
      query: '{ a '.repeat(20_000),
      message: 'nests brackets deeper than 100 levels',
    },
  ])('is refused with 400 when it is $name, without an upstream call', async ({ query: text, message }) => {
    const { origin, sandbox, query } = await startStack();
    const { status, errors } = await query(text, {
      headers: { accept: 'application/graphql-response+json' },
    });
    expect(status).toBe(400);
    expect(errors?.map((error) => error.message).join(' ')).toContain(message);
    expect(errors?.[0]?.extensions).toMatchObject({
      code: expect.stringMatching(/^GRAPHQL_(PARSE|VALIDATION)_FAILED$/),
      retryable: false,
      requestId: expect.any(String),
    });
    expect(sandbox.calls.count()).toBe(0);
    await expectUnharmed(origin);
  });

  it('is not the introspection of GraphiQL, a page of 100 aliased transfers, or the query of a router', async () => {
    const { query } = await startStack();
    const fields =
      'id status progress rangeStartDate rangeEndDate createdTime startTime endTime transferRunsTotal transferRunsCompleted transferRunsFailed errorReport { transferRunDate error } fetchedAt isStale';
    const wall = Array.from(
      { length: 100 },
      (_, n) => `t${n}: transfer(id: ${n + 1}) { id latestBackfill { ${fields} } }`,
    ).join('\n');
    expect(
      (
        await query(
          getIntrospectionQuery({ descriptions: true, inputValueDeprecation: true, specifiedByUrl: true }),
        )
      ).errors,
    ).toBeUndefined();
    expect((await query(`{ ${wall} }`)).errors).toBeUndefined();
    const representations = Array.from({ length: 100 }, (_, n) => ({
      __typename: 'Transfer',
      id: String(n + 1),
    }));
    const entities = `query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on Transfer { latestBackfill { ${fields} } } } }`;
    expect((await query(entities, { variables: { representations } })).errors).toBeUndefined();
  });

  it('cannot fill the memory when it is repeated in ever different texts', async () => {
    const { origin, query } = await startStack();
    const wide = Array.from(
      { length: 5 },
      (_, n) => `t${n}: transfers(ids: []) { ${'id teamId __typename '.repeat(133)} }`,
    ).join(' ');
    const text = (n: number): string => `{ ${wide} } # ${n} ${'x'.repeat(100_000)}`;
    for (let n = 0; n < 5; n++) await query(text(n));
    global.gc?.();
    for (let n = 5; n < 100; n++) expect((await query(text(n))).errors).toBeUndefined();
    await expectUnharmed(origin);
  });
});

describe('the variables of a request', () => {
  const TEXT = 'query ($value: ID) { transfer(id: 1, teamId: $value) { id } }';
  const valueOf = {
    numbers: (count: number): unknown => Array.from({ length: count }, () => 1),
    texts: (count: number): unknown => Array.from({ length: count }, () => ''),
    'empty lists': (count: number): unknown => Array.from({ length: count }, () => []),
    'fields of an object': (count: number): unknown =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [n.toString(36), 1])),
    'lists in lists': (count: number): unknown => Array.from({ length: count }, () => [1]),
    'lists nested four deep': (count: number): unknown =>
      Array.from({ length: Math.floor(count / 4) }, () => [[[[]]]]),
  };

  it.each(Object.entries(valueOf))('are refused once beyond 20,000 values, as %s', async (_name, make) => {
    const { sandbox, query } = await startStack();
    const message =
      'The variables of a request may hold at most 20000 values together, and as many lists and objects.';
    const beyond = await query(TEXT, { variables: { other: make(20_000), value: '1' } });
    expect([beyond.status, beyond.data]).toEqual([200, null]);
    expect(beyond.errors).toMatchObject([
      { message, extensions: { code: 'BAD_USER_INPUT', retryable: false } },
    ]);
    expect((await query(TEXT, { variables: { other: make(19_999), value: '1' } })).errors).toBeUndefined();
    expect(sandbox.calls.count()).toBe(0);
  });
});

describe('a list of representations that fills the body', () => {
  const TEXT = 'query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }';
  const ones = `[${'1,'.repeat(129_999)}1]`;

  it.each([null, 'Bearer sandbox-full'])(
    'is answered by one short error with the credential %j',
    async (authorization) => {
      const { origin, sandbox } = await startStack();
      const response = await fetch(`${origin}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-team-id': '1',
          ...(authorization !== null && { authorization }),
        },
        body: `{"query":${JSON.stringify(TEXT)},"variables":{"r":${ones}}}`,
      });
      const body = await response.text();
      expect(body.length).toBeLessThan(1_000);
      expect(JSON.parse(body)).toMatchObject({
        data: null,
        errors: [{ extensions: { code: 'BAD_USER_INPUT' } }],
      });
      expect(sandbox.calls.count()).toBe(0);
      await expectUnharmed(origin);
    },
  );
});

describe('a large body that nests too deep', () => {
  const QUERY = '{ __typename }';
  const nested = (depth: number): string => {
    const deep = `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`;
    return JSON.stringify({ query: QUERY, extensions: { text: '[{"\\'.repeat(5_000) } }).replace(
      '"extensions":{',
      `"extensions":{"deep":${deep},`,
    );
  };

  it('is refused before it is parsed, and brackets in its texts do not count', async () => {
    const { origin } = await startStack();
    // The body and its extensions are two more.
    const tooDeep = await post(origin, nested(500));
    expect(tooDeep.status).toBe(400);
    expect(await tooDeep.json()).toMatchObject({
      errors: [{ message: 'The body of a request may nest at most 500 lists and objects.' }],
    });
    expect(await (await post(origin, nested(498))).json()).toEqual({ data: { __typename: 'Query' } });
  });
});

describe('variables that nest beyond the stack', () => {
  it('are refused like others', async () => {
    const { origin } = await startStack();
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const response = await post(
      origin,
      `{"query":"query ($id: ID!) { backfill(id: $id) { id } }","variables":{"id":${deep}}}`,
    );
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: expect.stringMatching(/BAD_USER_INPUT|BAD_REQUEST/) } }],
    });
    await expectUnharmed(origin);
  });
});

describe('a body that is no JSON', () => {
  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    '',
  ])('of type %j is refused with 415, since any web page can send it', async (type) => {
    const { origin } = await startStack();
    const response = await post(origin, 'query={__typename}', type);
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'BAD_REQUEST', requestId: expect.any(String) } }],
    });
    await expectUnharmed(origin);
  });

  it('is not JSON with parameters', async () => {
    const { origin } = await startStack();
    expect((await post(origin, '{"query":"{ __typename }"}', 'application/json; charset=utf-8')).status).toBe(
      200,
    );
  });
});

describe('a batch of operations', () => {
  it('is refused', async () => {
    const { origin } = await startStack();
    const response = await post(origin, '[{"query":"{ __typename }"},{"query":"{ __typename }"}]');
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      errors: [{ message: expect.stringContaining('atching') }],
    });
    await expectUnharmed(origin);
  });
});

describe('every HTTP response', () => {
  it('has headers against content sniffing, framing and referrers', async () => {
    const { origin } = await startStack();
    const get = (path: string): Promise<Response> =>
      fetch(`${origin}${path}`, { headers: { accept: 'text/html,*/*' } });
    for (const [path, answer] of [
      ...['/health', '/ready', '/metrics', '/nowhere', '/graphql?query={__typename}', '/graphql'].map(
        (path) => [path, get(path)] as const,
      ),
      ['data', post(origin, '{"query":"{ __typename }"}')],
      ['400', post(origin, '{')],
      ['405', fetch(`${origin}/graphql`, { method: 'DELETE' })],
      ['413', post(origin, 'x'.repeat(300_000))],
      ['415', post(origin, 'query={__typename}', 'text/plain')],
    ] as const) {
      const { headers } = await answer;
      expect([
        path,
        headers.get('x-content-type-options'),
        headers.get('x-frame-options'),
        headers.get('referrer-policy'),
      ]).toEqual([path, 'nosniff', 'DENY', 'no-referrer']);
      expect(headers.get('content-security-policy')).toBe("frame-ancestors 'none'");
    }
  });
});

describe('a header with a line break', () => {
  it('is refused before it is read', async () => {
    const { origin } = await startStack();
    const socket = await open(origin);
    socket.write(
      'POST /graphql HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n',
    );
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 400 Bad Request/);
    await expectUnharmed(origin);
  });
});

describe('INTROSPECTION=false', () => {
  it('takes the suggestions from errors, which spell out the schema', async () => {
    const closed = await startStack({ INTROSPECTION: 'false' });
    const open = await startStack();
    const text = '{ backfil(id: 1) { id } }';
    expect((await open.query(text)).errors?.[0]?.message).toContain('Did you mean "backfill"');
    expect((await closed.query(text)).errors?.[0]?.message).not.toMatch(/backfill/);
  });
});

describe('a client that is slow on purpose', () => {
  const limits = {
    headersTimeout: 100,
    requestTimeout: 200,
    connectionsCheckingInterval: 20,
    keepAliveTimeout: 5_000,
  };

  it.each([
    { name: 'no headers at all', sent: '' },
    { name: 'headers that do not end', sent: 'POST /graphql HTTP/1.1\r\nHost: x\r\n' },
    {
      name: 'a body that does not come',
      sent: 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{',
    },
  ])('is cut off with $name', async ({ sent }) => {
    const listener = await listen(
      { handle: (request, response) => request.resume().on('end', () => response.end()) },
      0,
      '127.0.0.1',
      limits,
    );
    onTestFinished(async () => {
      await listener.close(0);
    });
    const socket = await open(`http://127.0.0.1:${listener.port}`);
    socket.write(sent);
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 408 Request Timeout/);
    expect((await fetch(`http://127.0.0.1:${listener.port}`)).status).toBe(200);
  });
});

describe('a client that breaks off its request', () => {
  const head = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

  it.each([
    { name: 'with a length', sent: `${head}Content-Length: 99\r\n\r\n{"query":` },
    { name: 'in chunks', sent: `${head}Transfer-Encoding: chunked\r\n\r\n9\r\n{"query":\r\n` },
    {
      name: 'by a chunk without a size',
      sent: `${head}Transfer-Encoding: chunked\r\n\r\n9\r\n{"query":\r\nno size\r\n`,
    },
  ])('$name is not taken for a bug', async ({ sent }) => {
    const { origin, logLines } = await startStack();
    const socket = await open(origin);
    socket.write(sent);
    // The body has to be under way before it breaks off.
    await expectUnharmed(origin);
    socket.resetAndDestroy();
    await expect
      .poll(async () => (await fetch(`${origin}/metrics`)).text())
      .toContain('backfill_gateway_errors_total{code="BAD_REQUEST"} 1');
    expect(logLines.filter(({ msg }) => msg === 'bug')).toEqual([]);
    await expectUnharmed(origin);
  });
});

describe('silent connections', () => {
  it('are harmless in thousands, and do not delay the end of the gateway', async () => {
    const closed: Promise<unknown>[] = [];
    // After the gateway has stopped: what is registered first ends last.
    onTestFinished(async () => {
      await Promise.all(closed);
    });
    const { origin } = await startStack();
    const sockets = await Promise.all(Array.from({ length: 2_000 }, () => open(origin)));
    closed.push(...sockets.map((socket) => once(socket.resume(), 'close')));
    await expectUnharmed(origin);
  });
});

function post(origin: string, body: string, type = 'application/json'): Promise<Response> {
  return fetch(`${origin}/graphql`, {
    method: 'POST',
    headers: {
      ...(type !== '' && { 'content-type': type }),
      authorization: 'Bearer sandbox-full',
      'x-team-id': '1',
    },
    body: new TextEncoder().encode(body),
  });
}

async function open(origin: Stack['origin']): Promise<Socket> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

async function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
