import { context, propagation, ProxyTracer, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { expect, it, onTestFinished, vi } from 'vitest';
import { startStack } from '../harness.ts';
import { eventually } from '../support/traces.ts';
import { nextCallingPoll, overSse, overWebSocket } from '../support/streams.ts';

/** Counts whatever the API makes, by whomever. */
function countMade(): () => number {
  const made = [
    vi.spyOn(ProxyTracer.prototype, 'startSpan'),
    vi.spyOn(trace, 'wrapSpanContext'),
    vi.spyOn(trace, 'setSpan'),
    // Every context is made of another one, and this is the first.
    vi.spyOn(ROOT_CONTEXT, 'setValue'),
    vi.spyOn(ROOT_CONTEXT, 'deleteValue'),
    vi.spyOn(context, 'with'),
    vi.spyOn(context, 'bind'),
    vi.spyOn(propagation, 'extract'),
    vi.spyOn(propagation, 'inject'),
  ];
  return () => made.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
}

async function useAll(): Promise<void> {
  const stack = await startStack();
  const { world, sandbox, clock, origin, query } = stack;
  const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  world.addTransfer('1', '6');
  sandbox.faults.add({ answer: { kind: 'status', status: 503 } });
  await query(`{ backfill(id: "${id}") { id } }`);
  await query(`{ backfill(id: "${id}") { id } }`, { headers: { 'x-explain-cost': '1' } });
  clock.advance(2_001);
  await query('{ incompleteBackfills { items { id } } transfer(id: "7") { latestBackfill { id } } }');
  await query('{ nonsense');
  await query(
    'mutation { createBackfill(input: { transferId: "6", rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-02" }) { id } }',
  );
  const streams = [overSse, overWebSocket].map((subscribe) =>
    subscribe(origin, `subscription { backfillUpdated(id: "${id}") { id status } }`),
  );
  for (const stream of streams) await eventually(() => stream.events).toHaveLength(1);
  world.set(id, { status: 'COMPLETED' });
  await nextCallingPoll(stack).catch(() => undefined);
}

it('without an SDK neither a span nor a context is made, for whatever the gateway does', async () => {
  const made = countMade();
  await useAll();
  expect(made()).toBe(0);
});

it('counts what is made with one', async () => {
  new NodeTracerProvider().register();
  onTestFinished(() => {
    trace.disable();
    context.disable();
    propagation.disable();
  });
  const made = countMade();
  await useAll();
  expect(made()).toBeGreaterThan(20);
});
