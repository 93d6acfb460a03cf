import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it, onTestFinished } from 'vitest';
import { envelope, type FaultAnswer } from '../../src/sandbox/faults.ts';
import { type Answer, type Ask, createClient } from './client.ts';
import {
  BackfillDetailsDocument,
  type BackfillDetailsQuery,
  DashboardDocument,
} from './generated/graphql.ts';
import { askPatiently, reactionTo } from './on-error.ts';
import { type Stack, startStack, TEAM, TOKEN } from '../harness.ts';

const HEADERS = { Authorization: `Bearer ${TOKEN}`, 'X-Team-Id': TEAM };

function clientOf({ origin }: Stack, headers: Readonly<Record<string, string>> = HEADERS): Ask {
  return createClient(`${origin}/graphql`, () => headers);
}

const tooManyRequests = (retryAfter: number): FaultAnswer => ({
  kind: 'status',
  status: 429,
  headers: { 'retry-after': String(retryAfter) },
  body: envelope('TOO_MANY_REQUESTS', 'Too many requests', 'Slow down'),
});

describe('the typed client', () => {
  it('reads a dashboard', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    const { data, errors } = await clientOf(stack)(DashboardDocument, { transferIds: ['5', '6'] });
    expect(errors).toEqual([]);
    // Typed down to the leaves: none of these lines compiles against a field of another type.
    const progress: number | undefined = data?.transfers[0]?.latestBackfill?.progress;
    const end: string | null | undefined = data?.transfers[0]?.latestBackfill?.estimatedEndTime;
    expect([progress, end]).toEqual([1, null]);
    expect(data).toEqual({
      transfers: [
        {
          id: '5',
          teamId: TEAM,
          latestBackfill: {
            id,
            teamId: TEAM,
            status: 'COMPLETED',
            progress: 1,
            estimatedEndTime: null,
            isStale: false,
          },
        },
        { id: '6', teamId: TEAM, latestBackfill: null },
      ],
    });
  });

  it('reads one backfill by its id', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({
      transferId: '5',
      status: 'RUNNING',
      rangeStart: '2026-01-01',
      rangeEnd: '2026-01-31',
    });
    const { data, errors } = await clientOf(stack)(BackfillDetailsDocument, { id });
    expect(errors).toEqual([]);
    const start: string | undefined = data?.backfill?.rangeStartDate;
    expect(start).toBe('2026-01-01');
    expect(data?.backfill).toMatchObject({
      id,
      status: 'RUNNING',
      rangeEndDate: '2026-01-31',
      errorReport: [],
    });
  });

  it('returns the fields that could be read beside the errors of the others', async () => {
    const stack = await startStack();
    for (const transferId of ['5', '6']) stack.world.addBackfill({ transferId, status: 'RUNNING' });
    stack.sandbox.faults.add({ when: { id: '6' }, answer: { kind: 'status', status: 403, body: '' } });
    const { data, errors } = await clientOf(stack)(DashboardDocument, { transferIds: ['5', '6'] });
    expect(data?.transfers.map(({ latestBackfill }) => latestBackfill?.status)).toEqual([
      'RUNNING',
      undefined,
    ]);
    expect(errors).toMatchObject([
      { path: ['transfers', 1, 'latestBackfill'], extensions: { code: 'FORBIDDEN' } },
    ]);
  });

  it("throws a router's or proxy's own errors, which have no code of the table", async () => {
    const proxy = createServer((_request, response) => {
      response.writeHead(503).end('{"errors":[{"message":"No route.","extensions":{"code":"NO_ROUTE"}}]}');
    }).listen(0);
    onTestFinished(() => void proxy.close());
    const address = proxy.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const ask = createClient(`http://127.0.0.1:${port}/graphql`, () => HEADERS);
    await expect(ask(BackfillDetailsDocument, { id: '1' })).rejects.toThrow(
      'HTTP 503: [{"message":"No route."',
    );
  });
});

describe('branching on codes', () => {
  function patient(
    stack: Stack,
    waited: number[],
  ): (ask: Ask, id: string) => Promise<Answer<BackfillDetailsQuery>> {
    const wait = (seconds: number): Promise<void> => {
      waited.push(seconds);
      stack.clock.advance(seconds * 1000);
      return Promise.resolve();
    };
    return (ask, id) =>
      askPatiently(() => ask(BackfillDetailsDocument, { id }), { attempts: 3, maxWaitSeconds: 30, wait });
  }

  it('NOT_FOUND: shows it as missing, and asks once', async () => {
    const stack = await startStack();
    const waited: number[] = [];
    const { data, errors } = await patient(stack, waited)(clientOf(stack), '404');
    expect(data).toEqual({ backfill: null });
    expect(errors.map(({ extensions }) => reactionTo(extensions.code))).toEqual(['show as missing']);
    expect(waited).toEqual([]);
  });

  it.each([
    ['no credential', { 'X-Team-Id': TEAM }],
    ['a credential that is refused', { ...HEADERS, Authorization: 'Bearer nobody' }],
  ])('UNAUTHENTICATED, %s: signs in, and asks once', async (_name, headers) => {
    const stack = await startStack();
    const waited: number[] = [];
    const { errors } = await patient(stack, waited)(clientOf(stack, headers), '1');
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['UNAUTHENTICATED']);
    expect(errors.map(({ extensions }) => reactionTo(extensions.code))).toEqual(['sign in']);
    expect(waited).toEqual([]);
  });

  it('RATE_LIMITED: asks again after retryAfterSeconds', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'COMPLETED' });
    stack.sandbox.faults.add({ answer: tooManyRequests(7) });
    const waited: number[] = [];
    const { data, errors } = await patient(stack, waited)(clientOf(stack), id);
    expect(waited).toEqual([7]);
    expect(errors).toEqual([]);
    expect(data?.backfill?.status).toBe('COMPLETED');
  });

  it('RATE_LIMITED for longer than the client waits: shows it as busy', async () => {
    const stack = await startStack();
    stack.sandbox.faults.add({ answer: tooManyRequests(3600) });
    const waited: number[] = [];
    const { errors } = await patient(stack, waited)(clientOf(stack), '1');
    expect(errors).toMatchObject([
      { extensions: { code: 'RATE_LIMITED', retryable: true, retryAfterSeconds: 3600 } },
    ]);
    expect(errors.map(({ extensions }) => reactionTo(extensions.code))).toEqual(['show as busy']);
    expect(waited).toEqual([]);
  });

  it('does not compile with a code that has no case', () => {
    const added = (text: string): string =>
      text.replace('= {\n', "= {\n  TEAPOT: { retryable: false, meaning: 'It is one.' },\n");
    expect(compileErrors((text) => text)).toEqual([]);
    expect(compileErrors(added)).toContainEqual(
      expect.stringMatching(/"TEAPOT"' does not satisfy .* 'never'/),
    );
  });
});

/** What the compiler says of on-error.ts when the table of codes is edited. */
function compileErrors(edit: (table: string) => string): readonly string[] {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const readFile = host.readFile.bind(host);
  host.readFile = (name) => {
    const text = readFile(name);
    return text !== undefined && name.endsWith('/error-codes.ts') ? edit(text) : text;
  };
  const program = ts.createProgram([`${root}test/client/on-error.ts`], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
