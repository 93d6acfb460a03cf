import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { envelope } from '../../src/sandbox/faults.ts';
import { codesOf, type Result, type Stack, startStack, TEAM, TOKEN } from '../harness.ts';
import { overSse, overWebSocket } from '../support/streams.ts';

const aliased = (count: number, field: string): string =>
  Array.from({ length: count }, (_, n) => `a${n}: ${field}`).join(' ');

/** A query whose answer has about that many hundreds of kilobytes. */
const query = (id: string, reports: number): string =>
  `{ backfill(id: ${id}) { ${aliased(reports, 'errorReport { error }')} } }`;

const subscription = (id: string, reports: number): string =>
  `subscription { backfillUpdated(id: ${id}) { status transferRunsCompleted ${aliased(reports, 'errorReport { error }')} } }`;

const error_report = Array.from({ length: 100 }, () => ({
  transfer_run_date: '2026-01-01',
  error: 'x'.repeat(1_000),
}));

/** A backfill with a report of that many kilobytes. */
function addReported({ world }: Stack, kilobytes = 100): string {
  const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  world.set(id, { error_report: error_report.slice(0, kilobytes) });
  return id;
}

/** A client that asks and does not read. */
async function askAndStall({ origin }: Stack, text: string): Promise<Socket> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.pause();
  const body = JSON.stringify({ query: text });
  socket.write(
    `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nX-Team-Id: ${TEAM}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  return socket;
}

/** An answer takes some hundred milliseconds of each end. */
const PATIENCE = { timeout: 10_000 };

const answered = ({ logLines }: Stack): number =>
  logLines.filter(({ msg, status }) => msg === 'request' && status === 200).length;

describe('answers that their clients do not read', () => {
  it('leave no room for another large one, and room for small ones, until they are gone', async () => {
    const stack = await startStack();
    const id = addReported(stack);
    const large = query(id, 150);
    const stalled = await Promise.all([1, 2, 3].map(() => askAndStall(stack, large)));
    await expect.poll(() => answered(stack), PATIENCE).toBe(3);

    // While the loop is late from the three, a request may be shed before it comes so far.
    let refused: Result | undefined;
    await expect
      .poll(async () => {
        refused = await stack.query(large);
        return refused.errors?.[0]?.message ?? '';
      }, PATIENCE)
      .toContain('wait to be read');
    expect(refused?.status).toBe(503);
    expect(refused?.headers.get('retry-after')).toBe('1');
    expect(refused?.data).toBeUndefined();
    expect(refused?.errors).toMatchObject([
      {
        extensions: {
          code: 'UPSTREAM_UNAVAILABLE',
          retryable: true,
          retryAfterSeconds: 1,
          requestId: expect.any(String),
        },
      },
    ]);
    expect(refused?.body.length).toBeLessThan(1_000);
    await expect
      .poll(() => stack.logLines.find(({ status }) => status === 503))
      .toMatchObject({ msg: 'request', codes: ['UPSTREAM_UNAVAILABLE'] });
    for (const reports of [0, 10]) {
      expect((await stack.query(`{ __typename ${query(id, reports + 1).slice(1)}`)).status).toBe(200);
    }

    for (const socket of stalled) socket.destroy();
    await expect.poll(async () => (await stack.query(large)).status, PATIENCE).toBe(200);
  });

  it('are counted no longer once they are read', async () => {
    const stack = await startStack();
    const id = addReported(stack);
    for (let n = 0; n < 8; n++) expect((await stack.query(query(id, 150))).status).toBe(200);
  });
});

/** The code by which the server ends the socket that a subscription is sent on. */
async function closeCodeOf({ origin }: Stack, text: string): Promise<unknown> {
  const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws');
  onTestFinished(() => socket.terminate());
  const closed = once(socket, 'close');
  await once(socket, 'open');
  const payload = { Authorization: `Bearer ${TOKEN}`, 'X-Team-Id': TEAM };
  socket.send(JSON.stringify({ type: 'connection_init', payload }));
  await once(socket, 'message');
  socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query: text } }));
  return (await closed)[0];
}

describe.each([
  ['SSE', overSse],
  ['WebSocket', overWebSocket],
] as const)('events over %s', (name, subscribe) => {
  it('that are not read leave no room for another large one, until they are gone', async () => {
    const stack = await startStack();
    const id = addReported(stack);
    const text = subscription(id, 110);
    const stalled = Array.from({ length: 4 }, () => subscribe(stack.origin, text, { slow: true }));
    await expect.poll(() => stack.logLines.filter(({ msg }) => msg === 'request')).toHaveLength(4);
    // All of them have been made by the answer to what comes after them, which is shed while the loop is late from them.
    await expect.poll(async () => (await stack.query('{ __typename }')).status, PATIENCE).toBe(200);
    const small = subscribe(stack.origin, subscription(id, 0));
    await expect.poll(() => small.events).toHaveLength(1);
    expect(small.events.flatMap(codesOf)).toEqual([]);
    if (name === 'SSE') {
      const refused = subscribe(stack.origin, text);
      await expect.poll(() => refused.events).toHaveLength(1);
      expect(codesOf(refused.events[0])).toEqual(['UPSTREAM_UNAVAILABLE']);
      expect(refused.events[0]?.errors?.[0]?.extensions.retryAfterSeconds).toBe(1);
      expect(refused.events[0]?.errors?.[0]?.extensions).not.toHaveProperty('http');
    } else {
      expect(await closeCodeOf(stack, text)).toBe(1013);
    }

    for (const { leave, read } of stalled) {
      leave();
      read?.();
    }
    await expect.poll(async () => (await stack.query(query(id, 150))).status, PATIENCE).toBe(200);
  });

  it('are counted no longer once they are read', async () => {
    const stack = await startStack();
    const id = addReported(stack);
    const stream = subscribe(stack.origin, subscription(id, 70));
    for (let n = 1; n <= 8; n++) {
      await expect.poll(() => stream.events, PATIENCE).toHaveLength(n);
      await expect.poll(() => stack.clock.waiting).toBe(1);
      stack.world.set(id, { transfer_runs_completed: n, error_report });
      stack.clock.advance(2_000);
    }
    expect(stream.events.flatMap(codesOf)).toEqual([]);
  });
});

describe('an answer whose errors alone are larger than 16 MiB', () => {
  it('is one error', async () => {
    const { sandbox, query: ask } = await startStack();
    const description = '\u0001'.repeat(2_048);
    const answer = { kind: 'status', status: 400, body: envelope('INVALID', 'm', description) } as const;
    sandbox.faults.add({ when: { id: '5' }, answer });
    const text = `query ($r: [_Any!]!) { _entities(representations: $r) { ... on Transfer { latestBackfill { id } } } }`;
    const r = Array.from({ length: 2_000 }, () => ({ __typename: 'Transfer', id: '5' }));
    const { status, data, errors, body } = await ask(text, { variables: { r } });
    expect([status, data]).toEqual([200, null]);
    expect(codesOf({ errors })).toEqual(['REQUEST_LIMIT_EXCEEDED']);
    expect(body.length).toBeLessThan(1_000);
  });
});
