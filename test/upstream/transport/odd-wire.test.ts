import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { codesOf, startStack } from '../../harness.ts';
import {
  DATA,
  env,
  expectOutcome,
  type FaultRow,
  ID,
  INVALID,
  READ,
  readAgain,
  REMEMBERED_MS,
  type Row,
  startOddUpstream,
  testEach,
  TIMEOUT,
  UNAVAILABLE,
} from '../../support/odd-upstream.ts';

interface WireRow extends Row {
  readonly answer: (socket: Socket) => void;
}

const CONNECTION: readonly FaultRow[] = [
  {
    name: 'a reset before the headers',
    answer: { kind: 'reset', at: 'before-headers' },
    outcome: UNAVAILABLE,
  },
  { name: 'a reset after the headers', answer: { kind: 'reset', at: 'after-headers' }, outcome: UNAVAILABLE },
  { name: 'a reset in the body', answer: { kind: 'reset', at: 'in-body' }, outcome: UNAVAILABLE },
  { name: 'a body shorter than announced', answer: { kind: 'truncate' }, outcome: UNAVAILABLE },
  { name: 'no HTTP response at all', answer: { kind: 'hang' }, outcome: TIMEOUT, timeoutMs: 400 },
  {
    name: 'a body that drips',
    answer: { kind: 'drip', everyMs: 5, bytes: 1 },
    outcome: TIMEOUT,
    timeoutMs: 400,
  },
  {
    name: 'a body that never ends',
    answer: { kind: 'drip', everyMs: 1, bytes: 64 * 1024 },
    outcome: INVALID,
  },
];

const http = (text: string): ((socket: Socket) => void) => {
  return (socket) => void socket.end(text, 'latin1');
};
const OK = 'HTTP/1.1 200 OK\r\n';
const sized = `content-length: ${DATA.length}\r\n\r\n${DATA}`;

const WIRE: readonly WireRow[] = [
  { name: 'a header that drips', answer: dripHeader, outcome: TIMEOUT, timeoutMs: 400 },
  { name: 'the end of the connection without an HTTP response', answer: http(''), outcome: UNAVAILABLE },
  { name: 'a reset within the headers', answer: resetAfter(`${OK}content-`), outcome: UNAVAILABLE },
  { name: 'an end within the headers', answer: http(`${OK}content-`), outcome: UNAVAILABLE },
  { name: 'an end within the status line', answer: http('HTTP/1.'), outcome: UNAVAILABLE },
  {
    name: 'an end within a chunk',
    answer: http(`${OK}transfer-encoding: chunked\r\n\r\nff\r\n{"data"`),
    outcome: UNAVAILABLE,
  },
  {
    name: 'a body that ends with the connection',
    answer: http(`HTTP/1.0 200 OK\r\n\r\n${DATA}`),
    outcome: {},
  },
  { name: 'more than was announced', answer: http(`${OK}${sized}garbage`), outcome: {} },
  { name: 'two HTTP responses at once', answer: http(`${OK}${sized}${OK}${sized}`), outcome: {} },
  {
    name: 'less announced than there is',
    answer: http(`${OK}content-length: 20\r\n\r\n${DATA}`),
    outcome: INVALID,
  },
  {
    name: 'early hints',
    answer: http(`HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n${OK}${sized}`),
    outcome: {},
  },
  {
    name: '100, which nobody waits for',
    answer: http(`HTTP/1.1 100 Continue\r\n\r\n${OK}${sized}`),
    outcome: UNAVAILABLE,
  },
  {
    name: '101, which nobody asked for',
    answer: http('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    outcome: UNAVAILABLE,
  },
  { name: 'a header of 20 kB', answer: http(`${OK}x: ${'x'.repeat(20_000)}\r\n${sized}`), outcome: INVALID },
  {
    name: 'a thousand headers',
    answer: http(`${OK}${'x: 0123456789abcdef\r\n'.repeat(1000)}${sized}`),
    outcome: INVALID,
  },
  { name: 'a header without an end', answer: endlessHeader, outcome: INVALID },
  { name: 'a NUL in a header', answer: http(`${OK}x: a\0b\r\n${sized}`), outcome: INVALID },
  { name: 'a space in the name of a header', answer: http(`${OK}x y: a\r\n${sized}`), outcome: INVALID },
  { name: 'a header in Latin-1', answer: http(`${OK}x: caf\xe9\r\n${sized}`), outcome: {} },
  {
    name: 'headers with the names of prototypes',
    answer: http(`${OK}__proto__: polluted\r\nconstructor: polluted\r\n${sized}`),
    outcome: {},
  },
  // Nobody can know which length is right. A retry may help, as after a lost response.
  { name: 'two lengths', answer: http(`${OK}content-length: 5\r\n${sized}`), outcome: UNAVAILABLE },
  {
    name: 'a length and chunks',
    answer: http(`${OK}transfer-encoding: chunked\r\n${sized}`),
    outcome: INVALID,
  },
  {
    name: 'a length that is no number',
    answer: http(`${OK}content-length: x\r\n\r\n${DATA}`),
    outcome: INVALID,
  },
  {
    name: 'a chunk of no length',
    answer: http(`${OK}transfer-encoding: chunked\r\n\r\nxyz\r\n`),
    outcome: INVALID,
  },
  { name: 'another protocol', answer: http('SSH-2.0-OpenSSH_9.6\r\n'), outcome: INVALID },
  { name: 'TLS', answer: http('\x15\x03\x01\0\x02\x02\x46'), outcome: INVALID },
  { name: 'JSON without HTTP', answer: http(DATA), outcome: INVALID },
  { name: 'a status that is no number', answer: http(`HTTP/1.1 abc OK\r\n${sized}`), outcome: INVALID },
  { name: 'random bytes', answer: http(gzipSync(DATA).toString('latin1')), outcome: INVALID },
  {
    name: 'a 429 with two Retry-After headers',
    answer: http(`HTTP/1.1 429 X\r\nretry-after: 0\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n`),
    outcome: 'RATE_LIMITED',
  },
  {
    name: 'two request ids',
    answer: http(
      `HTTP/1.1 403 X\r\nx-request-id: abcdefgh\r\nx-request-id: abcdefgh\r\ncontent-length: 0\r\n\r\n`,
    ),
    outcome: 'FORBIDDEN',
  },
];

function resetAfter(text: string): (socket: Socket) => void {
  return (socket) => void socket.write(text, () => socket.resetAndDestroy());
}

function dripHeader(socket: Socket): void {
  socket.write(`${OK}x-slow: `);
  const timer = setInterval(() => socket.write('x'), 5);
  socket.once('close', () => clearInterval(timer));
}

function endlessHeader(socket: Socket): void {
  socket.write(`${OK}x-long: `);
  const timer = setInterval(() => socket.write('x'.repeat(1000)), 1);
  socket.once('close', () => clearInterval(timer));
}

describe('a connection', () => {
  testEach(CONNECTION);
});

describe('an HTTP response on the wire', () => {
  it.each(WIRE)('$name', async (row) => {
    const upstream = await startOddUpstream(({ socket }) => row.answer(socket));
    const { clock, query } = await startStack({
      SUPERMETRICS_API_URL: `${upstream.origin}/v1`,
      ...env(row),
    });
    const result = await query(READ);
    upstream.restore();
    clock.advance(REMEMBERED_MS);
    expectOutcome(result, row.outcome, await readAgain(query), upstream.origin);
  });
});

describe('a connection that has run out of time', () => {
  it.each<[string, (socket: Socket) => void]>([
    ['without an HTTP response', () => undefined],
    ['in the headers', dripHeader],
    ['in the body', (socket) => void socket.write(`${OK}content-length: 1000\r\n\r\n{`)],
  ])('is closed: %s', async (_where, answer) => {
    let socket: Socket | undefined;
    const upstream = await startOddUpstream((request) => {
      ({ socket } = request);
      answer(request.socket);
    });
    const { query } = await startStack({
      SUPERMETRICS_API_URL: `${upstream.origin}/v1`,
      UPSTREAM_TIMEOUT_MS: '400',
    });
    expect(codesOf(await query(READ))).toEqual([TIMEOUT]);
    await expect.poll(() => socket?.destroyed).toBe(true);
    upstream.restore();
    await readAgain(query);
  });
});

describe('the Retry-After of a 429', () => {
  it.each([
    ['sent twice alike', 'retry-after: 30\r\nretry-after: 30\r\n', 30],
    ['sent twice, the later first', 'retry-after: 60\r\nretry-after: 30\r\n', 60],
    ['a date in the past', 'retry-after: Mon, 02 Mar 2026 09:00:00 GMT\r\n', 0],
    ['no number', 'retry-after: soon\r\n', undefined],
    ['empty', 'retry-after: \r\n', undefined],
    ['a negative number', 'retry-after: -5\r\n', undefined],
    ['a fraction', 'retry-after: 1.5\r\n', undefined],
  ])('is read if it is valid: %s', async (_how, header, seconds) => {
    const upstream = await startOddUpstream(({ socket }) =>
      http(`HTTP/1.1 429 X\r\n${header}content-length: 0\r\n\r\n`)(socket),
    );
    const { query } = await startStack({ SUPERMETRICS_API_URL: `${upstream.origin}/v1` });
    const { errors } = await query(READ);
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
    expect(errors?.[0]?.extensions.retryAfterSeconds).toBe(seconds);
    upstream.restore();
    // The gate of this credential holds up no other.
    const { data } = await query(READ, { token: 'sandbox-other' });
    expect(data).toMatchObject({ backfill: { id: ID } });
  });
});
