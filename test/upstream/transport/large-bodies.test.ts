import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createHttpClient, type HttpExchange } from '../../../src/upstream/transport/http.ts';
import { listenOn } from '../../support/http-upstream.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

interface Upstream {
  begin(partition: string, path: string, timeoutMs?: number): HttpExchange;
  /** Sends the rest of the body that was announced with this name. */
  finish(name: string): void;
  /** Waits until the first half of each of these bodies was sent. */
  halved(...names: readonly string[]): Promise<void>;
}

/** Answers `/whole/…` at once, and `/half/…` with half of a body of 1 MiB until `finish`; room for 2 MiB of them. */
async function startUpstream(): Promise<Upstream> {
  const halves = new Map<string, ServerResponse>();
  const upstream = await listenOn({}, (response, _nth, { url = '' }) => {
    const [, kind = '', name = ''] = url.split('/');
    if (kind === 'small') response.end(Buffer.alloc(256 * KIB, ' '));
    else if (kind === 'gzip') {
      response.setHeader('content-encoding', 'gzip').end(gzipSync(Buffer.alloc(MIB, ' ')));
    } else if (kind === 'chunked') response.write(Buffer.alloc(MIB, ' '), () => response.end());
    else {
      response.setHeader('content-length', MIB);
      response.write(Buffer.alloc(MIB / 2, ' '), () => halves.set(name, response));
      if (kind === 'whole') response.end(Buffer.alloc(MIB / 2, ' '));
    }
  });
  const http = createHttpClient({
    baseUrl: new URL(`http://127.0.0.1:${upstream.port}`),
    maxConnections: 20,
    connectTimeoutMs: 5_000,
    maxLargeBytes: 2 * MIB,
  });
  onTestFinished(() => http.close());
  return {
    begin: (partition, path, timeoutMs = 10_000) =>
      http.begin(path, {}, timeoutMs, { partition, maxBytes: MIB }),
    finish: (name) => void halves.get(name)?.end(Buffer.alloc(MIB / 2, ' ')),
    halved: (...names) => expect.poll(() => names.every((name) => halves.has(name))).toBe(true),
  };
}

async function lengthOf({ response }: HttpExchange): Promise<number> {
  return (await response).text.length;
}

/** Reads a small body, after which what was sent before it has arrived too. */
async function settle({ begin }: Upstream, partition: string): Promise<void> {
  for (let n = 0; n < 3; n++) expect(await lengthOf(begin(partition, '/small'))).toBe(256 * KIB);
}

describe('the room for large bodies', () => {
  it('is not needed for small ones, whoever fills it', async () => {
    const upstream = await startUpstream();
    const greedy = ['a', 'b'].map((name) => upstream.begin('greedy', `/half/${name}`));
    await upstream.halved('a', 'b');
    await settle(upstream, 'greedy');
    await settle(upstream, 'modest');
    for (const name of ['a', 'b']) upstream.finish(name);
    expect(await Promise.all(greedy.map(lengthOf))).toEqual([MIB, MIB]);
  });

  it('lets one who alone fills it wait, and loses nothing', async () => {
    const upstream = await startUpstream();
    const all = ['a', 'b', 'c', 'd', 'e'].map((name) => upstream.begin('greedy', `/half/${name}`));
    await upstream.halved('a', 'b', 'c', 'd', 'e');
    await settle(upstream, 'greedy');
    for (const name of ['e', 'd', 'c', 'b', 'a']) upstream.finish(name);
    expect(await Promise.all(all.map(lengthOf))).toEqual([MIB, MIB, MIB, MIB, MIB]);
  });

  it.each(['whole', 'chunked', 'gzip'])('is taken from who fills it for another: %s', async (kind) => {
    const upstream = await startUpstream();
    const [first, second] = ['a', 'b'].map((name) => upstream.begin('greedy', `/half/${name}`));
    if (first === undefined || second === undefined) throw new Error('there are two');
    const lost = expect(second.response).rejects.toMatchObject({ kind: 'unavailable' });
    await upstream.halved('a', 'b');
    await settle(upstream, 'greedy');
    expect(await lengthOf(upstream.begin('modest', `/${kind}/c`))).toBe(MIB);
    await lost;
    upstream.finish('a');
    expect(await lengthOf(first)).toBe(MIB);
  });

  it('is shared: who holds as much as others do loses nothing, and the next waits', async () => {
    const upstream = await startUpstream();
    const one = upstream.begin('one', '/half/a');
    const other = upstream.begin('other', '/half/b');
    await upstream.halved('a', 'b');
    await settle(upstream, 'one');
    const third = upstream.begin('third', '/whole/c');
    await settle(upstream, 'third');
    upstream.finish('a');
    expect(await Promise.all([one, third].map(lengthOf))).toEqual([MIB, MIB]);
    upstream.finish('b');
    expect(await lengthOf(other)).toBe(MIB);
  });

  it('goes to who holds least first', async () => {
    const upstream = await startUpstream();
    const first = upstream.begin('much', '/half/a');
    const other = upstream.begin('other', '/half/b');
    await upstream.halved('a', 'b');
    await settle(upstream, 'much');
    const second = upstream.begin('much', '/half/c');
    await upstream.halved('c');
    await settle(upstream, 'much');
    const third = upstream.begin('third', '/half/d');
    await upstream.halved('d');
    await settle(upstream, 'third');
    upstream.finish('b');
    expect(await lengthOf(other)).toBe(MIB);
    upstream.finish('d');
    expect(await lengthOf(third)).toBe(MIB);
    for (const name of ['a', 'c']) upstream.finish(name);
    expect(await Promise.all([first, second].map(lengthOf))).toEqual([MIB, MIB]);
  });

  it('is given back by who runs out of time, also while it waits', async () => {
    const upstream = await startUpstream();
    const slow = ['a', 'b', 'c'].map((name) => upstream.begin('slow', `/half/${name}`, 400));
    await Promise.all(
      slow.map(({ response }) => expect(response).rejects.toMatchObject({ kind: 'timeout' })),
    );
    expect(
      await Promise.all(['d', 'e'].map((name) => lengthOf(upstream.begin('slow', `/whole/${name}`)))),
    ).toEqual([MIB, MIB]);
  });
});
