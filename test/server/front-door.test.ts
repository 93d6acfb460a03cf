import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, vi } from 'vitest';
import { listen } from '../../src/server/listener.ts';
import { startStack, type Stack } from '../harness.ts';
import { type RawAnswer, sendRaw } from '../support/raw.ts';

const SECURE = {
  'content-security-policy': "frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** One request on a connection of its own. */
function ask(
  origin: string,
  line: string,
  headers: readonly string[] = ['Host: x'],
  version = '1.1',
): Promise<RawAnswer> {
  const lines = [`${line} HTTP/${version}`, ...headers, 'X-Request-Id: mine-1', 'Connection: close'];
  return sendRaw(origin, `${lines.join('\r\n')}\r\n\r\n`);
}

const QUERY = '?query=%7B__typename%7D';

/** No answer tells how the gateway is made. */
function expectNoInternals(answer: RawAnswer): void {
  expect(answer.text).not.toMatch(/\n +at |node_modules|\.[jt]s\b|TypeError|Invalid URL|ERR_/);
}

function requestLines(logLines: Stack['logLines']): readonly unknown[] {
  return logLines.filter(({ msg }) => msg === 'request');
}

describe('a path', () => {
  it.each([
    '//graphql',
    '/x/../graphql',
    '/./graphql',
    '/%67raphql',
    '/graphql/',
    '/graphqlx',
    '/graphql;x',
    '/GraphQL',
    '/graphql\\',
    '/health/',
    '/x/../metrics',
    '/nowhere',
    '*',
  ])('%s does not exist, and costs no log line', async (path) => {
    const { origin, logLines } = await startStack();
    for (const target of [path, `${path}${QUERY}`]) {
      const answer = await ask(origin, `GET ${target}`);
      expect([target, answer.status]).toEqual([target, 404]);
      expect(answer.headers).toMatchObject({ ...SECURE, 'x-request-id': 'mine-1' });
      expect(JSON.parse(answer.body)).toMatchObject({
        errors: [{ extensions: { code: 'BAD_REQUEST', retryable: false, requestId: 'mine-1' } }],
      });
    }
    expect(requestLines(logLines)).toEqual([]);
  });

  it.each(['/graphql', '/health', '/ready', '/metrics'])('%s exists with any query', async (path) => {
    const { origin } = await startStack();
    expect((await ask(origin, `GET ${path}${QUERY}`)).status).toBe(200);
  });

  it.each(['/health?/graphql', '/?/graphql', '/metrics?x=/graphql'])(
    '%s runs no operation, whatever its end looks like',
    async (target) => {
      const { origin } = await startStack();
      const body = '{"query":"{ __typename }"}';
      const answer = await sendRaw(
        origin,
        `POST ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      expect(answer.status).toBe(405);
      expect(answer.body).not.toContain('Query');
    },
  );
});

describe('a method', () => {
  const OTHERS = ['/health', '/ready', '/metrics', '/'].flatMap((path) =>
    ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'].map(
      (method) => [method, path, 'GET, HEAD', '/graphql'] as const,
    ),
  );
  const OF_GRAPHQL = ['HEAD', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND'].map(
    (method) => [method, '/graphql', 'GET, POST, OPTIONS', 'POST'] as const,
  );

  it.each([...OTHERS, ...OF_GRAPHQL])(
    '%s is refused at %s with those that are taken',
    async (method, path, allow, hint) => {
      const { origin, logLines } = await startStack();
      const answer = await ask(origin, `${method} ${path}`);
      expect(answer.status).toBe(405);
      expect(answer.headers).toMatchObject({ ...SECURE, allow, 'x-request-id': 'mine-1' });
      if (method !== 'HEAD') {
        expect(JSON.parse(answer.body)).toMatchObject({
          errors: [{ message: expect.stringContaining(hint), extensions: { code: 'BAD_REQUEST' } }],
        });
      }
      expect(requestLines(logLines)).toEqual([]);
    },
  );

  it('OPTIONS says at /graphql which there are, without a body', async () => {
    const { origin } = await startStack();
    const answer = await ask(origin, 'OPTIONS /graphql');
    expect([answer.status, answer.body]).toEqual([204, '']);
    expect(answer.headers).toMatchObject({
      ...SECURE,
      allow: 'GET, POST, OPTIONS',
      'x-request-id': 'mine-1',
    });
  });

  it('HEAD is redirected from the root like GET', async () => {
    const { origin } = await startStack();
    const answer = await ask(origin, 'HEAD /');
    expect([answer.status, answer.headers['location'], answer.body]).toEqual([302, 'graphql', '']);
  });
});

describe('a target with scheme and authority', () => {
  it.each([
    ['http://a/graphql', 200],
    ['http://a:80/graphql', 200],
    ['HTTPS://a.example/health', 200],
    ['http://a/health?x', 200],
    ['http://a//graphql', 404],
    ['http://a/x/../graphql', 404],
    ['http://a/graphql/', 404],
    ['http://a/nowhere', 404],
    ['http:///graphql', 400],
    ['http://[/graphql', 400],
    ['http://user@a/graphql', 400],
    ['ftp://a/graphql', 404],
  ])('%s is read as its path and answered with %i', async (target, status) => {
    const { origin } = await startStack();
    const answer = await ask(origin, `GET ${target}${target.includes('?') ? '' : QUERY}`);
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject(SECURE);
    expectNoInternals(answer);
  });
});

describe('a host', () => {
  it.each([
    '[',
    ']',
    '[]',
    '[::1',
    '[x]',
    'a b',
    'a/metrics?',
    'a/metrics#',
    'a?',
    'a#',
    'a\\b',
    'a@b',
    'a:b',
    'a:99999',
    '<a>',
    'a^b',
    'a|b',
    '%',
    '%zz',
    'ä',
  ])('%j is none and gets 400', async (host) => {
    const { origin, logLines } = await startStack();
    for (const target of [`/graphql${QUERY}`, '/health', '/nowhere']) {
      const answer = await ask(origin, `GET ${target}`, [`Host: ${host}`]);
      expect([target, answer.status]).toEqual([target, 400]);
      expect(answer.headers).toMatchObject({ ...SECURE, 'x-request-id': 'mine-1' });
      expectNoInternals(answer);
    }
    expect(requestLines(logLines)).toEqual([]);
  });

  it('that is missing gets 400 over HTTP/1.1', async () => {
    const { origin } = await startStack();
    const answer = await ask(origin, 'GET /health', []);
    expect(answer.status).toBe(400);
    expect(answer.headers).toMatchObject({ ...SECURE, 'x-request-id': 'mine-1' });
  });

  it('may be missing over HTTP/1.0', async () => {
    const { origin } = await startStack();
    expect((await ask(origin, `GET /graphql${QUERY}`, [], '1.0')).status).toBe(200);
  });

  it.each([
    '',
    'my_service',
    'my_service:4000',
    '[::1]',
    '[::1]:4000',
    '127.0.0.1:',
    'a.example.:65535',
    'a%20b',
  ])('%j is one', async (host) => {
    const { origin } = await startStack();
    const { status, body } = await ask(origin, `GET /graphql${QUERY}`, [`Host: ${host}`]);
    expect([status, body]).toEqual([200, expect.stringContaining('Query')]);
  });
});

describe('CONNECT', () => {
  it.each([
    ['a:443', []],
    ['/graphql', []],
    ['a:443', ['Connection: Upgrade', 'Upgrade: websocket']],
  ])('to %s is refused, and ends the connection', async (target, more) => {
    const { origin } = await startStack();
    const answer = await sendRaw(
      origin,
      `${[`CONNECT ${target} HTTP/1.1`, 'Host: x', 'X-Request-Id: mine-1', ...more].join('\r\n')}\r\n\r\nGET /health HTTP/1.1\r\n\r\n`,
    );
    expect(answer.status).toBe(405);
    expect(answer.headers).toMatchObject({ ...SECURE, connection: 'close', 'x-request-id': 'mine-1' });
    expect((await fetch(`${origin}/health`)).status).toBe(200);
  });
});

describe('what cannot be read as a request', () => {
  it.each([
    ['bytes that are no HTTP', 'hello\r\n\r\n', 400],
    ['a header with a line break', 'GET /health HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n', 400],
    ['a header of 20 KiB', `GET /health HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(20_000)}\r\n\r\n`, 431],
  ])('%s is refused with the security headers', async (_name, bytes, status) => {
    const { origin } = await startStack();
    const answer = await sendRaw(origin, bytes);
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({ ...SECURE, connection: 'close' });
  });

  it('is refused with them too when its headers do not come in time', async () => {
    const listener = await listen({ handle: () => undefined }, 0, '127.0.0.1', {
      headersTimeout: 50,
      requestTimeout: 100,
      connectionsCheckingInterval: 20,
      keepAliveTimeout: 1_000,
    });
    const answer = await sendRaw(`http://127.0.0.1:${listener.port}`, 'GET /health HTTP/1.1\r\n');
    await listener.close(0);
    expect(answer.status).toBe(408);
    expect(answer.headers).toMatchObject(SECURE);
  });

  it('does not break into an answer that has begun', async () => {
    const listener = await listen(
      { handle: (_request, response) => response.writeHead(200, { 'Content-Length': '9' }).write('abc') },
      0,
      '127.0.0.1',
    );
    const socket = connect(listener.port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [head] = (await once(socket, 'data')) as [Buffer];
    socket.write('hello\r\n\r\n');
    const rest = await text(socket);
    await listener.close(0);
    expect(head.toString()).toMatch(/^HTTP\/1\.1 200 /);
    expect(rest).not.toContain('HTTP/1.1');
  });

  it('is an expectation that nobody meets, refused with 417', async () => {
    const { origin } = await startStack();
    const answer = await ask(origin, 'GET /health', ['Host: x', 'Expect: x']);
    expect(answer.status).toBe(417);
    expect(answer.headers).toMatchObject({ ...SECURE, 'x-request-id': 'mine-1' });
  });
});

describe('a refused upgrade to a WebSocket', () => {
  const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'X-Request-Id: mine-1'];
  const KEY = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];

  it.each([
    ['at another path', '/health', ['Host: x', ...KEY], 404],
    ['at a path that does not exist', '/x/../graphql', ['Host: x', ...KEY], 404],
    ['for a host that is none', '/graphql', ['Host: [', ...KEY], 400],
    ['without a key', '/graphql', ['Host: x', 'Sec-WebSocket-Version: 13'], 400],
    ['of another version', '/graphql', ['Host: x', KEY[1] ?? '', 'Sec-WebSocket-Version: 7'], 400],
  ])('%s has the security headers', async (_name, path, headers, status) => {
    const { origin } = await startStack();
    const answer = await sendRaw(
      origin,
      `${[`GET ${path} HTTP/1.1`, ...UPGRADE, ...headers].join('\r\n')}\r\n\r\n`,
    );
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({ ...SECURE, connection: 'close', 'x-request-id': 'mine-1' });
    expect(answer.body).toBe('');
  });
});

describe('a bug outside of any operation', () => {
  it('is answered with 500 and none of its text, and logged whole', async () => {
    const { origin, clock, logLines } = await startStack();
    // The first time is that of the request's beginning, the second that of its headers, after yoga.
    const fail = (): never => {
      throw new TypeError('secret words');
    };
    vi.spyOn(clock, 'monotonic').mockReturnValueOnce(1).mockImplementationOnce(fail);
    const answer = await ask(origin, 'GET /graphql?query={__typename}');
    expect(answer.status).toBe(500);
    expect(answer.headers).toMatchObject({ ...SECURE, 'x-request-id': 'mine-1' });
    expect(JSON.parse(answer.body)).toEqual({
      errors: [
        {
          message: 'Internal server error.',
          extensions: { code: 'INTERNAL_SERVER_ERROR', retryable: false, requestId: 'mine-1' },
        },
      ],
    });
    expect(logLines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        msg: 'bug',
        requestId: 'mine-1',
        err: expect.objectContaining({ message: 'secret words' }),
      }),
    );
    expect((await fetch(`${origin}/health`)).status).toBe(200);
  });
});
