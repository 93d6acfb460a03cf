import { once } from 'node:events';
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
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
});

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
