import { once } from 'node:events';
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listen } from '../../src/server/listener.ts';
import { createOpenStreams } from '../../src/server/open-streams.ts';
import { createManualClock, startStack } from '../harness.ts';

describe('a listener that drains', () => {
  it('says that it closes with each answer that has not begun, and goes on taking connections', async () => {
    const waiting: ServerResponse[] = [];
    const listener = await listen({ handle: (_request, response) => waiting.push(response) }, 0, '127.0.0.1');
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const ask = (): Promise<IncomingMessage[]> => {
      const asked = request({ port: listener.port, host: '127.0.0.1', agent }).end();
      return once(asked, 'response') as Promise<IncomingMessage[]>;
    };
    const before = ask();
    await expect.poll(() => waiting.length).toBe(1);
    listener.drain();
    const after = ask();
    await expect.poll(() => waiting.length).toBe(2);
    for (const response of waiting) response.end('ok');
    for (const [answer] of [await before, await after]) expect(answer?.headers.connection).toBe('close');
    await listener.close(0);
  });

  it('answers what comes on an idle connection after it has stopped accepting, and ends the others soon', async () => {
    const listener = await listen({ handle: (_request, response) => response.end('ok') }, 0, '127.0.0.1');
    const open = async () => {
      const socket = connect(listener.port, '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'data');
      return socket;
    };
    const [used, idle] = [await open(), await open()];
    const closed = listener.close(2_000);
    used.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await text(used)).toMatch(/^HTTP\/1\.1 200 OK\r\nConnection: close/);
    expect(await text(idle)).toBe('');
    expect(await closed).toBe(true);
  });

  it('answers those who had connected and were not accepted yet when it was told to close', async () => {
    const listener = await listen({ handle: (_request, response) => response.end('ok') }, 0, '127.0.0.1');
    const connected = new Int32Array(new SharedArrayBuffer(4));
    const workerData = { port: listener.port, connected, count: 50 };
    const clients = new Worker(CLIENTS, { eval: true, workerData });
    const outcomes = once(clients, 'message');
    // So nobody is accepted until the last one has connected.
    for (let seen = 0; seen < 50; seen = Atomics.load(connected, 0)) Atomics.wait(connected, 0, seen);
    const closed = listener.close(2_000);
    expect(await outcomes).toEqual([Array.from({ length: 50 }, () => 'HTTP/1.1 200 OK')]);
    expect(await closed).toBe(true);
    const late = connect(listener.port, '127.0.0.1');
    expect(await once(late, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
  });
});

/** Connects, asks on each connection, and posts the first line of each answer, or the error's code. */
const CLIENTS = `
  const { connect } = require('node:net');
  const { parentPort, workerData: { port, connected, count } } = require('node:worker_threads');
  const ask = () => new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
      Atomics.add(connected, 0, 1);
      Atomics.notify(connected, 0);
    });
    socket.on('error', ({ code }) => resolve(code));
    socket.on('data', (data) => resolve(String(data).split('\\r\\n')[0]));
  });
  Promise.all(Array.from({ length: count }, ask)).then((outcomes) => parentPort.postMessage(outcomes));
`;

it('an idle connection is kept for as long as is set', async () => {
  const { origin } = await startStack({ KEEP_ALIVE_TIMEOUT_MS: '7000' });
  expect((await fetch(`${origin}/health`)).headers.get('keep-alive')).toBe('timeout=7');
});

describe('open streams', () => {
  function openMany(count: number, size?: () => number) {
    const clock = createManualClock();
    const streams = createOpenStreams(clock);
    let ended = 0;
    const leave = Array.from({ length: count }, () => streams.add('websocket', () => ended++, size));
    return { clock, streams, leave, ended: () => ended };
  }

  it('end at once up to 200', () => {
    const { clock, streams, ended } = openMany(200);
    streams.endAll(5_000);
    expect([ended(), clock.waiting]).toEqual([200, 0]);
  });

  it('end evenly spread beyond 200, but for those that have left', () => {
    const { clock, streams, ended, leave } = openMany(1_200);
    streams.endAll(5_000);
    expect(ended()).toBe(200);
    const seen = [];
    for (let second = 1; second <= 5; second++) {
      for (let step = 0; step < 20; step++) clock.advance(50);
      seen.push(ended());
      if (second === 3) leave.at(-1)?.();
    }
    expect(seen).toEqual([400, 600, 800, 1_000, 1_199]);
    expect(clock.waiting).toBe(0);
  });

  it('of one socket count one by one', () => {
    const { streams, ended } = openMany(100, () => 50);
    streams.endAll(5_000);
    expect(ended()).toBe(4);
  });

  it('that begin while the others end last long enough for their first state', () => {
    const { clock, streams } = openMany(0);
    streams.endAll(5_000);
    let ended = false;
    streams.add('sse', () => (ended = true));
    expect(ended).toBe(false);
    clock.advance(100);
    expect(ended).toBe(true);
  });
});
