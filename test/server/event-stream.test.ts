import { describe, expect, it, onTestFinished } from 'vitest';
import { createLatch, startStack, type Stack, TEAM, TOKEN } from '../harness.ts';

function ask({ origin }: Stack, id: string, signal: AbortSignal): Promise<Response> {
  return fetch(`${origin}/graphql`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${TOKEN}`,
      'x-team-id': TEAM,
      'content-type': 'application/json',
      accept: 'text/event-stream',
    },
    body: JSON.stringify({ query: `subscription { backfillUpdated(id: "${id}") { status } }` }),
    signal,
  });
}

/** An open stream, and the text of its body as far as it has come. */
async function follow(stack: Stack, id: string) {
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const response = await ask(stack, id, leaving.signal);
  const body = { text: '', isOver: false, headers: response.headers };
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const piece of response.body ?? []) body.text += decoder.decode(piece);
    body.isOver = true;
  };
  read().catch(() => undefined);
  return body;
}

const next = (status: string): string =>
  `event: next\ndata: {"data":{"backfillUpdated":{"status":"${status}"}}}\n\n`;

describe('a stream of events', () => {
  it('begins with a comment, and ends with the event that says so', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const body = await follow(stack, id);
    await expect.poll(() => body.text).toBe(`:\n\n${next('RUNNING')}`);
    stack.world.set(id, { status: 'COMPLETED' });
    await expect.poll(() => stack.clock.waiting).toBe(1);
    stack.clock.advance(2_000);
    await expect.poll(() => body.isOver).toBe(true);
    expect(body.text).toBe(`:\n\n${next('RUNNING')}${next('COMPLETED')}event: complete\ndata:\n\n`);
    expect(Object.fromEntries(body.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      connection: 'keep-alive',
    });
  });

  it('says something from time to time while nothing changes, so that no balancer closes its connection', async () => {
    const stack = await startStack({}, { beatMs: 20 });
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const body = await follow(stack, id);
    await expect.poll(() => body.text).toContain(`:\n\n${next('RUNNING')}:\n\n:\n\n`);
    stack.world.set(id, { status: 'FAILED' });
    await expect.poll(() => stack.clock.waiting).toBe(1);
    stack.clock.advance(2_000);
    await expect.poll(() => body.isOver).toBe(true);
    expect(body.text).toMatch(/event: complete\ndata:\n\n$/);
  });

  it('is not begun for a client who left while the first state was read', async () => {
    const stack = await startStack({ STALE_AFTER_MS: '0' });
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const { opened, open } = createLatch();
    stack.sandbox.faults.add({ answer: { kind: 'hold', until: opened } });
    const leaving = new AbortController();
    const asking = ask(stack, id, leaving.signal);
    await expect.poll(() => stack.sandbox.calls.inFlight).toBe(1);
    leaving.abort();
    await expect(asking).rejects.toThrow();
    open();
    await expect.poll(() => stack.logLines).toContainEqual(expect.objectContaining({ reason: 'left' }));
    const metrics = await (await fetch(`${stack.origin}/metrics`)).text();
    expect(metrics).toContain('backfill_gateway_subscriptions_open{transport="sse"} 0');
    expect(stack.clock.waiting).toBe(0);
  });
});
