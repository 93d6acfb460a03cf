import { createHash } from 'node:crypto';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startStack, TEAM, TOKEN } from '../harness.ts';

const AUTHORIZED = { authorization: `Bearer ${TOKEN}`, 'x-team-id': TEAM };
const QUERY = 'query Status($id: ID!) { backfill(id: $id) { status } }';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const extensionsFor = (text: string): object => ({
  persistedQuery: { version: 1, sha256Hash: sha256(text) },
});

function post(
  origin: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${origin}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...AUTHORIZED, ...headers },
    body: JSON.stringify(body),
  });
}

function get(
  origin: string,
  params: Readonly<Record<string, object>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const search = new URLSearchParams(
    Object.entries(params).map(([name, value]) => [name, JSON.stringify(value)]),
  );
  return fetch(`${origin}/graphql?${search}`, { headers: { ...AUTHORIZED, ...headers } });
}

/** Which of these texts the gateway still has. */
async function kept(origin: string, texts: readonly string[]): Promise<readonly boolean[]> {
  const answers = await Promise.all(
    texts.map(async (text) => (await post(origin, { extensions: extensionsFor(text) })).json()),
  );
  return answers.map((answer) => !('errors' in (answer as object)));
}

describe('an automatic persisted query', () => {
  it('is asked for by its hash, sent once with its text, and known by POST and GET from then on', async () => {
    const { world, sandbox, origin } = await startStack();
    const variables = { id: world.addBackfill({ transferId: '5', status: 'RUNNING' }) };
    const extensions = extensionsFor(QUERY);
    const missing = {
      errors: [
        {
          message: 'PersistedQueryNotFound',
          extensions: { code: 'PERSISTED_QUERY_NOT_FOUND', retryable: false, requestId: 'r1' },
        },
      ],
    };
    const data = { data: { backfill: { status: 'RUNNING' } } };

    for (const ask of [post, get]) {
      const response = await ask(origin, { variables, extensions }, { 'x-request-id': 'r1' });
      expect(await response.json()).toEqual(missing);
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
    expect(sandbox.calls.count()).toBe(0);
    expect(await (await post(origin, { query: QUERY, variables, extensions })).json()).toEqual(data);
    expect(await (await post(origin, { variables, extensions })).json()).toEqual(data);
    expect(await (await get(origin, { variables, extensions })).json()).toEqual(data);
  });

  it.each(['application/json', 'application/graphql-response+json'])(
    'that is missing answers 200 as %s too, or some clients would never send the text',
    async (accept) => {
      const { origin } = await startStack();
      const response = await post(origin, { extensions: extensionsFor(QUERY) }, { accept });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe(`${accept}; charset=utf-8`);
    },
  );

  it('is refused with 400 and not kept when its hash is of another text', async () => {
    const { sandbox, origin } = await startStack();
    const response = await post(origin, {
      query: '{ backfill(id: "1") { id } }',
      extensions: extensionsFor(QUERY),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      errors: [
        {
          message: 'PersistedQueryMismatch',
          extensions: {
            code: 'PERSISTED_QUERY_MISMATCH',
            retryable: false,
            requestId: response.headers.get('x-request-id'),
          },
        },
      ],
    });
    expect(sandbox.calls.count()).toBe(0);
    expect(await kept(origin, [QUERY])).toEqual([false]);
  });

  it('is kept however long nobody asks for it', async () => {
    const { origin } = await startStack();
    await post(origin, { query: '{ __typename }', extensions: extensionsFor('{ __typename }') });
    // The clock by which caches forget.
    const later = performance.now() + 7 * 24 * 3_600_000;
    const clock = vi.spyOn(performance, 'now').mockReturnValue(later);
    onTestFinished(() => clock.mockRestore());
    expect(await kept(origin, ['{ __typename }'])).toEqual([true]);
  });

  it('is never found under a name that objects have by themselves', async () => {
    const { origin } = await startStack();
    for (const sha256Hash of ['constructor', '__proto__', 'toString']) {
      const response = await post(origin, { extensions: { persistedQuery: { version: 1, sha256Hash } } });
      expect(await response.json()).toMatchObject({ errors: [{ message: 'PersistedQueryNotFound' }] });
    }
  });

  it.each([
    ['many texts', 1_000, 0],
    ['large texts', 130, 64 * 1024],
  ])(
    'goes when it is the longest unused under a flood of %s, and comes back when sent again',
    async (_, count, size) => {
      const { origin } = await startStack();
      const text = (n: number): string => `{ t${n}: __typename } #${'x'.repeat(size)}`;
      const register = async (n: number): Promise<void> => {
        const response = await post(origin, { query: text(n), extensions: extensionsFor(text(n)) });
        expect(await response.json()).toEqual({ data: { [`t${n}`]: 'Query' } });
      };
      await register(0);
      await register(1);
      expect(await kept(origin, [text(0)])).toEqual([true]);
      for (let n = 2; n <= count; n += 10)
        await Promise.all(Array.from({ length: Math.min(10, count - n + 1) }, (_, i) => register(n + i)));

      expect(await kept(origin, [text(1), text(count)])).toEqual([false, true]);
      await register(1);
      expect(await kept(origin, [text(1)])).toEqual([true]);
    },
  );
});
