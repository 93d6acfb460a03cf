import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { type FaultAnswer, envelope } from '../../../src/sandbox/faults.ts';
import { UpstreamError } from '../../../src/upstream/errors.ts';
import type { HttpResponse } from '../../../src/upstream/transport/http.ts';
import { createGovernor } from '../../../src/upstream/quota/governor.ts';
import type { UpstreamRequest } from '../../../src/upstream/transport/request.ts';
import {
  createResilientHttp,
  type ResilienceOptions,
  type ResilientHttp,
} from '../../../src/upstream/transport/resilience.ts';
import { codesOf, createLatch, type Result, type Stack, startStack } from '../../harness.ts';

const latest = (transferId: string): string => `{ transfer(id: "${transferId}") { latestBackfill { id } } }`;

/** Reads `count` different transfers one after another. */
async function readMany({ query }: Stack, count: number, firstId: number): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (let n = 0; n < count; n++) results.push(await query(latest(String(firstId + n))));
  return results;
}

/** The wait before the first retry, as `random` below makes it. */
const DELAY_MS = 20;

/** Runs on fake time. `attempt` decides how each attempt ends within its time. */
function resilientOver(
  attempt: (timeoutMs: number, path: string) => Promise<HttpResponse>,
  limits: Pick<ResilienceOptions, 'timeoutMs' | 'maxConcurrency' | 'onRefused'>,
  onAbort: (path: string) => void = () => undefined,
): ResilientHttp {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  return createResilientHttp({
    http: {
      begin: (path, _headers, timeoutMs) => ({
        response: attempt(timeoutMs, path),
        shortenDeadline: () => undefined,
        abort: () => onAbort(path),
      }),
      close: () => Promise.resolve(),
    },
    clock: systemClock,
    counter: createGovernor(systemClock, { finalTtlMs: 60_000, hourlyQuota: 5_000, replicas: 1 }),
    onCircuit: () => undefined,
    random: () => DELAY_MS / 50,
    ...limits,
  });
}

const answerAfter = (ms: number): Promise<HttpResponse> =>
  new Promise((resolve) => setTimeout(() => resolve({ status: 200, headers: {}, text: '' }), ms));
const lateAfter = (ms: number): Promise<never> =>
  new Promise((_resolve, reject) => setTimeout(() => reject(new UpstreamError('timeout', 'late')), ms));

/** The status of the HTTP response or the kind of the error, and the milliseconds until then. */
async function ended(call: Promise<HttpResponse>): Promise<readonly [number | string, number]> {
  const startedAt = Date.now();
  const outcome = await call.then(
    ({ status }) => status,
    (error: unknown) => (error instanceof UpstreamError ? error.kind : String(error)),
  );
  return [outcome, Date.now() - startedAt];
}

/** Asks on behalf of credentials, and counts the exchanges that begin for each. */
function countingExchanges(resilient: ResilientHttp) {
  const began = new Map<string, number>();
  const ask = (credentialId: string): ReturnType<typeof ended> =>
    ended(
      resilient.get({
        ...REQUEST,
        credentialId,
        exchanges: {
          began: () => void began.set(credentialId, (began.get(credentialId) ?? 0) + 1),
          spent: () => undefined,
        },
      }),
    );
  return { ask, began };
}

const REQUEST: UpstreamRequest = {
  credentialId: 'a',
  teamId: '1',
  isAccepted: true,
  path: '/',
  headers: {},
  maxBytes: 1_000,
  timeoutMs: Infinity,
  isList: false,
  exchanges: { began: () => undefined, spent: () => undefined },
};

describe('a retry', () => {
  it.each<{ readonly name: string; readonly answer: FaultAnswer }>([
    { name: 'a connection that was reset', answer: { kind: 'reset', at: 'before-headers' } },
    { name: 'a 502', answer: { kind: 'status', status: 502 } },
    { name: 'a 503', answer: { kind: 'status', status: 503 } },
    { name: 'a 504', answer: { kind: 'status', status: 504 } },
    { name: 'a connection that hangs', answer: { kind: 'hang' } },
  ])('makes up for $name', async ({ answer }) => {
    const { sandbox, query } = await startStack({ UPSTREAM_TIMEOUT_MS: '1000' });
    sandbox.faults.add({ answer });
    expect((await query(latest('5'))).errors).toBeUndefined();
    expect(sandbox.calls.count()).toBe(2);
  });

  it.each<{ readonly name: string; readonly answer: FaultAnswer; readonly code: string }>([
    { name: 'a 500', answer: { kind: 'status', status: 500 }, code: 'UPSTREAM_ERROR' },
    { name: 'a 429', answer: { kind: 'status', status: 429 }, code: 'RATE_LIMITED' },
    { name: 'a 400', answer: { kind: 'status', status: 400 }, code: 'BAD_USER_INPUT' },
    {
      name: 'a 503 with Retry-After',
      answer: { kind: 'status', status: 503, headers: { 'retry-after': '9' } },
      code: 'UPSTREAM_UNAVAILABLE',
    },
    {
      name: 'a body that is not JSON',
      answer: { kind: 'raw', bytes: '{' },
      code: 'UPSTREAM_INVALID_RESPONSE',
    },
  ])('is not made for $name', async ({ answer, code }) => {
    const { sandbox, query } = await startStack();
    sandbox.faults.add({ answer });
    expect(codesOf(await query(latest('5')))).toEqual([code]);
    expect(sandbox.calls.count()).toBe(1);
  });

  it('is made beside a try that takes unusually long, and the first answer wins', async () => {
    const begun: number[] = [];
    const answers = [lateAfter, () => answerAfter(100)];
    const resilient = resilientOver(
      (timeoutMs) => {
        begun.push(timeoutMs);
        return answers.shift()?.(timeoutMs) ?? answerAfter(0);
      },
      { timeoutMs: 1_000, maxConcurrency: 2 },
    );
    const outcome = ended(resilient.get(REQUEST));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await outcome).toEqual([200, 600]);
    expect(begun).toEqual([1_000, 500]);
  });

  it('is begun sooner where the upstream usually answers sooner', async () => {
    let answer = (): Promise<HttpResponse> => answerAfter(20);
    const resilient = resilientOver(() => answer(), { timeoutMs: 10_000, maxConcurrency: 64 });
    const usual = Array.from({ length: 20 }, () => ended(resilient.get(REQUEST)));
    await vi.advanceTimersByTimeAsync(20);
    await Promise.all(usual);
    answer = () => {
      answer = () => answerAfter(20);
      return lateAfter(10_000);
    };
    const outcome = ended(resilient.get(REQUEST));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await outcome).toEqual([200, 1_020]);
  });

  it.each([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])(
    'never costs an answer that comes after %d of the deadline',
    async (share) => {
      const resilient = resilientOver(
        (timeoutMs) => (timeoutMs > share * 10_000 ? answerAfter(share * 10_000) : lateAfter(timeoutMs)),
        { timeoutMs: 10_000, maxConcurrency: 64 },
      );
      for (let round = 0; round < 5; round++) {
        const page = Array.from({ length: 20 }, () => ended(resilient.get(REQUEST)));
        await vi.advanceTimersByTimeAsync(10_000);
        expect(new Set(await Promise.all(page))).toEqual(new Set(page.map(() => [200, share * 10_000])));
      }
      expect(resilient.load().circuitClosed).toBe(true);
    },
  );

  it('waits a random time, twice as long the second time, and never past the deadline', async () => {
    const lost = (): Promise<never> => Promise.reject(new UpstreamError('unavailable', 'lost'));
    const retries = async (timeoutMs: number): Promise<readonly [number | string, number]> => {
      let answer = (): Promise<HttpResponse> => answerAfter(0);
      const resilient = resilientOver(() => answer(), { timeoutMs, maxConcurrency: 1 });
      const saved = Array.from({ length: 20 }, () => ended(resilient.get(REQUEST)));
      await vi.advanceTimersByTimeAsync(20);
      await Promise.all(saved);
      answer = lost;
      const outcome = ended(resilient.get(REQUEST));
      await vi.advanceTimersByTimeAsync(1_000);
      return outcome;
    };
    expect(await retries(1_000)).toEqual(['unavailable', DELAY_MS + 2 * DELAY_MS]);
    expect(await retries(2 * DELAY_MS)).toEqual(['unavailable', DELAY_MS]);
  });

  it('is made at most twice for one call, within a retry budget of a tenth of all calls', async () => {
    const stack = await startStack();
    const { sandbox } = stack;
    await readMany(stack, 60, 1);
    const before = sandbox.calls.count();
    sandbox.faults.add({ when: { id: '1000' }, times: Infinity, answer: { kind: 'status', status: 503 } });
    expect(codesOf(await stack.query(latest('1000')))).toEqual(['UPSTREAM_UNAVAILABLE']);
    expect(sandbox.calls.count() - before).toBe(3);

    // A good call between two failures keeps the circuit closed. 80 calls earn 8 retries; 5 were left.
    sandbox.faults.add({ when: { id: '2000' }, times: Infinity, answer: { kind: 'status', status: 503 } });
    let retries = 0;
    for (let n = 0; n < 40; n++) {
      await stack.query(latest(String(3000 + n)));
      const calls = sandbox.calls.count();
      await stack.query(latest('2000'));
      retries += sandbox.calls.count() - calls - 1;
    }
    expect(retries).toBeGreaterThan(5);
    expect(retries).toBeLessThanOrEqual(5 + 8);
  });
});

describe('the circuit breaker', () => {
  const away: FaultAnswer = { kind: 'status', status: 500 };

  it('opens after ten failures in a row, and then fails at once without a call, with retryAfterSeconds', async () => {
    const stack = await startStack();
    const { sandbox } = stack;
    sandbox.faults.add({ times: Infinity, answer: away });
    expect((await readMany(stack, 10, 1)).flatMap(codesOf)).toEqual(
      Array.from({ length: 10 }, () => 'UPSTREAM_ERROR'),
    );
    for (const { errors } of await readMany(stack, 20, 100)) {
      expect(errors).toMatchObject([
        { extensions: { code: 'UPSTREAM_UNAVAILABLE', retryable: true, retryAfterSeconds: 1 } },
      ]);
    }
    expect(sandbox.calls.count()).toBe(10);
  });

  it('lets one probe through after a second while other calls fail at once, and closes when it succeeds', async () => {
    const stack = await startStack();
    const { sandbox, clock, query } = stack;
    const restore = sandbox.faults.add({ times: Infinity, answer: away });
    await readMany(stack, 10, 1);
    clock.advance(1_000);
    expect(codesOf(await query(latest('50')))).toEqual(['UPSTREAM_ERROR']);
    expect(codesOf(await query(latest('51')))).toEqual(['UPSTREAM_UNAVAILABLE']);
    expect(sandbox.calls.count()).toBe(11);

    restore();
    clock.advance(1_000);
    const latch = createLatch();
    sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
    const probe = query(latest('52'));
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    expect(codesOf(await query(latest('53')))).toEqual(['UPSTREAM_UNAVAILABLE']);
    latch.open();
    expect((await probe).errors).toBeUndefined();
    expect((await readMany(stack, 20, 60)).flatMap(codesOf)).toEqual([]);
    expect(sandbox.calls.count()).toBe(12 + 20);
  });

  it('does not open for 4xx, redirects or bodies that are not JSON', async () => {
    const stack = await startStack();
    for (const status of [400, 401, 403, 404, 409, 422, 429, 302, 418]) {
      stack.sandbox.faults.add({
        times: 3,
        answer: { kind: 'status', status, body: envelope('SOME_CODE', 'No') },
      });
    }
    stack.sandbox.faults.add({ times: 3, answer: { kind: 'raw', bytes: 'nonsense' } });
    for (let n = 1; n <= 30; n++) {
      // No refusal is remembered for longer.
      stack.clock.advance(60_000);
      await stack.query(latest(String(n)));
    }
    expect(stack.sandbox.calls.count()).toBe(30);
    expect((await readMany(stack, 5, 100)).flatMap(codesOf)).toEqual([]);
    expect(stack.logLines.filter(({ msg }) => msg === 'circuit opened')).toEqual([]);
  });

  it('shortens the deadline of calls in flight to that of a probe when it opens', async () => {
    const stack = await startStack({ UPSTREAM_TIMEOUT_MS: '600000' });
    const { sandbox, query } = stack;
    sandbox.faults.add({ when: { id: '1' }, answer: { kind: 'hang' } });
    const hung = query(latest('1'));
    await expect.poll(() => sandbox.calls.inFlight).toBe(1);
    sandbox.faults.add({ times: 10, answer: { kind: 'status', status: 500 } });
    await readMany(stack, 10, 100);
    // It fails after a second instead of five minutes.
    expect(codesOf(await hung)).toEqual(['UPSTREAM_TIMEOUT']);
    await expect.poll(() => sandbox.calls.inFlight).toBe(0);
  });

  it('opens after UPSTREAM_TIMEOUT_MS for an upstream that hangs', async () => {
    const resilient = resilientOver((timeoutMs) => lateAfter(timeoutMs), {
      timeoutMs: 10_000,
      maxConcurrency: 64,
    });
    const outcomes = Array.from({ length: 20 }, () => ended(resilient.get(REQUEST)));
    await vi.advanceTimersByTimeAsync(10_000);
    expect((await ended(resilient.get(REQUEST)))[0]).toBe('unavailable');
    await vi.advanceTimersByTimeAsync(DELAY_MS);
    await Promise.all(outcomes);
  });

  it('counts failures in a row only', async () => {
    const stack = await startStack();
    const fails = new Set([
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
      '7',
      '8',
      '9',
      '11',
      '12',
      '13',
      '14',
      '15',
      '16',
      '17',
      '18',
      '19',
    ]);
    for (const id of fails) stack.sandbox.faults.add({ when: { id }, answer: away });
    await readMany(stack, 20, 1);
    expect(stack.sandbox.calls.count()).toBe(20);
  });

  it('stays closed for calls that hang together while others are answered', async () => {
    const resilient = resilientOver(
      (timeoutMs, path) => (path === '/hangs' ? lateAfter(timeoutMs) : answerAfter(20)),
      { timeoutMs: 10_000, maxConcurrency: 64 },
    );
    const page = Array.from({ length: 20 }, () => ended(resilient.get({ ...REQUEST, path: '/hangs' })));
    await vi.advanceTimersByTimeAsync(5_000);
    const beside = ended(resilient.get(REQUEST));
    await vi.advanceTimersByTimeAsync(5_000);
    expect((await Promise.all(page)).map(([outcome]) => outcome)).toEqual(page.map(() => 'timeout'));
    expect(await beside).toEqual([200, 20]);
    const after = ended(resilient.get(REQUEST));
    await vi.advanceTimersByTimeAsync(20);
    expect(await after).toEqual([200, 20]);
  });

  it('opens for connections that cannot be made', async () => {
    const stack = await startStack({ SUPERMETRICS_API_URL: 'http://127.0.0.1:1/v1' });
    const results = await readMany(stack, 12, 1);
    expect(results.at(-1)?.errors?.[0]?.extensions).toMatchObject({
      code: 'UPSTREAM_UNAVAILABLE',
      retryAfterSeconds: 1,
    });
    expect(results[0]?.errors?.[0]?.extensions).not.toHaveProperty('retryAfterSeconds');
  });
});

describe('the bulkhead', () => {
  it('takes turns among the credentials, so that many calls of one do not keep another waiting', async () => {
    const { origin, world, sandbox, clock, query } = await startStack({
      UPSTREAM_MAX_CONCURRENCY: '2',
      // The seconds that pass below are not unusually long then.
      UPSTREAM_TIMEOUT_MS: '600000',
    });
    world.addToken('greedy', { teams: 'all', permissions: 'view' });
    world.addToken('modest', { teams: 'all', permissions: 'view' });
    await query(latest('1000'), { token: 'greedy' });
    const latches = Array.from({ length: 4 }, createLatch);
    for (const latch of latches) sandbox.faults.add({ answer: { kind: 'hold', until: latch.opened } });
    const ids = Array.from({ length: 100 }, (_, n) => String(n + 1));
    const greedy = query('query ($ids: [ID!]!) { transfers(ids: $ids) { latestBackfill { id } } }', {
      token: 'greedy',
      variables: { ids },
    });
    await expect.poll(() => sandbox.calls.inFlight).toBe(2);
    const modest = query(latest('500'), { token: 'modest' });
    await expect
      .poll(async () => {
        // There is one exposition a second.
        clock.advance(1_000);
        return (await fetch(`${origin}/metrics`)).text();
      })
      .toContain('backfill_gateway_upstream_calls_waiting 99');
    for (const latch of latches) latch.open();
    expect((await modest).errors).toBeUndefined();
    expect((await greedy).errors).toBeUndefined();
    const order = sandbox.calls.all.map(({ authorization }) => authorization);
    expect(order.indexOf('Bearer modest')).toBeLessThan(20);
    expect(sandbox.calls.maxInFlight).toBe(2);
  });

  it('queues at most 64 calls per running call; the credential with most of them gives up its last for another', async () => {
    const refused: string[] = [];
    const resilient = resilientOver(() => answerAfter(100), {
      timeoutMs: 100_000,
      maxConcurrency: 1,
      onRefused: (scope) => void refused.push(scope),
    });
    const ask = (credentialId: string): Promise<readonly [number | string, number]> =>
      ended(resilient.get({ ...REQUEST, credentialId }));
    const greedy = Array.from({ length: 66 }, () => ask('greedy'));
    const modest = ask('modest');
    expect(resilient.load()).toMatchObject({ running: 1, waiting: 64 });
    await vi.advanceTimersByTimeAsync(100_000);
    // The last one found the queue full. The one before it gave up its place to `modest`.
    expect((await Promise.all(greedy)).flatMap(([outcome], n) => (outcome === 200 ? [] : [n]))).toEqual([
      64, 65,
    ]);
    expect(await modest).toEqual([200, 300]);
    expect(refused).toEqual(['share', 'share']);
  });

  it('queues a call for as long as its deadline allows', async () => {
    const resilient = resilientOver(() => answerAfter(400), { timeoutMs: 1_000, maxConcurrency: 1 });
    const outcomes = [1, 2, 3, 4].map(() => ended(resilient.get(REQUEST)));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await Promise.all(outcomes)).toEqual([
      [200, 400],
      [200, 800],
      [200, 1_200],
      ['overloaded', 1_000],
    ]);
  });

  it('serves lists before other calls, and after three of them another call', async () => {
    const order: string[] = [];
    const resilient = resilientOver(() => answerAfter(10), { timeoutMs: 1_000, maxConcurrency: 1 });
    const ask = (name: string, isList: boolean): Promise<unknown> =>
      resilient
        .get({
          ...REQUEST,
          isList,
          exchanges: { began: () => void order.push(name), spent: () => undefined },
        })
        .then(() => undefined);
    const all = [
      ask('first', false),
      ...['one', 'two'].map((name) => ask(name, false)),
      ...['L1', 'L2', 'L3', 'L4'].map((name) => ask(name, true)),
    ];
    await vi.advanceTimersByTimeAsync(1_000);
    await Promise.all(all);
    expect(order).toEqual(['first', 'L1', 'L2', 'L3', 'one', 'L4', 'two']);
  });

  it('gives a credential all slots while it is alone, and half of them while others wait', async () => {
    const resilient = resilientOver(() => answerAfter(100), { timeoutMs: 10_000, maxConcurrency: 8 });
    const { ask, began } = countingExchanges(resilient);
    const greedy = Array.from({ length: 32 }, () => ask('greedy'));
    expect(resilient.load()).toMatchObject({ running: 8 });
    const modest = Array.from({ length: 16 }, () => ask('modest'));
    await vi.advanceTimersByTimeAsync(110);
    expect(Object.fromEntries(began)).toEqual({ greedy: 12, modest: 4 });
    await vi.advanceTimersByTimeAsync(10_000);
    await Promise.all([...greedy, ...modest]);
  });

  it('finds a slot at once beside one that holds most of them, where it was about before', async () => {
    const resilient = resilientOver(() => answerAfter(500), { timeoutMs: 10_000, maxConcurrency: 16 });
    const { ask, began } = countingExchanges(resilient);
    const first = ask('modest');
    await vi.advanceTimersByTimeAsync(500);
    const greedy = Array.from({ length: 60 }, () => ask('greedy'));
    await vi.advanceTimersByTimeAsync(600);
    const modest = ['modest', 'modest'].map(ask);
    await vi.advanceTimersByTimeAsync(0);
    expect(began.get('modest')).toBe(3);
    // Once nobody else is about it may have all of them.
    await vi.advanceTimersByTimeAsync(12_000);
    expect((await Promise.all([first, ...modest])).map(([outcome]) => outcome)).toEqual([200, 200, 200]);
    const alone = Array.from({ length: 16 }, () => ask('greedy'));
    expect(resilient.load()).toMatchObject({ running: 16, waiting: 0 });
    await vi.advanceTimersByTimeAsync(10_000);
    await Promise.all([...greedy, ...alone]);
  });

  it('serves who asks little soon beside one whose calls take seconds, and who loses nothing but time', async () => {
    const resilient = resilientOver(() => answerAfter(2_000), { timeoutMs: 10_000, maxConcurrency: 16 });
    const { ask, began } = countingExchanges(resilient);
    const greedy = Array.from({ length: 20 }, () => ask('greedy'));
    const modest = ['a', 'b', 'c'].map(ask);
    await vi.advanceTimersByTimeAsync(25);
    expect(Object.fromEntries(began)).toEqual({ greedy: 16, a: 1, b: 1, c: 1 });
    // Who holds a quarter waits as anybody does.
    const more = Array.from({ length: 4 }, () => ask('a'));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(began.get('a')).toBe(4);

    await vi.advanceTimersByTimeAsync(20_000);
    const outcomes = await Promise.all([...greedy, ...modest, ...more]);
    expect(new Set(outcomes.map(([outcome]) => outcome))).toEqual(new Set([200]));
    // Six calls were made twice.
    expect(began.get('greedy')).toBe(26);
  });

  it('finds out whether an upstream that hung answers again, and then makes the calls that hang once more', async () => {
    let answers = false;
    const resilient = resilientOver((timeoutMs) => (answers ? answerAfter(50) : lateAfter(timeoutMs)), {
      timeoutMs: 10_000,
      maxConcurrency: 8,
    });
    const all = Array.from({ length: 24 }, () => ended(resilient.get(REQUEST)));
    await vi.advanceTimersByTimeAsync(5_500);
    answers = true;
    await vi.advanceTimersByTimeAsync(20_000);
    const outcomes = await Promise.all(all);
    expect(outcomes.map(([outcome]) => outcome).filter((outcome) => outcome !== 200)).toEqual([]);
    // One call a second was made in vain, and answered at the next.
    expect(Math.max(...outcomes.map(([, ms]) => ms))).toBeLessThan(8_000);
  });

  it('leaves nothing behind of a call that fails by a bug', async () => {
    const resilient = resilientOver(() => Promise.reject(new Error('a bug')), {
      timeoutMs: 1_000,
      maxConcurrency: 4,
    });
    await expect(resilient.get(REQUEST)).rejects.toThrow('a bug');
    expect(vi.getTimerCount()).toBe(0);
    expect(resilient.load()).toMatchObject({ running: 0, waiting: 0 });
  });

  it('gives up the try that another one has overtaken', async () => {
    const abandoned: string[] = [];
    let begun = 0;
    const resilient = resilientOver(
      () => answerAfter(begun++ === 0 ? 900 : 10),
      { timeoutMs: 1_000, maxConcurrency: 2 },
      (path) => abandoned.push(path),
    );
    const call = ended(resilient.get(REQUEST));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await call).toEqual([200, 510]);
    expect(abandoned).toEqual([REQUEST.path]);
  });

  it('makes a call once more whose second try hangs too, since it began just before the upstream fell silent', async () => {
    let answer: (timeoutMs: number) => Promise<HttpResponse> = () => answerAfter(20);
    const resilient = resilientOver((timeoutMs) => answer(timeoutMs), {
      timeoutMs: 10_000,
      maxConcurrency: 64,
    });
    const usual = Array.from({ length: 20 }, () => ended(resilient.get(REQUEST)));
    await vi.advanceTimersByTimeAsync(20);
    await Promise.all(usual);
    answer = lateAfter;
    const unlucky = ended(resilient.get(REQUEST));
    await vi.advanceTimersByTimeAsync(1);
    answer = () => answerAfter(900);
    const last = ended(resilient.get(REQUEST));
    await vi.advanceTimersByTimeAsync(1);
    answer = lateAfter;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await last).toEqual([200, 900]);
    answer = () => answerAfter(20);
    const first = ended(resilient.get(REQUEST));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await first).toEqual([200, 20]);
    const [outcome, ms] = await unlucky;
    expect(outcome).toBe(200);
    expect(ms).toBeLessThan(6_000);
  });

  it('takes slots back from calls that hang, where one credential holds more than a quarter of them', async () => {
    const resilient = resilientOver((timeoutMs) => lateAfter(timeoutMs), {
      timeoutMs: 10_000,
      maxConcurrency: 8,
    });
    const hanging = Array.from({ length: 8 }, () =>
      ended(resilient.get({ ...REQUEST, credentialId: 'hanging' })),
    );
    await vi.advanceTimersByTimeAsync(6_000);
    const modest = [1, 2].map(() =>
      resilient.get({ ...REQUEST, credentialId: 'modest' }).catch(() => undefined),
    );
    await vi.advanceTimersByTimeAsync(0);
    expect(resilient.load()).toMatchObject({ running: 8, waiting: 0 });
    await vi.advanceTimersByTimeAsync(20_000);
    expect((await Promise.all(hanging)).filter(([outcome]) => outcome === 'overloaded')).toHaveLength(2);
    await Promise.all(modest);
  });

  it('counts credentials that were never accepted as one', async () => {
    const order: string[] = [];
    const resilient = resilientOver(() => answerAfter(10), { timeoutMs: 10_000, maxConcurrency: 1 });
    const ask = (credentialId: string, isAccepted: boolean): Promise<unknown> =>
      ended(
        resilient.get({
          ...REQUEST,
          credentialId,
          isAccepted,
          exchanges: { began: () => void order.push(credentialId), spent: () => undefined },
        }),
      );
    const invented = Array.from({ length: 50 }, (_, n) => ask(`invented ${n}`, false));
    const known = Array.from({ length: 5 }, () => ask('known', true));
    await vi.advanceTimersByTimeAsync(10_000);
    await Promise.all([...invented, ...known]);
    expect(order.lastIndexOf('known')).toBeLessThan(11);
  });
});

describe('more calls than the upstream can answer in time', () => {
  it('get no slot in time, without opening a circuit', async () => {
    const resilient = resilientOver(
      (timeoutMs) => (timeoutMs < 300 ? lateAfter(timeoutMs) : answerAfter(300)),
      { timeoutMs: 1_000, maxConcurrency: 20 },
    );
    // Three rounds of twenty fit into the second. A fourth would start with hardly any time left.
    const rush = Promise.allSettled(Array.from({ length: 100 }, () => resilient.get(REQUEST)));
    await vi.advanceTimersByTimeAsync(1500);
    const outcomes = await rush;
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(40);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({
          kind: expect.stringMatching(/^(?:overloaded|timeout)$/) as unknown,
        });
    }
    expect(resilient.load()).toEqual({ running: 0, waiting: 0, circuitClosed: true });
  });
});
