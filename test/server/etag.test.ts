import { describe, expect, it } from 'vitest';
import { type Stack, startStack, TEAM, TOKEN } from '../harness.ts';

const AUTHORIZED = { authorization: `Bearer ${TOKEN}`, 'x-team-id': TEAM };
const statusOf = (id: string): string => `{ backfill(id: "${id}") { status } }`;

function get(
  { origin }: Stack,
  query: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${origin}/graphql?${new URLSearchParams({ query })}`, {
    // Without one of its own fetch adds `no-cache` to a request that is conditional.
    headers: { ...AUTHORIZED, 'cache-control': 'max-age=0', ...headers },
  });
}

async function tagOf(stack: Stack, query: string): Promise<string> {
  const { headers } = await get(stack, query);
  const etag = headers.get('etag');
  expect(etag).toMatch(/^W\/"[\w-]{43}"$/);
  return etag ?? '';
}

describe('If-None-Match on GET', () => {
  it('answers 304 without a body while the result is the same, also after it was read again', async () => {
    const stack = await startStack();
    const query = statusOf(stack.world.addBackfill({ transferId: '5', status: 'FAILED' }));
    const etag = await tagOf(stack, query);

    const fresh = await get(stack, query, { 'if-none-match': etag });
    expect([fresh.status, await fresh.text()]).toEqual([304, '']);
    expect(stack.sandbox.calls.count()).toBe(1);

    stack.clock.advance(2_001);
    const again = await get(stack, query, { 'if-none-match': etag });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect(stack.sandbox.calls.count()).toBe(2);
  });

  it('answers the new body under another tag once something changed', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const etag = await tagOf(stack, statusOf(id));
    stack.world.set(id, { status: 'COMPLETED' });
    stack.clock.advance(2_001);
    const response = await get(stack, statusOf(id), { 'if-none-match': etag });
    expect(response.status).toBe(200);
    expect(response.headers.get('etag')).not.toBe(etag);
    expect(await response.json()).toEqual({ data: { backfill: { status: 'COMPLETED' } } });
  });

  it('answers 304 with the headers of a 200 except those of the body', async () => {
    const stack = await startStack({ CORS_ORIGINS: 'https://app.example.com' });
    const query = statusOf(stack.world.addBackfill({ transferId: '5', status: 'FAILED' }));
    const asked = { origin: 'https://app.example.com', 'x-request-id': 'r1' };
    const whole = await get(stack, query, asked);
    const etag = whole.headers.get('etag') ?? '';
    const { headers } = await get(stack, query, { ...asked, 'if-none-match': etag });

    const told = ['cache-control', 'vary', 'etag', 'x-request-id', 'access-control-allow-origin'];
    expect(told.map((name) => headers.get(name))).toEqual(told.map((name) => whole.headers.get(name)));
    expect(headers.get('cache-control')).toBe('private, max-age=2');
    expect(headers.get('x-request-id')).toBe('r1');
    expect([headers.get('content-type'), headers.get('content-length')]).toEqual([null, null]);
    expect(whole.headers.get('content-type')).toContain('json');
  });

  it.each([
    [(etag: string) => `"other", ${etag}`, 304],
    [(etag: string) => etag.replace('W/', ''), 304],
    [() => '*', 304],
    [() => '"other", W/"another"', 200],
    [(etag: string) => etag.replaceAll('"', ''), 200],
    [() => '', 200],
  ])('accepts lists, strong and weak tags, and * (%#)', async (header, status) => {
    const stack = await startStack();
    const query = statusOf(stack.world.addBackfill({ transferId: '5', status: 'FAILED' }));
    const etag = await tagOf(stack, query);
    expect((await get(stack, query, { 'if-none-match': header(etag) })).status).toBe(status);
  });

  it('never gets 304 for a caller who may not read the backfill', async () => {
    const stack = await startStack();
    const query = statusOf(stack.world.addBackfill({ transferId: '5', status: 'FAILED' }));
    const etag = await tagOf(stack, query);
    const response = await get(stack, query, { authorization: 'Bearer nobody', 'if-none-match': etag });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  });

  it('is logged and counted with the status of the HTTP response', async () => {
    const stack = await startStack();
    const query = statusOf(stack.world.addBackfill({ transferId: '5', status: 'FAILED' }));
    await get(stack, query, { 'if-none-match': '*' });
    expect(stack.logLines).toContainEqual(
      expect.objectContaining({ msg: 'request', method: 'GET', status: 304, operation: 'query' }),
    );
    const metrics = await (await fetch(`${stack.origin}/metrics`)).text();
    expect(metrics).toContain('backfill_gateway_request_duration_seconds_count{status="304"} 1');
  });

  it('is ignored without a tag: for POST, errors, no-store results and other endpoints', async () => {
    const stack = await startStack();
    const query = statusOf(stack.world.addBackfill({ transferId: '5', status: 'FAILED' }));
    const any = { 'if-none-match': '*' };
    const answers = [
      await fetch(`${stack.origin}/graphql`, {
        method: 'POST',
        headers: { ...AUTHORIZED, 'content-type': 'application/json', ...any },
        body: JSON.stringify({ query }),
      }),
      await get(stack, statusOf('404'), any),
      await get(stack, '{ transfer(id: "5") { id } }', any),
      await get(stack, query, { ...any, accept: 'text/event-stream' }),
      await fetch(`${stack.origin}/health`, { headers: any }),
    ];
    for (const response of answers) {
      expect([response.status, response.headers.get('etag')]).toEqual([200, null]);
      expect(await response.text()).not.toBe('');
    }
    expect(
      (await get(stack, '{ nowhere }', { ...any, accept: 'application/graphql-response+json' })).status,
    ).toBe(400);
  });
});
