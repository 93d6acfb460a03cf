import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLatch, type Result, startStack, type Stack } from '../harness.ts';
import { sendRaw } from '../support/raw.ts';
import { overSse, type Stream } from '../support/streams.ts';

const HEAD =
  'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-Id: mine-1\r\n';
const MIB = 1024 * 1024;

async function open(origin: string): Promise<Socket> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1');
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function expectOrdinary({ query }: Stack): Promise<void> {
  const { data } = await query('{ transfer(id: 5) { latestBackfill { id } } }');
  expect(data).toEqual({ transfer: { latestBackfill: null } });
}

describe('a body that does not come', () => {
  it.each([
    ['with a length', `Content-Length: 11\r\n\r\n{"query"`],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n8\r\n{"query"\r\n'],
    ['at all', 'Content-Length: 11\r\n\r\n'],
  ])('%s is waited for shortly, refused with 408, and its connection closed', async (_name, rest) => {
    const { origin, logLines } = await startStack({}, { bodies: { receiveMs: 50 } });
    const answer = await sendRaw(origin, HEAD + rest);
    expect(answer.status).toBe(408);
    expect(answer.headers).toMatchObject({
      connection: 'close',
      'x-request-id': 'mine-1',
      'x-content-type-options': 'nosniff',
    });
    expect(JSON.parse(answer.body)).toEqual({
      errors: [
        {
          message: 'The body of a request must arrive within 0.05 s of its headers.',
          extensions: { code: 'BAD_REQUEST', retryable: false, requestId: 'mine-1' },
        },
      ],
    });
    expect(logLines.filter(({ msg }) => msg === 'bug')).toEqual([]);
  });

  it.each([
    ['of eleven bytes', 'Content-Length: 11\r\n\r\n{'],
    ['of as many bytes as a body may hold', `Content-Length: ${256 * 1024}\r\n\r\n{"query":"`],
    ['of no stated length', 'Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n'],
  ])('%s shuts nobody out, a thousand times', async (_name, rest) => {
    const stack = await startStack({}, { bodies: { receiveMs: 60_000 } });
    const sockets = await Promise.all(Array.from({ length: 1_100 }, () => open(stack.origin)));
    for (const socket of sockets) socket.write(HEAD + rest);
    await expectOrdinary(stack);
    const large = await stack.query(`{ transfer(id: 5) { id } } # ${'x'.repeat(250_000)}`);
    expect(large.status).toBe(200);
  });

  it('is no bug when its client leaves, and gives back what it held', async () => {
    // Of these a caller whom nobody knows may hold 78,750, and a byte of a body counts as 64 in the end.
    const stack = await startStack({}, { totals: { bodies: 140_000 } });
    const sockets = await Promise.all([1, 2, 3].map(() => open(stack.origin)));
    for (const socket of sockets) {
      socket.write(`${HEAD}Content-Length: 1100\r\n\r\n${'x'.repeat(1_000)}`);
    }
    const largest = `{ __typename } # ${'x'.repeat(1_190)}`;
    const status = async (): Promise<number> => (await stack.query(largest, { token: null })).status;
    await expect.poll(status).toBe(503);
    for (const socket of sockets) socket.resetAndDestroy();
    await expect.poll(status).toBe(200);
    expect(stack.logLines.filter(({ msg }) => msg === 'bug')).toEqual([]);
    await expectOrdinary(stack);
  });
});

describe('a body that comes in pieces', () => {
  const query = JSON.stringify({ query: `{ __typename } # ${'é'.repeat(5_000)}` });

  it.each([
    ['with a length', `Content-Length: ${Buffer.byteLength(query)}\r\n`, (piece: Buffer) => [piece]],
    [
      'in chunks',
      'Transfer-Encoding: chunked\r\n',
      (piece: Buffer) => [`${piece.length.toString(16)}\r\n`, piece, '\r\n'],
    ],
  ])('%s is read whole', async (_name, header, frame) => {
    const { origin } = await startStack();
    const socket = await open(origin);
    socket.write(`${HEAD}Connection: close\r\n${header}\r\n`);
    const bytes = Buffer.from(query);
    for (let start = 0; start < bytes.length; start += 7) {
      for (const part of frame(bytes.subarray(start, start + 7))) socket.write(part);
    }
    if (header.startsWith('Transfer')) socket.write('0\r\n\r\n');
    expect(await text(socket)).toContain('{"data":{"__typename":"Query"}}');
  });
});

describe('bodies together', () => {
  const filler = (bytes: number): string => `# ${'x'.repeat(bytes)}`;
  const hanging = (bytes: number): string => `{ transfer(id: 7) { latestBackfill { id } } } ${filler(bytes)}`;

  it('are bounded over an upstream that hangs, where the small ones still get in', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    expect((await stack.query(`{ backfill(id: ${id}) { id } }`)).status).toBe(200);
    const latch = createLatch();
    stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'hold', until: latch.opened } });
    const large = Array.from({ length: 100 }, () => stack.query(hanging(250_000)));
    const refused: Result[] = [];
    for (const one of large) void one.then((result) => result.status === 503 && refused.push(result));
    await expect.poll(() => refused.length, { timeout: 8_000 }).toBe(91);
    for (const { headers, errors } of refused) {
      expect(headers.get('retry-after')).toBe('1');
      expect(errors).toEqual([
        {
          message: 'The gateway holds as many request bodies as it can at the moment.',
          extensions: {
            code: 'UPSTREAM_UNAVAILABLE',
            retryable: true,
            retryAfterSeconds: 1,
            requestId: expect.any(String),
          },
        },
      ]);
    }
    // A hundred at once, as a crowd of pages sends them.
    const small = Array.from({ length: 100 }, () => stack.query('{ transfer(id: 5) { id } }'));
    expect((await Promise.all(small)).map(({ status }) => status)).toEqual(Array(100).fill(200));

    latch.open();
    const statuses = (await Promise.all(large)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(9);
    expect((await stack.query(hanging(250_000))).status).toBe(200);
  });

  it('do not count those of streams, which last for hours', async () => {
    const stack = await startStack({}, { totals: { bodies: 4 * MIB } });
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const text = `subscription { backfillUpdated(id: "${id}") { id } } ${filler(10_000)}`;
    const streams: Stream[] = [];
    for (let n = 1; n <= 6; n++) {
      streams.push(overSse(stack.origin, text));
      await expect.poll(() => streams.at(-1)?.events.length).toBe(1);
    }
  });
});
