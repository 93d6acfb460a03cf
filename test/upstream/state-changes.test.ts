import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { envelope } from '../../src/sandbox/faults.ts';
import { type Stack, startStack, TOKEN } from '../harness.ts';
import { freePort } from '../support/free-port.ts';
import { overSse } from '../support/streams.ts';

const latest = (id: string): string => `{ transfer(id: "${id}") { latestBackfill { id } } }`;

/** The warnings so far, without the time, beside those of other kinds. */
function warnings({ logLines }: Stack, ...kinds: readonly string[]): readonly unknown[] {
  return logLines
    .filter(({ level, msg }) => level === 'warn' && kinds.includes(String(msg)))
    .map((line) =>
      Object.fromEntries(Object.entries(line).filter(([key]) => key !== 'time' && key !== 'level')),
    );
}

function closed(server: { close(): unknown }): void {
  onTestFinished(() => void server.close());
}

describe('the log warns once', () => {
  it('when the upstream cannot be reached, with the cause, and when it can again', async () => {
    const free = createServer((_request, response) => void response.writeHead(404).end());
    const port = await freePort();
    const stack = await startStack({ SUPERMETRICS_API_URL: `http://127.0.0.1:${port}/v1` });
    for (const id of ['1', '2', '3']) await stack.query(latest(id));
    const unreachable = { msg: 'upstream unreachable', reason: 'unavailable', cause: 'ECONNREFUSED' };
    expect(warnings(stack, 'upstream unreachable', 'upstream reachable again')).toEqual([unreachable]);

    await new Promise<void>((resolve) => free.listen(port, '127.0.0.1', resolve));
    closed(free);
    for (const id of ['4', '5']) await stack.query(latest(id));
    expect(warnings(stack, 'upstream unreachable', 'upstream reachable again')).toEqual([
      unreachable,
      { msg: 'upstream reachable again' },
    ]);
  });

  it('when the name of the upstream is not found', async () => {
    const stack = await startStack({ SUPERMETRICS_API_URL: 'http://upstream.invalid/v1' });
    for (const id of ['1', '2']) await stack.query(latest(id));
    expect(warnings(stack, 'upstream unreachable')).toEqual([
      {
        msg: 'upstream unreachable',
        reason: 'unavailable',
        cause: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) as unknown,
      },
    ]);
    expect(JSON.stringify(stack.logLines.filter(({ msg }) => msg !== 'listening'))).not.toContain(
      'upstream.invalid',
    );
  });

  it('when the upstream speaks no TLS', async () => {
    const plain = createServer((_request, response) => void response.end());
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    closed(plain);
    const { port } = plain.address() as AddressInfo;
    const stack = await startStack({ SUPERMETRICS_API_URL: `https://127.0.0.1:${port}/v1` });
    for (const id of ['1', '2']) await stack.query(latest(id));
    expect(warnings(stack, 'upstream unreachable')).toEqual([
      {
        msg: 'upstream unreachable',
        reason: 'unavailable',
        cause: expect.stringMatching(/^ERR_SSL_/) as unknown,
      },
    ]);
  });

  it('when a circuit opens and closes', async () => {
    const stack = await startStack();
    const restore = stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 500 } });
    for (let n = 0; n < 15; n++) await stack.query(latest(String(n + 1)));
    restore();
    stack.clock.advance(1_000);
    for (const id of ['100', '101']) await stack.query(latest(id));
    const concerns = 'one credential and team';
    expect(warnings(stack, 'circuit opened', 'circuit closed')).toEqual([
      { msg: 'circuit opened', concerns, reason: 'failed' },
      { msg: 'circuit closed', concerns },
    ]);
  });

  it('when the gate of a credential closes, with the seconds', async () => {
    const stack = await startStack();
    stack.sandbox.faults.add({
      times: 2,
      answer: { kind: 'status', status: 429, headers: { 'retry-after': '90' } },
    });
    await Promise.all([stack.query(latest('1')), stack.query(latest('2'))]);
    await stack.query(latest('3'));
    expect(warnings(stack, 'retry-after gate closed')).toEqual([
      { msg: 'retry-after gate closed', seconds: 90 },
    ]);
  });

  it('when the level of a quota changes', async () => {
    const stack = await startStack();
    const tell = async (id: string, remaining: number): Promise<void> => {
      const headers = { 'x-ratelimit-limit': '5000', 'x-ratelimit-remaining': String(remaining) };
      const body = envelope('NOT_FOUND', 'No');
      stack.sandbox.faults.add({ when: { id }, answer: { kind: 'status', status: 404, headers, body } });
      await stack.query(latest(id));
    };
    await tell('1', 100);
    for (const id of ['2', '3']) await stack.query(latest(id));
    await tell('4', 4_999);
    for (const id of ['5', '6']) await stack.query(latest(id));
    expect(warnings(stack, 'quota level changed')).toEqual([
      { msg: 'quota level changed', from: 'plenty', to: 'nearly_out' },
      { msg: 'quota level changed', from: 'nearly_out', to: 'plenty' },
    ]);
  });

  it('when streams are told that their state is stale, and when it no longer is', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const text = `subscription { backfillUpdated(id: "${id}") { isStale } }`;
    const streams = [overSse(stack.origin, text), overSse(stack.origin, text)];
    const haveAll = async (events: number): Promise<void> => {
      await expect.poll(() => streams.every((stream) => stream.events.length === events)).toBe(true);
      await expect.poll(() => stack.clock.waiting).toBe(1);
    };
    await haveAll(1);
    const restore = stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 500 } });
    stack.clock.advance(2_000);
    await haveAll(2);
    stack.clock.advance(2_000);
    await expect.poll(() => stack.sandbox.calls.count()).toBe(3);
    await expect.poll(() => stack.clock.waiting).toBe(1);
    const told = ['streams told stale', 'streams told fresh again'];
    expect(warnings(stack, ...told)).toHaveLength(1);
    restore();
    stack.clock.advance(2_000);
    await haveAll(3);
    expect(warnings(stack, ...told)).toEqual(told.map((msg) => ({ msg })));
    // A refusal ends streams. It makes none stale.
    stack.sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 401 } });
    stack.clock.advance(2_000);
    await Promise.all(streams.map(({ completed }) => completed.catch(() => undefined)));
    expect(warnings(stack, ...told)).toHaveLength(2);
    expect(JSON.stringify(warnings(stack, ...told))).not.toContain(TOKEN);
  });
});
