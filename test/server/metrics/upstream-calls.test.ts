import { describe, expect, it } from 'vitest';
import { type Stack, startStack } from '../../harness.ts';
import { scrape } from '../../support/series.ts';
import { nextPoll, overSse } from '../../support/streams.ts';

const LIST = '{ incompleteBackfills { items { id } } }';
const byId = (id: string): string => `{ backfill(id: "${id}") { id } }`;

async function causesAt({ origin, sandbox }: Stack): Promise<Readonly<Record<string, number>>> {
  const scraped = await scrape(origin);
  // Every exchange is among them, and no other.
  expect(scraped.sum('upstream_calls_total')).toBe(sandbox.calls.count());
  expect(scraped.sum('upstream_call_duration_seconds_count')).toBe(sandbox.calls.count());
  return scraped.counted('upstream_calls_total');
}

describe('upstream_calls_total', () => {
  it('says which exchanges were made for a read, a list, a write, and which only repeated another', async () => {
    const stack = await startStack();
    const { world, sandbox, query } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    sandbox.faults.add({ answer: { kind: 'status', status: 502 } });
    sandbox.faults.add({ answer: { kind: 'reset', at: 'before-headers' } });
    expect((await query(byId(id))).errors).toBeUndefined();
    expect(await causesAt(stack)).toEqual({ read: 1, retry: 2 });
    stack.clock.advance(1_000);
    await query(LIST);
    const { errors } = await query(`mutation { cancelBackfill(id: "${id}") { status } }`);
    expect(errors).toBeUndefined();
    expect(await causesAt(stack)).toEqual({ read: 1, retry: 2, list: 1, write: 1 });
  });

  it('tells the polls of streams from the read with which a stream begins', async () => {
    const stack = await startStack();
    const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
    overSse(stack.origin, `subscription { backfillUpdated(id: "${id}") { status } }`);
    await nextPoll(stack);
    await nextPoll(stack);
    expect(await causesAt(stack)).toEqual({ read: 1, poll: 2 });
  });

  it.each([
    ['resource', (id: string) => byId(id), { read: 1, refresh: 1 }],
    ['list', () => LIST, { list: 1, refresh: 1 }],
  ] as const)('tells the refresh of a %s ahead of the end of its lifetime', async (_name, text, causes) => {
    const stack = await startStack();
    const { world, sandbox, clock, query } = stack;
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    // A crowd, whose last ask comes just before the lifetime ends.
    for (let n = 0; n < 80; n++) {
      await query(text(id));
      clock.advance(25);
    }
    await expect.poll(() => sandbox.calls.count()).toBe(2);
    await expect.poll(() => sandbox.calls.inFlight).toBe(0);
    await query('{ __typename }');
    expect(await causesAt(stack)).toEqual(causes);
  });
});
