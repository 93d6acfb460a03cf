import { describe, expect, it } from 'vitest';
import { createCircuits } from '../../../src/upstream/transport/circuits.ts';
import { codesOf, createManualClock, type Result, type Stack, startStack } from '../../harness.ts';

const FAILING = '13';

/** A stack with the tokens of these names. Reads of the transfer `FAILING` fail. */
async function stackWith(...tokens: readonly string[]): Promise<Stack> {
  const stack = await startStack();
  for (const token of tokens) stack.world.addToken(token, { teams: 'all', permissions: 'view' });
  stack.sandbox.faults.add({
    when: { id: FAILING },
    times: Infinity,
    answer: { kind: 'status', status: 500 },
  });
  return stack;
}

function read({ query }: Stack, id: string, token: string, team = '1'): Promise<Result> {
  return query(`{ transfer(id: "${id}") { latestBackfill { id } } }`, { token, team });
}

/** The codes of reading `times` transfers one after another. */
async function readMany(stack: Stack, times: number, token: string, team = '1'): Promise<readonly string[]> {
  const codes: string[] = [];
  for (let n = 0; n < times; n++) codes.push(...codesOf(await read(stack, String(500 + n), token, team)));
  return codes;
}

async function failMany(stack: Stack, times: number, token: string): Promise<void> {
  for (let n = 0; n < times; n++) await read(stack, FAILING, token);
}

describe('the circuit', () => {
  it('of a credential that fails refuses nobody else', async () => {
    const stack = await stackWith('bad', 'good');
    await failMany(stack, 40, 'bad');
    expect(stack.sandbox.calls.count()).toBe(10);
    expect(await readMany(stack, 20, 'good')).toEqual([]);
    expect(stack.logLines).toContainEqual(
      expect.objectContaining({
        msg: 'circuit opened',
        concerns: 'one credential and team',
        reason: 'failed',
      }),
    );
  });

  it('of a team that fails refuses no other team of the same credential', async () => {
    const stack = await stackWith('both');
    stack.sandbox.faults.add({
      when: { teamId: '2' },
      times: Infinity,
      answer: { kind: 'status', status: 500 },
    });
    expect(new Set(await readMany(stack, 30, 'both', '2'))).toEqual(
      new Set(['UPSTREAM_ERROR', 'UPSTREAM_UNAVAILABLE']),
    );
    expect(stack.sandbox.calls.count()).toBe(10);
    expect(await readMany(stack, 20, 'both', '1')).toEqual([]);
  });

  it('of a credential stays closed where its calls that fail began before its last good answer, whoever answered before', () => {
    const clock = createManualClock();
    const circuits = createCircuits({ clock, onChange: () => undefined });
    const scopes = ['a', 'b'].map((credentialId) => ({ credentialId, teamId: '1' }));
    const early = scopes.flatMap((scope) => Array.from({ length: 10 }, () => circuits.acquire(scope)));
    clock.advance(1);
    for (const scope of scopes) circuits.acquire(scope).settle('good');
    for (const permit of early) permit.settle('trouble');
    expect(scopes.map((scope) => circuits.isClosed(scope))).toEqual([true, true]);
  });

  it('of all opens when several credentials fail in a row, and spares the others their calls', async () => {
    const stack = await stackWith('a', 'b', 'c', 'd');
    for (const token of ['a', 'b', 'c']) await failMany(stack, 4, token);
    expect(stack.sandbox.calls.count()).toBe(10);
    expect(await readMany(stack, 1, 'd')).toEqual(['UPSTREAM_UNAVAILABLE']);
    expect(stack.sandbox.calls.count()).toBe(10);
  });

  it('is not probed by the one credential that always fails while others want to', async () => {
    const stack = await stackWith('a', 'b', 'c', 'd');
    for (const token of ['a', 'b', 'c']) await failMany(stack, 4, token);
    stack.clock.advance(1_000);
    expect(codesOf(await read(stack, FAILING, 'a'))).toEqual(['UPSTREAM_ERROR']);
    stack.clock.advance(1_000);
    expect(codesOf(await read(stack, FAILING, 'a'))).toEqual(['UPSTREAM_UNAVAILABLE']);
    expect(codesOf(await read(stack, '500', 'd'))).toEqual([]);
    expect(codesOf(await read(stack, '501', 'b'))).toEqual([]);
  });
});

describe('the calls of an operation', () => {
  const EXPLAIN = { 'x-explain-cost': '1' };
  const TEXT = '{ transfer(id: "5") { latestBackfill { id } } }';
  const callsIn = ({ body }: Result): unknown =>
    (JSON.parse(body) as { extensions: { upstream: { calls: number } } }).extensions.upstream.calls;
  const metrics = async ({ origin }: Stack): Promise<string> => (await fetch(`${origin}/metrics`)).text();
  const counted = (outcome: string, count: number): string =>
    `upstream_call_duration_seconds_count{operation="getLatestBackfill",outcome="${outcome}"} ${count}`;

  it('are none while the circuit is open', async () => {
    const stack = await stackWith();
    await failMany(stack, 10, 'sandbox-full');
    const refused = await stack.query(TEXT, { headers: EXPLAIN });
    expect(codesOf(refused)).toEqual(['UPSTREAM_UNAVAILABLE']);
    expect(callsIn(refused)).toBe(0);
    expect(stack.logLines.at(-1)).toMatchObject({ msg: 'request', upstreamCalls: 0 });
    expect(await metrics(stack)).not.toMatch(/_count\{[^}]*outcome="unavailable"\} [1-9]/);
  });

  it('include retries', async () => {
    const stack = await startStack();
    stack.sandbox.faults.add({ answer: { kind: 'status', status: 503 } });
    expect(callsIn(await stack.query(TEXT, { headers: EXPLAIN }))).toBe(2);
    expect(stack.logLines.at(-1)).toMatchObject({ msg: 'request', upstreamCalls: 2 });
    const text = await metrics(stack);
    expect(text).toContain(counted('unavailable', 1));
    // The answer was a 404.
    expect(text).toContain(counted('notFound', 1));
  });

  it('include a second try beside a slow first one', async () => {
    const stack = await startStack({ UPSTREAM_TIMEOUT_MS: '1000' });
    stack.sandbox.faults.add({ answer: { kind: 'hang' } });
    expect(callsIn(await stack.query(TEXT, { headers: EXPLAIN }))).toBe(2);
    expect(stack.logLines.at(-1)).toMatchObject({ msg: 'request', upstreamCalls: 2 });
    expect(await metrics(stack)).toContain(counted('abandoned', 1));
  });
});

describe('a list that gets no slot', () => {
  it('is not given up, is not replaced by other calls and opens no circuit', async () => {
    const stack = await startStack({ UPSTREAM_MAX_CONCURRENCY: '1', UPSTREAM_TIMEOUT_MS: '600' });
    const { world, sandbox, clock, logLines } = stack;
    const tokens = ['a', 'b', 'c'];
    for (const token of tokens) world.addToken(token, { teams: 'all', permissions: 'view' });
    const ids = ['5', '6'].map((transferId) => world.addBackfill({ transferId, status: 'RUNNING' }));
    const page = (token: string): Promise<Result> =>
      stack.query(`{ ${ids.map((id, n) => `b${n}: backfill(id: "${id}") { isStale }`).join(' ')} }`, {
        token,
      });
    for (const token of tokens) await page(token);
    clock.advance(2_001);
    const when = { operation: 'listIncompleteBackfills' } as const;
    sandbox.faults.add({ when, times: 2, answer: { kind: 'hang' } });
    sandbox.calls.reset();

    const first = page('a');
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    // The list that waits second has no time left when the other one has hung for its whole deadline.
    const all = await Promise.all([first, page('b'), page('c')]);
    expect(all.flatMap(codesOf)).toEqual([]);
    expect(sandbox.calls.count('listIncompleteBackfills')).toBe(2);
    expect(new Set(sandbox.calls.all.map(({ authorization }) => authorization)).size).toBe(2);
    const linesOf = (text: string): number =>
      logLines.filter(({ msg }) => typeof msg === 'string' && msg.startsWith(text)).length;
    expect(linesOf('team list not used')).toBe(2);
    expect(linesOf('circuit')).toBe(0);

    clock.advance(2_001);
    sandbox.calls.reset();
    await page('b');
    await page('c');
    expect(sandbox.calls.count('listIncompleteBackfills')).toBe(1);
  });
});
