import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Handlers, listen } from '../../src/server/listener.ts';
import { startStack } from '../harness.ts';
import { overSse } from '../support/streams.ts';

const LIMITS = { stalledAnswerTimeout: 200 };
const MIB = 1024 * 1024;
const REQUEST = 'GET /graphql HTTP/1.1\r\nHost: x\r\n\r\n';

async function startListener(handlers: Handlers): Promise<number> {
  const listener = await listen(handlers, 0, '127.0.0.1', LIMITS);
  onTestFinished(async () => {
    await listener.close(0);
  });
  return listener.port;
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

describe('a client that does not read', () => {
  it.each([
    ['an answer in one piece', (response: ServerResponse) => response.end('x'.repeat(32 * MIB))],
    [
      'a stream of events',
      (response: ServerResponse) => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        // As yoga does for streams, so that Node's own time limits do not end them.
        response.socket?.setTimeout(0);
        for (let n = 0; n < 32; n++) response.write('x'.repeat(MIB));
      },
    ],
  ])('is cut off from %s', async (_name, answer) => {
    const closed: Promise<unknown>[] = [];
    const port = await startListener({
      handle(_request, response) {
        closed.push(once(response, 'close'));
        answer(response);
      },
    });
    const sockets = await Promise.all([1, 2, 3].map(() => open(port)));
    for (const socket of sockets) socket.pause().write(REQUEST);
    await expect.poll(() => closed.length).toBe(3);
    await Promise.all(closed);
  });

  it('is cut off from a WebSocket', async () => {
    const closed = new Promise<void>((resolve, reject) => {
      startListener({
        handle: (_request, response) => response.end(),
        upgrade(_request, socket) {
          socket.once('close', () => resolve());
          socket.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n${'x'.repeat(32 * MIB)}`);
        },
      })
        .then(async (port) => {
          const socket = await open(port);
          socket
            .pause()
            .write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
        })
        .catch(reject);
    });
    await closed;
  });

  it('is cut off although it keeps sending requests', async () => {
    const closed: Promise<unknown>[] = [];
    const port = await startListener({
      handle(_request, response) {
        closed.push(once(response, 'close'));
        response.end('x'.repeat(32 * MIB));
      },
    });
    const socket = await open(port);
    socket.pause().write(REQUEST);
    const sending = setInterval(() => socket.write('GET'), 20);
    onTestFinished(() => clearInterval(sending));
    await expect.poll(() => closed.length).toBe(1);
    await closed[0];
  });
});

describe('a client that reads slowly', () => {
  it('gets the whole of an answer in one piece, however long that takes', async () => {
    const size = 32 * MIB;
    const port = await startListener({ handle: (_request, response) => response.end('x'.repeat(size)) });
    const socket = await open(port);
    socket.pause().write(REQUEST);
    let read = 0;
    let until = 0;
    socket.on('data', (chunk: Buffer) => {
      read += chunk.length;
      if (read >= until) socket.pause();
    });
    const startedAt = performance.now();
    // A piece at a time, so that the last comes long after the limit.
    const reading = setInterval(() => {
      until = read + 2 * MIB;
      socket.resume();
    }, 50);
    onTestFinished(() => clearInterval(reading));
    await expect.poll(() => read, { timeout: 10_000 }).toBeGreaterThan(size);
    expect(performance.now() - startedAt).toBeGreaterThan(2 * LIMITS.stalledAnswerTimeout);
  });
});

describe('a stream with nothing to send', () => {
  it('is never cut off', async () => {
    const stack = await startStack({}, { listener: { stalledAnswerTimeout: 20 } });
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const stream = overSse(stack.origin, `subscription { backfillUpdated(id: "${id}") { status } }`);
    await expect.poll(() => stream.events.length).toBe(1);
    // Requests that take many times the limit together.
    const startedAt = performance.now();
    while (performance.now() - startedAt < 200) await stack.query('{ transfer(id: 6) { id } }');
    stack.world.set(id, { status: 'COMPLETED' });
    await expect.poll(() => stack.clock.waiting).toBe(1);
    stack.clock.advance(2_000);
    await stream.completed;
    expect(stream.events).toHaveLength(2);
  });
});
