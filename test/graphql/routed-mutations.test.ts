import { describe, expect, it } from 'vitest';
import { codesOf } from '../harness.ts';
import { startApolloGateway, startHiveGatewayWithRetries } from '../support/routers.ts';
import { startSupergraph, type Supergraph } from '../support/supergraph.ts';

const createFrom = (date: string): string =>
  `mutation { createBackfill(input: { transferId: "5", rangeStartDate: "${date}", rangeEndDate: "2026-01-31" }) {
    id status transfer { id name latestBackfill { id } } } }`;
const cancel = (id: string): string => `mutation { cancelBackfill(id: "${id}") { id status } }`;

describe.each([
  ['Hive Gateway, which retries all else', startHiveGatewayWithRetries],
  ['Apollo Gateway', startApolloGateway],
])('a mutation through %s', (_name, start) => {
  async function withTransfer(): Promise<Supergraph> {
    const graph = await startSupergraph(start, [{ id: '5', teamId: '1', name: 'Five' }]);
    graph.stack.world.addTransfer('1', '5');
    return graph;
  }

  it('creates and cancels, with the fields of others in its answer', async () => {
    const { stack, query } = await withTransfer();
    const { data, errors } = await query(createFrom('2026-01-01'));
    expect(errors).toBeUndefined();
    const { id } = (data as { createBackfill: { id: string } }).createBackfill;
    expect(data).toEqual({
      createBackfill: {
        id,
        status: 'CREATED',
        transfer: { id: '5', name: 'Five', latestBackfill: { id } },
      },
    });
    expect((await query(cancel(id))).data).toEqual({ cancelBackfill: { id, status: 'CANCELLED' } });
    expect(stack.sandbox.calls.count('createBackfill')).toBe(1);
    expect(stack.sandbox.calls.count('updateBackfillStatus')).toBe(1);
  });

  it('is sent once where its outcome is unknown or the REST API is busy, and its code gets through', async () => {
    const { stack, query } = await withTransfer();
    for (const [status, code] of [
      [503, 'OUTCOME_UNKNOWN'],
      [429, 'RATE_LIMITED'],
    ] as const) {
      stack.sandbox.faults.add({ answer: { kind: 'status', status } });
      const result = await query(createFrom('2026-01-02'));
      expect(codesOf(result)).toEqual([code]);
      expect(result.data).toEqual({ createBackfill: null });
    }
    expect(stack.sandbox.calls.count('createBackfill')).toBe(2);
  });
});
