import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSchema, createYoga } from 'graphql-yoga';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config.ts';
import { createGateway } from '../../src/gateway.ts';
import { createLog } from '../../src/log.ts';
import { useTrustedDocuments } from '../../src/server/plugins/trusted-documents.ts';
import { type Stack, startStack, TEAM, TOKEN } from '../harness.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const STATUS = 'query Status($id: ID!) { backfill(id: $id) { status } }';
const HASH = createHash('sha256').update(STATUS).digest('hex');
const SDL = '{ _service { sdl } }';
const ENTITIES = '{ _entities(representations: [{ __typename: "Transfer", id: "5" }]) { __typename } }';

function fileOf(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'trusted-documents-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'persisted-documents.json');
  writeFileSync(path, content);
  return path;
}

const listing = (documents: object): string => fileOf(JSON.stringify(documents));

function startWith(documents: object): Promise<Stack> {
  return startStack({ TRUSTED_DOCUMENTS: listing(documents) });
}

const AUTHORIZED = { authorization: `Bearer ${TOKEN}`, 'x-team-id': TEAM, 'x-request-id': 'r1' };

function post({ origin }: Stack, body: unknown, accept = 'application/json'): Promise<Response> {
  return fetch(`${origin}/graphql`, {
    method: 'POST',
    headers: { ...AUTHORIZED, 'content-type': 'application/json', accept },
    body: JSON.stringify(body),
  });
}

function get(
  { origin }: Stack,
  params: Readonly<Record<string, unknown>>,
  accept?: string,
): Promise<Response> {
  const search = new URLSearchParams(
    Object.entries(params).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
  return fetch(`${origin}/graphql?${search}`, {
    headers: { ...AUTHORIZED, ...(accept === undefined ? {} : { accept }) },
  });
}

const byHash = (sha256Hash: unknown): Readonly<Record<string, unknown>> => ({
  extensions: { persistedQuery: { version: 1, sha256Hash } },
});

describe('a trusted document', () => {
  it.each([
    ['its hash', byHash(HASH)],
    ['its id', { documentId: 'status-1' }],
  ])('runs by %s, by POST and GET', async (_, named) => {
    const stack = await startWith({ [HASH]: STATUS, 'status-1': STATUS });
    const variables = { id: stack.world.addBackfill({ transferId: '5', status: 'RUNNING' }) };
    for (const ask of [post, get]) {
      const response = await ask(stack, { ...named, variables });
      expect(await response.json()).toEqual({ data: { backfill: { status: 'RUNNING' } } });
      expect(response.headers.get('cache-control')).toBe('private, max-age=2');
    }
  });

  it('may hold several operations and name the one to run', async () => {
    const stack = await startWith({ both: 'query A { a: __typename } query B { b: __typename }' });
    const response = await post(stack, { documentId: 'both', operationName: 'B' });
    expect(await response.json()).toEqual({ data: { b: 'Query' } });
  });

  it('may be what a composition tool asks, if it is listed', async () => {
    const stack = await startWith({ sdl: SDL });
    const response = await post(stack, { documentId: 'sdl' });
    expect(await response.json()).toMatchObject({ data: { _service: { sdl: expect.any(String) } } });
  });
});

describe('with trusted documents, anything else', () => {
  it.each([
    ['a text', { query: '{ backfill(id: "1") { id } }' }],
    ['the text of a listed document', { query: STATUS, variables: { id: '1' } }],
    ['a text beside a listed id', { query: '{ backfill(id: "1") { id } }', documentId: HASH }],
    [
      'a text that registers itself',
      { query: SDL, ...byHash(createHash('sha256').update(SDL).digest('hex')) },
    ],
    ['the SDL', { query: SDL }],
    ['entities', { query: ENTITIES }],
    ['introspection', { query: '{ __schema { queryType { name } } }' }],
    ['nothing', { variables: { id: '1' } }],
    ['an id that is no text', { documentId: 7 }],
    ['a hash that is no text', byHash({ toString: HASH })],
  ])('is refused and makes no call: %s', async (_, body: Readonly<Record<string, unknown>>) => {
    const stack = await startWith({ [HASH]: STATUS });
    for (const ask of [post, get]) {
      // On GET every id is a text.
      if (ask === get && body['documentId'] === 7) continue;
      const response = await ask(stack, body);
      expect(response.status).toBe(403);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(await response.json()).toEqual({
        errors: [
          {
            message:
              'This gateway runs trusted documents only: send the id of one of them, and no query text.',
            extensions: { code: 'PERSISTED_QUERY_ID_REQUIRED', retryable: false, requestId: 'r1' },
          },
        ],
      });
    }
    expect(stack.sandbox.calls.count()).toBe(0);
  });

  it.each([
    ['a hash', byHash('0'.repeat(64))],
    ['an id', { documentId: 'status-2' }],
    ['constructor', { documentId: 'constructor' }],
    ['__proto__', byHash('__proto__')],
  ])('is refused and makes no call: %s that is not listed', async (_, named) => {
    const stack = await startWith({ [HASH]: STATUS });
    for (const ask of [post, get]) {
      for (const accept of ['application/json', 'application/graphql-response+json']) {
        const response = await ask(stack, { ...named, variables: { id: '1' } }, accept);
        expect(response.status).toBe(403);
        expect(await response.json()).toEqual({
          errors: [
            {
              message: 'This gateway runs trusted documents only, and none of them has this id.',
              extensions: { code: 'PERSISTED_QUERY_NOT_IN_LIST', retryable: false, requestId: 'r1' },
            },
          ],
        });
      }
    }
    expect(stack.sandbox.calls.count()).toBe(0);
  });

  it('is refused in every other form of a body too', async () => {
    const stack = await startWith({ [HASH]: STATUS });
    for (const [type, body] of [
      ['application/graphql', '{ backfill(id: "1") { id } }'],
      ['application/x-www-form-urlencoded', 'query=%7B+backfill%28id%3A+%221%22%29+%7B+id+%7D+%7D'],
      ['application/json', '[{"query":"{ backfill(id: \\"1\\") { id } }"}]'],
      ['application/json', '"{ backfill }"'],
      ['application/json', 'null'],
    ] as const) {
      const response = await fetch(`${stack.origin}/graphql`, {
        method: 'POST',
        headers: { ...AUTHORIZED, 'content-type': type },
        body,
      });
      expect([type, response.ok]).toEqual([type, false]);
      const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] };
      expect(errors.map(({ extensions }) => extensions.code)).not.toContain('INTERNAL_SERVER_ERROR');
    }
    expect(stack.sandbox.calls.count()).toBe(0);
  });

  it('is refused where a text comes by another way than the parameters of HTTP', () => {
    const yoga = createYoga({
      schema: createSchema({ typeDefs: 'type Query { a: Int }' }),
      plugins: [useTrustedDocuments(new Map([['a', '{ a }']]))],
    });
    const { parse } = yoga.getEnveloped({});
    expect(() => parse('{ a }')).not.toThrow();
    expect(() => parse('{ b: a }')).toThrow('trusted documents only');
  });
});

describe('a mutation', () => {
  const CANCEL = 'mutation { cancelBackfill(id: "1001") { status } }';

  it('runs where it is listed, and not otherwise', async () => {
    for (const documents of [{ cancel: CANCEL }, { status: STATUS }]) {
      const stack = await startWith(documents);
      stack.world.addBackfill({ id: '1001', transferId: '5', status: 'RUNNING' });
      const isListed = 'cancel' in documents;
      const response = await post(stack, { documentId: 'cancel' });
      expect(response.status).toBe(isListed ? 200 : 403);
      expect((await post(stack, { query: CANCEL })).status).toBe(403);
      expect(stack.sandbox.calls.count('updateBackfillStatus')).toBe(isListed ? 1 : 0);
    }
  });
});

describe('TRUSTED_DOCUMENTS', () => {
  const faultsOf = (run: () => unknown): readonly string[] => {
    try {
      run();
    } catch (error) {
      if (error instanceof ConfigError) return error.message.split('\n');
      throw error;
    }
    return [];
  };
  const rule = 'TRUSTED_DOCUMENTS must be the path of a JSON file like { "<id>": "<query text>" }, but';

  it.each([
    ['{', ['it is not JSON']],
    ['[]', ['it holds no object']],
    ['null', ['it holds no object']],
    ['{}', ['it is empty, so nothing could be asked']],
    [
      '{ "a": "{ __typename }", "b": 1, "c\\n": null }',
      ['document "b" is no text', 'document "c\\n" is no text'],
    ],
  ])('is refused by name when its file holds %s', (content, faults) => {
    const path = fileOf(content);
    expect(faultsOf(() => loadConfig({ TRUSTED_DOCUMENTS: path }))).toEqual(
      faults.map((fault) => `${rule} ${fault}`),
    );
  });

  it('is refused together with every other mistake when there is no file, or none that can be read', () => {
    const path = join(fileOf('{}'), '..');
    for (const [TRUSTED_DOCUMENTS, code] of [
      [join(path, 'missing.json'), 'ENOENT'],
      [path, 'EISDIR'],
    ] as const) {
      expect(faultsOf(() => loadConfig({ PORT: 'x', TRUSTED_DOCUMENTS }))).toEqual([
        'PORT must be a whole number from 0 to 65535',
        `${rule} it cannot be read (${code})`,
      ]);
    }
  });

  it('is refused with the id of every document that does not fit the schema', () => {
    const config = loadConfig({
      TRUSTED_DOCUMENTS: listing({
        good: STATUS,
        torn: '{ backfill(',
        stale: '{ backfill(id: "1") { color } }',
        'type "x"': 'type X { id: ID }',
        empty: '',
      }),
    });
    expect(faultsOf(() => createGateway({ config, log: createLog('silent') }))).toEqual([
      'TRUSTED_DOCUMENTS document "torn": Syntax Error: Expected Name, found <EOF>.',
      'TRUSTED_DOCUMENTS document "stale": Cannot query field "color" on type "Backfill".',
      'TRUSTED_DOCUMENTS document "type \\"x\\"": The "X" definition is not executable.',
      'TRUSTED_DOCUMENTS document "empty": Syntax Error: Unexpected <EOF>.',
    ]);
  });

  it('that does not fit the schema ends the process with 78 and a plain line', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', MAIN], {
      env: { PATH: process.env['PATH'], PORT: '0', TRUSTED_DOCUMENTS: listing({ a: '{ nowhere }' }) },
      encoding: 'utf8',
      timeout: 15_000,
      killSignal: 'SIGKILL',
    });
    expect({ status, stdout, stderr }).toEqual({
      status: 78,
      stdout: '',
      stderr: 'TRUSTED_DOCUMENTS document "a": Cannot query field "nowhere" on type "Query".\n',
    });
  });
});
