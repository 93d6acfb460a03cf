import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import { startStack, TEAM, TOKEN } from '../harness.ts';

const AUTHORIZED = { authorization: `Bearer ${TOKEN}`, 'x-team-id': TEAM };

describe('X-Request-Id', () => {
  it('is accepted, sent back, logged and forwarded upstream', async () => {
    const { sandbox, query, logLines } = await startStack();
    const { headers } = await query('{ backfill(id: "1") { id } }', {
      headers: { 'x-request-id': 'abc-123' },
    });
    expect(headers.get('x-request-id')).toBe('abc-123');
    expect(sandbox.calls.all.map(({ requestId }) => requestId)).toEqual(['abc-123']);
    expect(logLines).toContainEqual(expect.objectContaining({ msg: 'request', requestId: 'abc-123' }));
  });

  it('is generated if the request has none, or an unsafe one', async () => {
    const { sandbox, clock, query } = await startStack();
    const made = new Set<string | null>();
    for (const headers of [
      {},
      { 'x-request-id': 'a b' },
      { 'x-request-id': 'x'.repeat(129) },
      { 'x-request-id': 'ä' },
    ]) {
      clock.advance(1_000);
      made.add(
        (
          await query('{ backfill(id: "1") { id } }', {
            headers: { ...headers, 'cache-control': 'no-cache' },
          })
        ).headers.get('x-request-id'),
      );
    }
    expect([...made]).toEqual(sandbox.calls.all.map(({ requestId }) => requestId));
    expect(made.size).toBe(4);
    for (const id of made) expect(id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is sent back by every endpoint and for every outcome', async () => {
    const { origin } = await startStack();
    for (const path of ['/health', '/ready', '/metrics', '/graphql', '/nowhere', '/graphql?query={']) {
      const response = await fetch(`${origin}${path}`, { headers: { 'x-request-id': 'r1' } });
      expect([path, response.headers.get('x-request-id')]).toEqual([path, 'r1']);
    }
  });
});

describe('traceparent', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  it('is forwarded upstream and logged', async () => {
    const { sandbox, query, logLines } = await startStack();
    await query('{ backfill(id: "1") { id } }', { headers: { traceparent } });
    expect(sandbox.calls.all.map((call) => call.traceparent)).toEqual([traceparent]);
    expect(logLines).toContainEqual(expect.objectContaining({ msg: 'request', traceparent }));
  });

  it.each([
    ['nonsense', 'nonsense'],
    ['of version ff', traceparent.replace(/^00/, 'ff')],
    ['without a trace id', traceparent.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32))],
    ['without a parent id', traceparent.replace('b7ad6b7169203331', '0'.repeat(16))],
    ['in upper case', traceparent.toUpperCase()],
  ])('is dropped where it is %s, and tracestate with it', async (_what, invalid) => {
    const { sandbox, query, logLines } = await startStack();
    await query('{ backfill(id: "1") { id } }', { headers: { traceparent: invalid, tracestate: 'a=1' } });
    expect(sandbox.calls.all.map((call) => call.traceparent)).toEqual([undefined]);
    const line = logLines.find(({ msg }) => msg === 'request');
    expect(line).toMatchObject({ operation: 'query' });
    expect(line).not.toHaveProperty('traceparent');
    expect(line).not.toHaveProperty('tracestate');
  });

  it('is taken with zeros in it that leave something of each id', async () => {
    const { sandbox, query } = await startStack();
    const sparse = `00-${'0'.repeat(31)}1-1${'0'.repeat(15)}-00`;
    await query('{ backfill(id: "1") { id } }', { headers: { traceparent: sparse } });
    expect(sandbox.calls.all.map((call) => call.traceparent)).toEqual([sparse]);
  });
});

describe('tracestate', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  it.each([
    ['a list of two', 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'],
    ['512 characters', `a=${'x'.repeat(510)}`],
  ])('is logged beside traceparent, and not forwarded: %s', async (_what, tracestate) => {
    const { sandbox, query, logLines } = await startStack();
    await query('{ backfill(id: "1") { id } }', { headers: { traceparent, tracestate } });
    expect(logLines).toContainEqual(expect.objectContaining({ msg: 'request', traceparent, tracestate }));
    expect(sandbox.calls.all.map(({ headers }) => headers)).toMatchObject([{ traceparent }]);
    expect(sandbox.calls.all[0]?.headers).not.toHaveProperty('tracestate');
  });

  it.each([
    ['longer than 512 characters', `a=${'x'.repeat(511)}`],
    ['not ASCII', 'a=ä'],
    ['empty', ''],
  ])('is dropped alone where it is %s', async (_what, tracestate) => {
    const { query, logLines } = await startStack();
    await query('{ backfill(id: "1") { id } }', { headers: { traceparent, tracestate } });
    const line = logLines.find(({ msg }) => msg === 'request');
    expect(line).toMatchObject({ traceparent });
    expect(line).not.toHaveProperty('tracestate');
  });
});

describe('the log', () => {
  it('has one line for each request with its operation, cost and outcome', async () => {
    const { world, query, logLines } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    await query(`query Warm { backfill(id: "${id}") { id } }`);
    const before = logLines.length;
    await query(
      `query Wall { a: backfill(id: "${id}") { id } b: backfill(id: "404") { id } c: backfill(id: "405") { id } }`,
      { headers: { 'x-request-id': 'r1' } },
    );
    expect(logLines.slice(before)).toEqual([
      {
        level: 'info',
        time: expect.any(String),
        msg: 'request',
        requestId: 'r1',
        method: 'POST',
        status: 200,
        durationMs: expect.any(Number),
        operation: 'query',
        operationName: 'Wall',
        upstreamCalls: 3,
        cacheHits: 1,
        staleReads: 0,
        codes: ['NOT_FOUND'],
      },
    ]);
  });

  it('never contains a token, a variable, a result or the upstream host', async () => {
    const { world, sandbox, clock, query, logLines } = await startStack();
    world.addToken('s3cr3t-token', { teams: 'all', permissions: 'view' });
    const id = world.addBackfill({ id: '987654321', transferId: '5', status: 'RUNNING' });
    const options = { token: 's3cr3t-token', variables: { id } };
    await query('query ($id: ID!) { backfill(id: $id) { id } }', options);
    for (const status of [401, 403, 404, 429, 500, 503]) {
      // No refusal is remembered for longer.
      clock.advance(60_000);
      sandbox.faults.add({ answer: { kind: 'status', status, body: 'secret words' } });
      await query('query ($id: ID!) { backfill(id: $id) { id } }', {
        ...options,
        headers: { 'cache-control': 'no-cache' },
      });
    }
    clock.advance(60_000);
    sandbox.faults.add({
      answer: {
        kind: 'edit',
        edit: (json) =>
          json.replace('RUNNING","', 'RUNNING","x":"secret words","').replace('_total"', '_all"'),
      },
    });
    await query('query ($id: ID!) { backfill(id: $id) { id } }', {
      ...options,
      headers: { 'cache-control': 'no-cache' },
    });
    const lines = JSON.stringify(logLines.filter(({ msg }) => msg !== 'listening'));
    expect(lines).toContain('upstream response not understood');
    for (const secret of ['s3cr3t', 'secret words', '987654321', new URL(sandbox.url).host])
      expect(lines).not.toContain(secret);
  });
});

describe('the endpoints beside GraphQL', () => {
  it('/health says that the process lives', async () => {
    const { origin } = await startStack();
    const response = await fetch(`${origin}/health`);
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }]);
  });

  it('/ready says that it takes traffic', async () => {
    const { origin } = await startStack();
    const response = await fetch(`${origin}/ready`);
    expect([response.status, await response.json()]).toEqual([200, { status: 'ready' }]);
  });

  it('/metrics counts calls, reads, requests and errors, with closed labels only', async () => {
    const { world, origin, query } = await startStack();
    const id = world.addBackfill({ id: '987654321', transferId: '5', status: 'RUNNING' });
    await query(`query SomeName { backfill(id: "${id}") { id } }`);
    await query(`query SomeName { a: backfill(id: "${id}") { id } b: backfill(id: "404") { id } }`);
    const response = await fetch(`${origin}/metrics`);
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(text).toContain(
      'backfill_gateway_upstream_call_duration_seconds_count{operation="getBackfillById",outcome="ok"} 1',
    );
    expect(text).toContain(
      'backfill_gateway_upstream_call_duration_seconds_count{operation="getBackfillById",outcome="notFound"} 1',
    );
    expect(text).toContain('backfill_gateway_cache_reads_total{result="hit"} 1');
    expect(text).toContain('backfill_gateway_cache_reads_total{result="miss"} 2');
    expect(text).toContain('backfill_gateway_errors_total{code="NOT_FOUND"} 1');
    expect(text).toContain('backfill_gateway_request_duration_seconds_count{status="200"} 2');
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).not.toMatch(/987654321|SomeName|127\.0\.0\.1/);
  });

  it.each(['/health', '/ready', '/metrics'])('%s answers HEAD with the head of a GET', async (path) => {
    const { origin } = await startStack();
    const [get, head] = await Promise.all([
      fetch(`${origin}${path}`),
      fetch(`${origin}${path}`, { method: 'HEAD' }),
    ]);
    // Those that are about the connection depend on the client, which keeps none open after a HEAD.
    const ofConnection = ['connection', 'keep-alive', 'transfer-encoding', 'content-length'];
    const names = ({ headers }: Response): readonly string[] =>
      [...headers.keys()].filter((name) => !ofConnection.includes(name));
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect(names(head)).toEqual(names(get));
    expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
  });

  it('are not shadowed by a query that ends like them', async () => {
    const { origin } = await startStack();
    const response = await fetch(
      `${origin}/graphql?query=${encodeURIComponent('{ __typename }')}&operationName=&x=/health`,
    );
    expect(await response.json()).toEqual({ data: { __typename: 'Query' } });
  });

  it('answer 404 for what is not there', async () => {
    const { origin } = await startStack();
    expect((await fetch(`${origin}/nowhere`)).status).toBe(404);
  });
});

describe('GET /graphql', () => {
  it('answers queries', async () => {
    const { world, origin } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const response = await fetch(
      `${origin}/graphql?query=${encodeURIComponent(`{ backfill(id: "${id}") { status } }`)}`,
      {
        headers: AUTHORIZED,
      },
    );
    expect(await response.json()).toEqual({ data: { backfill: { status: 'RUNNING' } } });
    expect(response.headers.get('cache-control')).toBe('private, max-age=2');
  });
});

describe('a GET with variables that are no JSON', () => {
  it.each(['variables', 'extensions'])('is BAD_REQUEST with 400 for %s', async (parameter) => {
    const { origin } = await startStack();
    const response = await fetch(`${origin}/graphql?query={__typename}&${parameter}={`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  });
});

describe('the media type', () => {
  it.each(['application/json', 'application/graphql-response+json'])(
    '%s answers field errors with 200',
    async (accept) => {
      const { query } = await startStack();
      // The field cannot be null, so the error takes all of data with it.
      const { status, headers, data, errors } = await query('{ transfers(ids: ["x"]) { id } }', {
        headers: { accept },
      });
      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe(`${accept}; charset=utf-8`);
      expect(data).toBeNull();
      expect(errors).toHaveLength(1);
    },
  );
});

describe('a media type', () => {
  it.each(['Application/Json', 'APPLICATION/JSON; charset=utf-8', 'application/json ;charset=utf-8'])(
    '%s is JSON',
    async (type) => {
      const { query } = await startStack();
      expect(await query('{ __typename }', { headers: { 'content-type': type } })).toMatchObject({
        status: 200,
        data: { __typename: 'Query' },
      });
    },
  );

  it('that is no JSON is refused with the one that is', async () => {
    const { query } = await startStack();
    const { status, body } = await query('{ __typename }', { headers: { 'content-type': 'text/plain' } });
    expect([status, body]).toEqual([415, expect.stringContaining('application/json')]);
  });

  it('that no answer can have is refused with those that one can have', async () => {
    const { query } = await startStack();
    const { status, errors, headers } = await query('{ __typename }', {
      headers: { accept: 'image/png', 'x-request-id': 'mine-1' },
    });
    expect([status, headers.get('x-request-id'), headers.get('content-type')]).toEqual([
      406,
      'mine-1',
      'application/json; charset=utf-8',
    ]);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(errors).toEqual([
      {
        message: expect.stringMatching(/application\/graphql-response\+json.*application\/json/),
        extensions: { code: 'BAD_REQUEST', retryable: false, requestId: 'mine-1' },
      },
    ]);
  });

  it('without a stream is refused for a subscription, with the two transports that there are', async () => {
    const { world, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const { status, errors } = await query(`subscription { backfillUpdated(id: "${id}") { id } }`, {
      headers: { accept: 'application/json' },
    });
    expect(status).toBe(406);
    expect(errors?.[0]?.message).toMatch(/text\/event-stream.*graphql-transport-ws/);
  });

  it.each(['application/json', 'image/png'])(
    'leaves no poll behind where a subscription is refused for accepting %s',
    async (accept) => {
      const { origin, world, clock, sandbox, query } = await startStack();
      const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
      const text = `subscription { backfillUpdated(id: "${id}") { id } }`;
      expect((await query(text, { headers: { accept } })).status).toBe(406);
      const calls = sandbox.calls.count();
      clock.advance(60_000);
      // What the clock set off would have come by then, on the same connection.
      await query('{ transfer(id: 6) { latestBackfill { id } } }');
      expect(clock.waiting).toBe(0);
      expect(sandbox.calls.count()).toBe(calls + 1);
      expect(await (await fetch(`${origin}/metrics`)).text()).toContain(
        'backfill_gateway_subscriptions_open{transport="sse"} 0',
      );
    },
  );
});

describe('a body over 256 KiB', () => {
  const query = JSON.stringify({ query: `{ __typename } # ${'x'.repeat(256 * 1024)}` });

  it('is refused with 413 by the length it states', async () => {
    const { origin } = await startStack();
    const response = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: query,
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({
      errors: [
        {
          message: 'The body of a request may hold at most 262144 bytes.',
          extensions: { code: 'BAD_REQUEST', retryable: false, requestId: expect.any(String) },
        },
      ],
    });
  });

  it('is refused with 413 when it states none', async () => {
    const { origin } = await startStack();
    expect(await sendChunked(`${origin}/graphql`, query)).toMatchObject({ status: 413 });
  });

  it('lets a smaller one through that states none', async () => {
    const { origin } = await startStack();
    expect(await sendChunked(`${origin}/graphql`, '{"query":"{ __typename }"}')).toEqual({
      status: 200,
      body: '{"data":{"__typename":"Query"}}',
    });
  });
});

describe('INTROSPECTION=false', () => {
  it('hides the schema and serves the data', async () => {
    const { query } = await startStack({ INTROSPECTION: 'false' });
    const { data, errors } = await query('{ __schema { queryType { name } } }');
    expect(data).toBeUndefined();
    expect(errors?.[0]).toMatchObject({ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } });

    expect((await query('{ transfer(id: "1") { id } }')).data).toEqual({ transfer: { id: '1' } });
  });
});

function sendChunked(url: string, body: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url,
      { method: 'POST', headers: { 'content-type': 'application/json' } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    request.on('error', reject);
    for (let start = 0; start < body.length; start += 10_000)
      request.write(body.slice(start, start + 10_000));
    request.end();
  });
}
