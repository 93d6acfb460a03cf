import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import { expect, it } from 'vitest';
import { HIVE_GATEWAY } from '../support/routers.ts';
import { startSupergraph } from '../support/supergraph.ts';
import { eventually, startSdk } from '../support/traces.ts';

const traces = startSdk();

/** The span and all above it, the lowest first. */
function lineOf(span: ReadableSpan | undefined): readonly ReadableSpan[] {
  if (span === undefined) return [];
  const parent = traces.spans.find((each) => each.spanContext().spanId === span.parentSpanContext?.spanId);
  return [span, ...lineOf(parent)];
}

it('a federated operation is one trace, from its client through the router to the REST API', async () => {
  const transfers = ['5', '6'].map((id) => ({ id, teamId: '1', name: `Transfer ${id}` }));
  const { stack, origin, query } = await startSupergraph(HIVE_GATEWAY.start, transfers);
  for (const { id } of transfers) stack.world.addBackfill({ transferId: id, status: 'RUNNING' });
  traces.reset();
  const { errors } = await query('{ transfersOfTeam(teamId: "1") { name latestBackfill { status } } }');
  expect(errors).toBeUndefined();
  await eventually(() => traces.spans.at(-1)?.parentSpanContext).toBeUndefined();

  const ids = new Set(traces.spans.map((span) => span.spanContext().traceId));
  expect(ids.size).toBe(1);
  const [operation] = traces.ours('query');
  const router = traces.spans.find(
    ({ attributes }) =>
      attributes['http.url'] === `${origin}/graphql` || attributes['url.full'] === `${origin}/graphql`,
  );
  expect(lineOf(operation)).toContain(router);
  expect(traces.ours('getLatestBackfill')).toHaveLength(2);
  for (const call of traces.ours('getLatestBackfill')) expect(lineOf(call)).toContain(operation);
});
