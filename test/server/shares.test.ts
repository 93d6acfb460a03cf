import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { ServerLimits } from '../../src/gateway.ts';
import { codesOf, createLatch, type Result, type Stack, startStack } from '../harness.ts';
import { followOver, openSocket, overSse, type Stream, type StreamEvent } from '../support/streams.ts';

const BAD = 'bad-neighbour';
const GOOD = ['good-one', 'good-two', 'good-three'] as const;
/** The team of whatever is to hang. */
const HANGING = '2';

interface Neighbours extends Stack {
  /** A running backfill of team 1. */
  readonly id: string;
  /** Asks for it. */
  ask(token: string | null, more?: string): Promise<Result>;
  /** Asks for what hangs until `release`. */
  hang(token: string | null, more?: string): Promise<Result>;
  release(): void;
}

/** A gateway with little to share, on which all these callers have been accepted. */
async function startNeighbours(totals: ServerLimits['totals'] = {}): Promise<Neighbours> {
  const stack = await startStack({}, { totals });
  const { world, sandbox, query } = stack;
  const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  for (const token of [BAD, ...GOOD, 'newcomer']) {
    world.addToken(token, { teams: 'all', permissions: 'edit' });
  }
  const latch = createLatch();
  sandbox.faults.add({
    when: { teamId: HANGING },
    times: Infinity,
    answer: { kind: 'hold', until: latch.opened },
  });
  const text = (more: string): string => `{ backfill(id: ${id}) { status } } # ${more}`;
  const ask: Neighbours['ask'] = (token, more = '') => query(text(more), { token });
  for (const token of [BAD, ...GOOD]) expect((await ask(token)).errors).toBeUndefined();
  return {
    ...stack,
    id,
    ask,
    hang: (token, more = '') => query(text(more), { token, team: HANGING }),
    release: latch.open,
  };
}

const REFUSED = {
  code: 'UPSTREAM_UNAVAILABLE',
  retryable: true,
  retryAfterSeconds: 1,
  requestId: expect.any(String),
};

/** Sends them all, and waits until all but so many were refused. */
async function underWay(all: readonly Promise<Result>[], admitted: number): Promise<void> {
  const refused: Result[] = [];
  for (const one of all) {
    one.then(
      (result) => result.status === 503 && refused.push(result),
      () => undefined,
    );
  }
  await expect.poll(() => refused.length, { timeout: 5_000 }).toBe(all.length - admitted);
  for (const { headers, errors } of refused) {
    expect(headers.get('retry-after')).toBe('1');
    expect(errors?.map(({ extensions }) => extensions)).toEqual([REFUSED]);
  }
}

const times = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));

async function expectUnharmed({ ask }: Neighbours, tokens: readonly string[] = GOOD): Promise<void> {
  const answers = await Promise.all(tokens.map((token) => ask(token)));
  expect(answers.map(({ status, errors }) => [status, errors])).toEqual(tokens.map(() => [200, undefined]));
}

describe('requests under way', () => {
  it('of one caller are three quarters of all at most, and refuse nobody else', async () => {
    const stack = await startNeighbours({ underWay: 40 });
    const flood = times(60, () => stack.hang(BAD));
    await underWay(flood, 30);
    await expectUnharmed(stack);
    await expectUnharmed(stack, ['newcomer']);
    stack.release();
    await Promise.all(flood);
    expect((await stack.ask(BAD)).status).toBe(200);
  });

  it('of invented tokens, and of none, leave others their share, and a newcomer some of theirs', async () => {
    const stack = await startNeighbours({ underWay: 80 });
    const flood = [...times(60, () => stack.hang('invented')), stack.ask(null)];
    await underWay(flood, 46);
    await expectUnharmed(stack);
    await expectUnharmed(stack, ['newcomer']);
    const more = times(60, (n) => stack.hang(`invented-${n}`));
    await underWay(more, 14);
    await expectUnharmed(stack);
    stack.release();
    await Promise.all([...flood, ...more]);
    await expectUnharmed(stack, ['newcomer']);
  });

  it('over a WebSocket count for the caller whom connection_init names', async () => {
    const stack = await startNeighbours({ underWay: 40 });
    const flood = times(60, () => stack.hang(BAD));
    await underWay(flood, 30);
    const over = async (token: string): Promise<readonly string[]> => {
      const client = openSocket(stack.origin, { Authorization: `Bearer ${token}`, 'X-Team-Id': '1' });
      const { events } = followOver(client, `{ backfill(id: ${stack.id}) { status } }`);
      await expect.poll(() => events.length).toBe(1);
      return events.flatMap(codesOf);
    };
    expect(await over(BAD)).toEqual(['UPSTREAM_UNAVAILABLE']);
    expect(await over(GOOD[0])).toEqual([]);
    stack.release();
    await Promise.all(flood);
  });
});

describe('request bodies', () => {
  it('of one caller refuse nobody else, however large they are', async () => {
    const stack = await startNeighbours({ bodies: 16_000_000 });
    const large = 'x'.repeat(30_000);
    const flood = times(20, () => stack.hang(BAD, large));
    await underWay(flood, 6);
    await expectUnharmed(stack);
    expect((await stack.ask(GOOD[0], large)).status).toBe(200);
    stack.release();
    await Promise.all(flood);
  });
});

describe('answers that are not read', () => {
  it('of one caller refuse nobody else, however large they are', async () => {
    const stack = await startNeighbours({ unsentAnswers: 24 * 1024 * 1024 });
    const { world, query, origin, id } = stack;
    const error = 'x'.repeat(1_000);
    world.set(id, { error_report: times(100, () => ({ transfer_run_date: '2026-01-01', error })) });
    const reports = (count: number): string =>
      `{ backfill(id: ${id}) { ${times(count, (n) => `a${n}: errorReport { error }`).join(' ')} } }`;
    const large = reports(60);
    // The state before the report is forgotten.
    stack.clock.advance(3_000);
    expect((await query(large, { token: BAD })).body.length).toBeGreaterThan(6_000_000);

    for (let n = 0; n < 3; n++) {
      await askAndStall(origin, large);
      await expect
        .poll(
          () =>
            stack.logLines.filter((line) => line['requestId'] === 'stalled' && line['status'] === 200).length,
        )
        .toBe(n + 1);
    }
    const refused = await query(large, { token: BAD });
    expect([refused.status, refused.errors?.[0]?.extensions]).toEqual([503, REFUSED]);
    for (const token of [GOOD[0], GOOD[1]]) {
      const { status, body } = await query(reports(18), { token });
      expect([status, body.length > 1_800_000]).toEqual([200, true]);
    }
    const over = (token: string, text: string): Stream =>
      followOver(openSocket(origin, { Authorization: `Bearer ${token}`, 'X-Team-Id': '1' }), text);
    const refusedOverSocket = over(BAD, reports(18));
    await refusedOverSocket.completed;
    expect(refusedOverSocket.events[0]?.errors?.map(({ extensions }) => extensions)).toEqual([REFUSED]);
    const given = over(GOOD[0], reports(18));
    await given.completed;
    expect(given.events[0]?.errors).toBeUndefined();
  });

  async function askAndStall(origin: string, query: string): Promise<Socket> {
    const socket = connect(Number(new URL(origin).port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.pause();
    const body = JSON.stringify({ query });
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${BAD}\r\nX-Team-Id: 1\r\nX-Request-Id: stalled\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    return socket;
  }
});

describe('streams', () => {
  it('of one caller are half of all at most over both transports, refused before a call, and refuse nobody else', async () => {
    const stack = await startNeighbours({ streams: 12 });
    const { origin, id, sandbox } = stack;
    const text = `subscription { backfillUpdated(id: "${id}") { status } }`;
    const client = openSocket(origin, { Authorization: `Bearer ${BAD}`, 'X-Team-Id': '1' });
    const open = async (
      token: string,
    ): Promise<{ readonly events: readonly StreamEvent[]; leave(): void }> => {
      const stream = overSse(origin, text, { token });
      await expect.poll(() => stream.events.length).toBe(1);
      return stream;
    };
    const first = await open(BAD);
    for (let n = 0; n < 2; n++) await open(BAD);
    for (let n = 0; n < 3; n++) {
      const { events } = followOver(client, text);
      await expect.poll(() => events.length).toBe(1);
      expect(events.flatMap(codesOf)).toEqual([]);
    }

    sandbox.calls.reset();
    stack.clock.advance(60_000);
    await expect.poll(() => stack.clock.waiting).toBe(1);
    const calls = sandbox.calls.count();
    const refused = followOver(client, text);
    await expect.poll(() => refused.events.flatMap(codesOf)).toEqual(['UPSTREAM_UNAVAILABLE']);
    const response = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${BAD}`,
        'x-team-id': '1',
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
      body: JSON.stringify({ query: text }),
    });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.text()).toContain('"retryAfterSeconds":1');
    expect(sandbox.calls.count()).toBe(calls);

    first.leave();
    await expect
      .poll(async () => {
        const { events } = followOver(client, text);
        await expect.poll(() => events.length).toBe(1);
        return codesOf(events[0]);
      })
      .toEqual([]);
    for (const token of GOOD) expect((await open(token)).events.flatMap(codesOf)).toEqual([]);
  });
});

describe('WebSockets', () => {
  function open(origin: string, authorization?: string): WebSocket {
    const headers = authorization === undefined ? {} : { authorization: `Bearer ${authorization}` };
    const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws', {
      headers,
    });
    onTestFinished(() => socket.terminate());
    socket.on('error', () => undefined);
    return socket;
  }

  /** What becomes of it: `open`, or why it did not open. */
  async function outcomeOf(socket: WebSocket): Promise<string> {
    return once(socket, 'open').then(
      () => 'open',
      (error: unknown) => String(error),
    );
  }

  /** What `connection_init` of this caller is answered: `connection_ack`, or the code by which the socket is closed. */
  async function begin(socket: WebSocket, token: string): Promise<unknown> {
    const answered = Promise.race([
      once(socket, 'message').then(([data]) => (JSON.parse(String(data)) as { type: string }).type),
      once(socket, 'close').then(([code]) => code as number),
    ]);
    socket.send(JSON.stringify({ type: 'connection_init', payload: { Authorization: `Bearer ${token}` } }));
    return answered;
  }

  it('of one caller are half of all at most, whether he is named by the upgrade or by connection_init', async () => {
    const { origin } = await startNeighbours({ sockets: 12 });
    const sockets = times(3, () => open(origin, BAD));
    expect(await Promise.all(sockets.map(outcomeOf))).toEqual(times(3, () => 'open'));
    for (let n = 0; n < 3; n++) {
      const socket = open(origin);
      expect(await outcomeOf(socket)).toBe('open');
      expect(await begin(socket, BAD)).toBe('connection_ack');
    }
    expect(await outcomeOf(open(origin, BAD))).toContain('503');
    const late = open(origin);
    expect(await outcomeOf(late)).toBe('open');
    expect(await begin(late, BAD)).toBe(1013);

    sockets[0]?.close();
    await expect.poll(() => outcomeOf(open(origin, BAD))).toBe('open');
    const others = [open(origin, GOOD[0]), open(origin)] as const;
    expect(await Promise.all(others.map(outcomeOf))).toEqual(['open', 'open']);
    expect(await begin(others[1], GOOD[1])).toBe('connection_ack');
  });

  it('that name nobody, or an invented token, keep no newcomer out, however long they stay', async () => {
    const { origin, id } = await startNeighbours({ sockets: 16 });
    const text = `subscription { backfillUpdated(id: "${id}") { status } }`;
    const client = openSocket(origin, { Authorization: 'Bearer newcomer', 'X-Team-Id': '1' });
    const stream = followOver(client, text);
    await expect.poll(() => stream.events.length).toBe(1);

    const silent = times(30, () => open(origin));
    expect(await Promise.all(silent.map(outcomeOf))).toEqual(times(30, () => 'open'));
    const invented = times(30, (n) => open(origin, `invented-${n}`));
    expect(await Promise.all(invented.map(outcomeOf))).toContain('open');
    for (const caller of [GOOD[0], 'sandbox-viewer']) {
      const socket = open(origin);
      expect(await outcomeOf(socket)).toBe('open');
      expect(await begin(socket, caller)).toBe('connection_ack');
    }
    const left = [...silent, ...invented].filter(({ readyState }) => readyState === WebSocket.OPEN);
    expect(left.length).toBeLessThanOrEqual(8);
    expect(stream.events.flatMap(codesOf)).toEqual([]);
    await expect(Promise.race([stream.completed, Promise.resolve('goes on')])).resolves.toBe('goes on');
  });
});
