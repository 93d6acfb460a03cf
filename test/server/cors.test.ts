import { describe, expect, it, vi } from 'vitest';
import { startStack, type Stack } from '../harness.ts';
import { sendRaw } from '../support/raw.ts';

const PAGE = 'https://app.example.com';
const OTHER = 'https://other.example.com';
const LISTED = { CORS_ORIGINS: `${PAGE}, https://second.example.com` };

function preflight({ origin }: Stack, page: string, headers = 'x-team-id,authorization'): Promise<Response> {
  return fetch(`${origin}/graphql`, {
    method: 'OPTIONS',
    headers: {
      origin: page,
      'access-control-request-method': 'POST',
      'access-control-request-headers': headers,
    },
  });
}

function corsHeadersOf({ headers }: Response): Readonly<Record<string, string>> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')));
}

describe('a preflight', () => {
  it('of a listed page lets it send any header, without cookies, and is kept for a day', async () => {
    const stack = await startStack(LISTED);
    const headers = 'authorization,content-type,x-team-id,traceparent,baggage,x-any.thing';
    const response = await preflight(stack, PAGE, headers);
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(corsHeadersOf(response)).toEqual({
      'access-control-allow-origin': PAGE,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': headers,
      'access-control-expose-headers': 'ETag, Retry-After, X-Request-Id',
      'access-control-max-age': '86400',
    });
    expect(response.headers.get('vary')).toBe('Origin, Access-Control-Request-Headers');
    expect(response.headers.get('x-request-id')).not.toBeNull();
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('gets no list of headers for what is none', async () => {
    const response = await preflight(await startStack(LISTED), PAGE, 'x-team-id, <b>');
    expect(response.headers.get('access-control-allow-headers')).toBeNull();
  });

  it.each([OTHER, 'null', `${PAGE}:8443`, `${PAGE}.evil.example`, 'http://app.example.com'])(
    'of %s, which is not listed, gets no CORS header at all',
    async (page) => {
      const response = await preflight(await startStack(LISTED), page);
      expect(corsHeadersOf(response)).toEqual({});
    },
  );

  it('gets no CORS header where nothing is listed, which is the default', async () => {
    const response = await preflight(await startStack(), PAGE);
    expect(corsHeadersOf(response)).toEqual({});
  });

  it('of any page is granted by *', async () => {
    const response = await preflight(await startStack({ CORS_ORIGINS: '*' }), OTHER);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-allow-credentials')).toBeNull();
  });

  it.each([
    ['http://localhost', true],
    ['http://localhost:5173', true],
    ['http://localhost.evil.example:5173', false],
    ['https://localhost:5173', false],
    ['http://localhost:5173.evil.example', false],
  ])('of %s is granted by http://localhost:* or not: %s', async (page, granted) => {
    const response = await preflight(await startStack({ CORS_ORIGINS: 'http://localhost:*' }), page);
    expect(response.headers.get('access-control-allow-origin')).toBe(granted ? page : null);
  });
});

it.each(['tracestate', 'baggage', 'sentry-trace', 'apollographql-client-name,apollographql-client-version'])(
  'a preflight for %s passes',
  async (headers) => {
    const response = await preflight(await startStack(LISTED), PAGE, headers);
    expect(response.headers.get('access-control-allow-headers')).toBe(headers);
  },
);

describe('the answer to a page', () => {
  const HEADERS = ['Host: x', 'X-Request-Id: mine-1', 'Connection: close'];
  const post = (more: readonly string[], body: string): string =>
    `${['POST /graphql HTTP/1.1', ...HEADERS, `Content-Length: ${body.length}`, ...more].join('\r\n')}\r\n\r\n${body}`;
  const get = (path: string, more: readonly string[] = []): string =>
    `${[`GET ${path} HTTP/1.1`, ...HEADERS, ...more].join('\r\n')}\r\n\r\n`;
  /** A body that begins with a line that should have its size. */
  const chunked = (more: readonly string[], size: string): string =>
    `${['POST /graphql HTTP/1.1', ...HEADERS, 'Transfer-Encoding: chunked', ...more].join('\r\n')}\r\n\r\n${size}\r\n`;
  const upgrade = (path: string, more: readonly string[]): string =>
    get(path, [...more, 'Upgrade: websocket']).replace('Connection: close', 'Connection: Upgrade');
  const JSON_TYPE = 'Content-Type: application/json';

  const ANSWERS: readonly (readonly [number, (page: string) => string])[] = [
    [200, (page) => post([page, JSON_TYPE], '{"query":"{ __typename }"}')],
    [200, (page) => get('/graphql?query=%7B__typename%7D', [page])],
    [200, (page) => get('/health', [page])],
    [200, (page) => get('/ready', [page])],
    [200, (page) => get('/metrics', [page])],
    [200, (page) => get('/health', [page]).replace('GET', 'HEAD')],
    [200, (page) => get('/graphql', [page, 'Accept: text/html'])],
    [204, (page) => get('/graphql', [page]).replace('GET', 'OPTIONS')],
    [302, (page) => get('/', [page, 'Accept: text/html'])],
    [400, (page) => chunked([page, JSON_TYPE], 'no size')],
    [400, (page) => post([page, JSON_TYPE], '{')],
    [400, (page) => get('/health', [page]).replace('Host: x', 'Host: [')],
    [404, (page) => get('/nowhere', [page])],
    [404, (page) => upgrade('/nowhere', [page])],
    [405, (page) => get('/graphql', [page]).replace('GET', 'PUT')],
    [406, (page) => post([page, JSON_TYPE, 'Accept: image/png'], '{"query":"{ __typename }"}')],
    [408, (page) => post([page, JSON_TYPE], '{"query"').replace('Length: 8', 'Length: 9')],
    [413, (page) => post([page, JSON_TYPE], 'x'.repeat(262_145))],
    [413, (page) => chunked([page, JSON_TYPE], `1;${'x'.repeat(20_000)}`)],
    [415, (page) => post([page, 'Content-Type: text/plain'], '{}')],
    [417, (page) => get('/health', [page, 'Expect: x'])],
    [503, (page) => post([page, JSON_TYPE], '{"query":"{ __typename }"}')],
  ];

  it.each(ANSWERS)('may be read if it is listed, also with status %i', async (status, requestOf) => {
    const { origin } = await startStack(LISTED, {
      bodies: { receiveMs: 50 },
      ...(status === 503 && { totals: { bodies: 1 } }),
    });
    const answer = await sendRaw(origin, requestOf(`Origin: ${PAGE}`));
    expect([answer.status, answer.headers['x-request-id']]).toEqual([status, 'mine-1']);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': PAGE,
      'access-control-expose-headers': 'ETag, Retry-After, X-Request-Id',
      vary: expect.stringMatching(/\bOrigin\b/),
    });
    expect(answer.text).not.toMatch(/allow-credentials/i);

    const others = await sendRaw(origin, requestOf(`Origin: ${OTHER}`));
    expect([others.status, others.headers['x-request-id']]).toEqual([status, 'mine-1']);
    expect(others.text).not.toMatch(/access-control-/i);
    expect(others.headers['vary']).toMatch(/\bOrigin\b/);
  });

  it('may be read if it is listed, also where a bug is the reason', async () => {
    const { origin, clock } = await startStack(LISTED);
    vi.spyOn(clock, 'monotonic')
      .mockReturnValueOnce(1)
      .mockImplementationOnce(() => {
        throw new TypeError('secret words');
      });
    const answer = await sendRaw(origin, get('/graphql?query={__typename}', [`Origin: ${PAGE}`]));
    expect(answer.status).toBe(500);
    expect(answer.headers).toMatchObject({ 'access-control-allow-origin': PAGE });
  });

  it('says that it depends on the page, also where none asked', async () => {
    const { origin } = await startStack(LISTED);
    const { headers } = await sendRaw(origin, get('/graphql?query=%7B__typename%7D'));
    expect(headers['vary']).toMatch(/\bOrigin\b/);
    expect(Object.keys(headers).join()).not.toContain('access-control');
  });
});
